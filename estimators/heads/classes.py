"""What heads of classes share: names of classes, thresholds, signatures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import is_text
from estimators.export.outputs import ClassificationOutput
from estimators.graph.primitives.classification import repeat_rows
from estimators.metrics import Metric, accuracy, precision, recall


def checked_classes(n_classes: Any, least: int, hint: str) -> int:
    """Return the number of classes.

    Raises:
        SpecError: It is no integer.
        InvalidArgumentError: It is too small.
    """
    if not isinstance(n_classes, int | np.integer) or isinstance(n_classes, bool):
        raise SpecError(f"n_classes must be an integer, not {n_classes!r}")
    if n_classes < least:
        raise InvalidArgumentError(f"n_classes must be at least {least}, not {n_classes}", hint=hint)
    return int(n_classes)


def checked_vocabulary(vocabulary: Any, n_classes: int) -> tuple[str, ...] | None:
    """Return a label_vocabulary, None if there is none.

    Raises:
        InvalidArgumentError: It is no list of so many different classes.
        SpecError: A class is no text.
    """
    if vocabulary is None:
        return None
    if not isinstance(vocabulary, list | tuple):
        raise InvalidArgumentError(f"label_vocabulary must be a list of classes, not {vocabulary!r}")
    names = tuple(item.decode() if isinstance(item, bytes) else item for item in vocabulary)
    for name in names:
        if not isinstance(name, str):
            raise SpecError(
                f"label_vocabulary must hold text, and holds {name!r}",
                hint="leave it out if labels are numbers from 0 to n_classes - 1",
            )
    if len(names) != n_classes or len(set(names)) != n_classes:
        raise InvalidArgumentError(
            f"label_vocabulary must be a list of {n_classes} different classes, not {vocabulary!r}"
        )
    return names


def check_kind(labels: Tensor, vocabulary: tuple[str, ...] | None, numbers: str) -> None:
    """Raise `SpecError` unless labels are text with a vocabulary, or numbers without."""
    if is_text(labels.dtype) != (vocabulary is not None):
        raise SpecError(
            f"labels are {'text' if is_text(labels.dtype) else 'numbers'}, and the head has "
            f"{'no' if vocabulary is None else 'a'} label_vocabulary",
            hint=f"give label_vocabulary=[…], a list of the classes, for text, and none for {numbers}",
        )


def class_names(n_classes: int, vocabulary: Sequence[str] | None) -> Tensor:
    """Return the names of classes, which are their numbers if there is no vocabulary."""
    names = vocabulary or [str(i) for i in range(n_classes)]
    return as_tensor(np.array(names, object))


def classification_output(scores: Tensor, names: Tensor) -> ClassificationOutput:
    """Return scores with the names of all classes."""
    return ClassificationOutput(scores, repeat_rows(scores, names))


def checked_thresholds(thresholds: Iterable[float] | None) -> tuple[float, ...]:
    """Return thresholds.

    Raises:
        InvalidArgumentError: One is not between 0 and 1.
        SpecError: They are no numbers.
    """
    if isinstance(thresholds, str) or not isinstance(thresholds, Iterable | None):
        raise SpecError(f"thresholds must be a list of numbers, not {thresholds!r}")
    found = tuple(thresholds or ())
    for threshold in found:
        if not isinstance(threshold, int | float | np.number):
            raise SpecError(f"thresholds must be numbers, and one is {threshold!r}")
        if not 0 < threshold < 1:
            raise InvalidArgumentError(f"thresholds must be above 0 and below 1, and one is {threshold}")
    return tuple(map(float, found))


def at_thresholds(
    thresholds: Iterable[float], labels: Tensor, probabilities: Tensor, weights: Tensor | None
) -> dict[str, Metric]:
    """Return accuracy, precision and recall where probabilities above a threshold are a yes."""
    found = {}
    for threshold in thresholds:
        chosen: Any = (probabilities > threshold).astype(np.float32)
        for metric in (accuracy, precision, recall):
            found[f"{metric.__name__}/positive_threshold_{threshold:g}"] = metric(labels, chosen, weights)
    return found
