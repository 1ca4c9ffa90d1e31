"""Means over classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import require_numeric
from estimators.metrics.base import Metric, Sums, aligned, flat, given, ratios, spread


def _classes(what: str, values: Any, count: int) -> npt.NDArray[np.int64]:
    """Return classes, flat.

    Raises:
        InvalidArgumentError: One is out of range.
    """
    ids = np.asarray(values).astype(np.int64).ravel()
    bad = (ids < 0) | (ids >= count)
    if bad.any():
        raise InvalidArgumentError(
            f"{what} of {count} classes must be between 0 and {count - 1}, and one is {ids[bad][0]}"
        )
    return ids


def _by_class(
    labels: Any, predictions: Any, weights: Any, shape: tuple[int, ...], update: Any, result: Any
) -> Metric:
    if shape[-1] < 1:
        raise InvalidArgumentError(f"num_classes must be at least 1, not {shape[-1]}")
    label, predicted = aligned(labels, predictions)
    require_numeric("a metric of classes", label, predicted)
    return Metric(given(label, predicted, spread(weights, predicted)), shape, update, result)


def mean_per_class_accuracy(labels: Any, predictions: Any, num_classes: int, weights: Any = None) -> Metric:
    """Mean over the classes of the share of a class's examples that are predicted right.

    A class without examples counts as 0, as in TensorFlow.

    Args:
        labels: Classes from 0 to num_classes - 1.
        predictions: Classes, with the shape of the labels; a last axis of size 1 may differ.
        num_classes: How many there are.
        weights: See `mean`.

    Raises:
        InvalidArgumentError: A label is out of range; when it is computed.
        SpecError: Shapes do not fit.

    >>> mean_per_class_accuracy([0, 0, 1, 1], [0, 0, 1, 0], num_classes=2).value()
    0.75
    """

    def update(label: Any, prediction: Any, weight: Any = None) -> Sums:
        ids = _classes("labels", label, num_classes)
        hit, weight = flat(ids == np.asarray(prediction).ravel(), _flat_like(weight, label))
        return np.stack([np.bincount(ids, share, num_classes) for share in (hit * weight, weight)])

    return _by_class(
        labels, predictions, weights, (2, num_classes), update, lambda sums: float(ratios(*sums).mean())
    )


def mean_iou(labels: Any, predictions: Any, num_classes: int, weights: Any = None) -> Metric:
    """Mean over the classes of intersection over union: tp / (tp + fp + fn).

    Classes that are neither labels nor predictions do not count. Other arguments and errors are as of
    `mean_per_class_accuracy`; predictions must be in range too.

    Args:
        labels: Classes from 0 to num_classes - 1.
        predictions: Classes from 0 to num_classes - 1.
        num_classes: How many there are.
        weights: See `mean`.

    >>> mean_iou([0, 0, 1, 1], [0, 1, 1, 1], num_classes=3).value()
    0.5833333333333333
    """

    def update(label: Any, prediction: Any, weight: Any = None) -> Sums:
        real = _classes("labels", label, num_classes)
        chosen = _classes("predictions", prediction, num_classes)
        _, share = flat(real, _flat_like(weight, label))
        places = real * num_classes + chosen
        pairs: Sums = np.bincount(places, share, num_classes**2).astype(np.float64)
        return pairs.reshape(num_classes, num_classes)

    def result(sums: Sums) -> float:
        union = sums.sum(axis=0) + sums.sum(axis=1) - np.diag(sums)
        seen = union > 0
        return float((np.diag(sums)[seen] / union[seen]).mean()) if seen.any() else 0.0

    return _by_class(labels, predictions, weights, (num_classes, num_classes), update, result)


def _flat_like(weights: Any, values: Any) -> Any:
    return None if weights is None else flat(values, weights)[1]
