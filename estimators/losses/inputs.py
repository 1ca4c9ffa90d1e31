"""What losses take: tensors or arrays, of equal shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor


def value_of(value: Any, what: str) -> Any:
    """Return a Tensor as it is, and anything else as an array.

    Raises:
        SpecError: It is None.
    """
    if value is None:
        way_out = (
            "in mode infer return EstimatorSpec(mode, predictions) before the loss; in train the input_fn "
            "must give (features, labels)"
        )
        raise SpecError(f"{what} are None", hint=way_out if what == "labels" else None)
    return value if isinstance(value, Tensor) else np.asarray(value)


def numbers(what: str, value: Any, dtype: Any = None) -> Any:
    """Return numbers of the dtype; without one floating-point numbers stay, and others become float32.

    Raises:
        SpecError: It is text.
    """
    given = value_of(value, what)
    if given.dtype.kind not in "biuf":
        raise SpecError(
            f"{what} must be numbers, and have dtype {given.dtype}",
            hint="convert text with a vocabulary, or with .astype",
        )
    wanted = np.dtype(dtype or (given.dtype if given.dtype.kind == "f" else np.float32))
    return given if given.dtype == wanted else given.astype(wanted)


def fits(left: tuple[int | None, ...], right: tuple[int | None, ...]) -> bool:
    """Tell whether two shapes may be equal."""
    return len(left) == len(right) and all(
        a == b or a is None or b is None for a, b in zip(left, right, strict=True)
    )


def pair(labels: Any, predictions: Any, what: str = "predictions") -> tuple[Any, Any]:
    """Return labels and predictions as numbers of the predictions' dtype.

    Raises:
        SpecError: Their shapes differ: NumPy would make ``[batch, batch]`` of ``[batch]`` and ``[batch, 1]``.
    """
    predicted = numbers(what, predictions)
    label = numbers("labels", labels, predicted.dtype)
    if not fits(label.shape, predicted.shape):
        raise SpecError(
            f"labels have shape {label.shape}, and {what} {predicted.shape}",
            hint=_way_out(label, predicted, what),
        )
    return label, predicted


def _way_out(labels: Any, predictions: Any, what: str) -> str:
    if labels.ndim + 1 == predictions.ndim and predictions.shape[-1] == 1:
        return f"give labels an axis more with labels[..., None], or take one from the {what} with [..., 0]"
    if predictions.ndim + 1 == labels.ndim and labels.shape[-1] == 1:
        return f"give {what} an axis more with [..., None], or take one from the labels with labels[..., 0]"
    return "there must be one label for each prediction"
