"""Accuracy, and counts of right and wrong decisions for and against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.expr.tensor import require_numeric
from dataflow.spec import is_text
from estimators.metrics.base import Metric, Sums, aligned, flat, given, ratio, spread
from estimators.metrics.mean import mean


def accuracy(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """The weighted share of examples whose predicted class is the label.

    Args:
        labels: Numbers or text, with the shape of the predictions; a last axis of size 1 may differ.
        predictions: Classes; numbers get the dtype of the labels.
        weights: See `mean`.

    Raises:
        SpecError: Shapes do not fit.

    >>> accuracy([1, 2, 3], [1, 2, 0], weights=[1.0, 1.0, 2.0]).value()
    0.5
    """
    label, predicted = aligned(labels, predictions)
    if label.dtype != predicted.dtype and not is_text(predicted.dtype):
        predicted = predicted.astype(label.dtype)
    return mean((label == predicted).astype(np.float32), weights)


def _counts(labels: Any, predictions: Any, weights: Any = None) -> Sums:
    """Weights of true positives, false positives, false negatives and true negatives."""
    label, weight = flat(labels, weights)
    real, chosen = label != 0, flat(predictions)[0] != 0
    pairs = (real & chosen, ~real & chosen, real & ~chosen, ~real & ~chosen)
    return np.array([weight[pair].sum() for pair in pairs])


def _of_counts(labels: Any, predictions: Any, weights: Any, result: Callable[[Sums], float]) -> Metric:
    label, predicted = aligned(labels, predictions)
    require_numeric("a count of positives", label, predicted)
    return Metric(given(label, predicted, spread(weights, predicted)), (4,), _counts, result)


def precision(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """True positives over all predicted positives; 0 if nothing is predicted positive.

    Args:
        labels: What is not 0 is positive.
        predictions: Classes, with the shape of the labels; what is not 0 is positive.
        weights: See `mean`.

    Raises:
        SpecError: Shapes do not fit, or there is text.

    >>> precision([0, 1, 1], [1, 1, 0]).value()
    0.5
    """
    return _of_counts(labels, predictions, weights, lambda sums: ratio(sums[0], sums[0] + sums[1]))


def recall(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """True positives over all positives, 0 if there are none; arguments and errors as of `precision`.

    >>> recall([0, 1, 1, 1, 1], [1, 1, 0, 0, 0]).value()
    0.25
    """
    return _of_counts(labels, predictions, weights, lambda sums: ratio(sums[0], sums[0] + sums[2]))


def true_positives(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weight of the positives that are predicted positive; arguments and errors as of `precision`.

    >>> true_positives([0, 1, 1], [1, 1, 0]).value()
    1.0
    """
    return _of_counts(labels, predictions, weights, lambda sums: float(sums[0]))


def false_positives(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weight of the negatives that are predicted positive; arguments and errors as of `precision`.

    >>> false_positives([0, 0, 1], [1, 1, 0]).value()
    2.0
    """
    return _of_counts(labels, predictions, weights, lambda sums: float(sums[1]))


def false_negatives(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weight of the positives that are predicted negative; arguments and errors as of `precision`.

    >>> false_negatives([0, 1, 1], [1, 1, 0], weights=[1.0, 1.0, 0.5]).value()
    0.5
    """
    return _of_counts(labels, predictions, weights, lambda sums: float(sums[2]))


def true_negatives(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weight of the negatives that are predicted negative; arguments and errors as of `precision`.

    >>> true_negatives([0, 0, 1], [0, 1, 0]).value()
    1.0
    """
    return _of_counts(labels, predictions, weights, lambda sums: float(sums[3]))
