"""What a signature of an exported model returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text

SERVING_DEFAULT = "serving_default"
"""The signature that is used where none is named."""


class ExportOutput:
    """What one signature returns."""


@dataclasses.dataclass(frozen=True, eq=False)
class PredictOutput(ExportOutput):
    """Any tensors, by name.

    Args:
        outputs: A dict of tensors, or one tensor, which is then called "output".

    Raises:
        InvalidArgumentError: An output is no tensor, or has no name.

    >>> from dataflow.expr.tensor import as_tensor
    >>> list(PredictOutput(as_tensor([1.0])).outputs)
    ['output']
    """

    outputs: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        outputs: Any = self.outputs
        outputs = dict(outputs) if isinstance(outputs, Mapping) else {"output": outputs}
        for name, value in outputs.items():
            if not isinstance(name, str):
                raise InvalidArgumentError(f"names of outputs must be text, not {name!r}")
            if not isinstance(value, Tensor):
                raise InvalidArgumentError(f"the output {name!r} must be a Tensor, not {value!r}")
        object.__setattr__(self, "outputs", outputs)


@dataclasses.dataclass(frozen=True, eq=False)
class RegressionOutput(ExportOutput):
    """Predicted numbers.

    Args:
        value: Floating-point, one for each example.

    Raises:
        InvalidArgumentError: It is something else.
    """

    value: Tensor

    def __post_init__(self) -> None:
        _check("the value of a RegressionOutput", self.value, "floating-point numbers")


@dataclasses.dataclass(frozen=True, eq=False)
class ClassificationOutput(ExportOutput):
    """Classes and their scores.

    Args:
        scores: Floating-point, ``[batch, classes]`` (or of the classes that are given).
        classes: Text, of the same shape.

    Raises:
        InvalidArgumentError: Both are missing, or one is something else.

    >>> ClassificationOutput()
    Traceback (most recent call last):
    dataflow.errors.InvalidArgumentError: a ClassificationOutput needs scores, classes or both
    """

    scores: Tensor | None = None
    classes: Tensor | None = None

    def __post_init__(self) -> None:
        if self.scores is None and self.classes is None:
            raise InvalidArgumentError("a ClassificationOutput needs scores, classes or both")
        if self.scores is not None:
            _check("scores of a ClassificationOutput", self.scores, "floating-point numbers")
        if self.classes is not None:
            _check("classes of a ClassificationOutput", self.classes, "text")


def _check(what: str, value: Any, kind: str) -> None:
    good = isinstance(value, Tensor) and (is_text(value.dtype) if kind == "text" else value.dtype.kind == "f")
    if not good:
        shown = value.spec if isinstance(value, Tensor) else repr(value)
        raise InvalidArgumentError(f"{what} must be a Tensor of {kind}, not {shown}")


def with_default(outputs: Any, predictions: Any) -> dict[str, ExportOutput]:
    """Return the signatures of a model, `SERVING_DEFAULT` among them.

    Args:
        outputs: By name; None: the predictions. A single one is there under the default's name too.
        predictions: A dict of tensors, or one.

    Raises:
        SpecError: It is no dict, or holds something else.
        InvalidArgumentError: There are several, and none is the default.
    """
    if outputs is None:
        return {SERVING_DEFAULT: PredictOutput(predictions)}
    if not isinstance(outputs, Mapping):
        raise SpecError(f"export_outputs must be a dict, not {outputs!r}")
    for name, value in outputs.items():
        if not isinstance(name, str) or not isinstance(value, ExportOutput):
            raise SpecError(
                f"export_outputs must hold ExportOutput objects by name, and holds {name!r}: {value!r}",
                hint="use PredictOutput, RegressionOutput or ClassificationOutput of estimators.export",
            )
    found = dict(outputs)
    if len(found) == 1:
        found[SERVING_DEFAULT] = next(iter(found.values()))
    if SERVING_DEFAULT not in found:
        raise InvalidArgumentError(
            f"of the export_outputs {sorted(found)} none is the default",
            hint=f"call one of them {SERVING_DEFAULT!r}",
        )
    return found
