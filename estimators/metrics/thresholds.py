"""Decisions at thresholds of your choice, and at the threshold that gives a wanted rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from estimators.metrics.base import Metric, Sums, aligned, given, spread
from estimators.metrics.histogram import (
    EPSILON,
    by_comparison,
    confusion,
    even_thresholds,
    histogram,
    probabilities,
)


def _at(
    name: str,
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any,
    result: Callable[..., float | Sums],
) -> Metric:
    """Return a metric of counts at each of the thresholds, in their order: ``result(tp, fp, fn, tn)``."""
    order = np.argsort(np.asarray(thresholds, np.float32), kind="stable")
    ascending = [thresholds[i] for i in order]
    places = np.argsort(order)

    def update(label: Any, prediction: Any, weight: Any = None) -> Sums:
        below = by_comparison(probabilities(name, prediction), ascending)
        return histogram(np.asarray(label) != 0, below, len(ascending), weight)

    label, predicted = aligned(labels, predictions)
    return Metric(
        given(label, predicted, spread(weights, predicted)),
        (2, len(ascending) + 1),
        update,
        lambda sums: result(*(counts[places] for counts in confusion(sums))),
    )


def true_positives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Weight of the positives whose prediction is above each threshold.

    Args:
        labels: What is not 0 is positive.
        predictions: Between 0 and 1, with the shape of the labels; a last axis of size 1 may differ.
        thresholds: Numbers in any order; they are compared in float32.
        weights: See `mean`.

    Returns:
        A metric whose value is an array ``[thresholds]``.

    Raises:
        InvalidArgumentError: A prediction is not between 0 and 1; when it is computed.
        SpecError: Shapes do not fit.

    >>> true_positives_at_thresholds([0, 1, 1], [0.2, 0.5, 0.75], [0.0, 0.5]).value().tolist()
    [2.0, 1.0]
    """
    name = "true_positives_at_thresholds"
    return _at(name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: tp)


def false_positives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Weight of the negatives above each threshold; arguments as of `true_positives_at_thresholds`.

    >>> false_positives_at_thresholds([0, 1, 0], [0.2, 0.5, 0.75], [0.0, 0.5]).value().tolist()
    [2.0, 1.0]
    """
    name = "false_positives_at_thresholds"
    return _at(name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: fp)


def false_negatives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Weight of the positives not above each threshold; arguments as of `true_positives_at_thresholds`.

    >>> false_negatives_at_thresholds([0, 1, 1], [0.2, 0.5, 0.75], [0.0, 0.5]).value().tolist()
    [0.0, 1.0]
    """
    name = "false_negatives_at_thresholds"
    return _at(name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: fn)


def true_negatives_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Weight of the negatives not above each threshold; arguments as of `true_positives_at_thresholds`.

    >>> true_negatives_at_thresholds([0, 1, 0], [0.2, 0.5, 0.75], [0.0, 0.5]).value().tolist()
    [0.0, 1.0]
    """
    name = "true_negatives_at_thresholds"
    return _at(name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: tn)


def precision_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Precision, tp / (1e-7 + tp + fp), at each threshold; arguments as of `true_positives_at_thresholds`.

    >>> precision_at_thresholds([0, 1, 1], [0.2, 0.5, 0.75], [0.1, 0.5]).value().round(4).tolist()
    [0.6667, 1.0]
    """
    name = "precision_at_thresholds"
    return _at(
        name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: tp / (EPSILON + tp + fp)
    )


def recall_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any = None
) -> Metric:
    """Recall, tp / (1e-7 + tp + fn), at each threshold; arguments as of `true_positives_at_thresholds`.

    >>> recall_at_thresholds([0, 1, 1], [0.2, 0.5, 0.75], [0.1, 0.5]).value().round(4).tolist()
    [1.0, 0.5]
    """
    name = "recall_at_thresholds"
    return _at(
        name, labels, predictions, thresholds, weights, lambda tp, fp, fn, tn: tp / (EPSILON + tp + fn)
    )


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise InvalidArgumentError(f"{name} must be between 0 and 1, not {rate}")


def _rate(hits: Any, misses: Any) -> Any:
    """Return hits / (hits + misses + 1e-7) in float32, which decides between thresholds as in TensorFlow."""
    hit, miss = np.asarray(hits, np.float32), np.asarray(misses, np.float32)
    return hit / (hit + miss + np.float32(EPSILON))


def sensitivity_at_specificity(
    labels: Any, predictions: Any, specificity: float, weights: Any = None, num_thresholds: int = 200
) -> Metric:
    """Sensitivity, tp / (tp + fn), where tn / (tn + fp) is nearest to the specificity.

    Args:
        labels: What is not 0 is positive.
        predictions: Between 0 and 1, with the shape of the labels; a last axis of size 1 may differ.
        specificity: Between 0 and 1.
        weights: See `mean`.
        num_thresholds: How many are tried, in even distances; the lowest of equally near ones is taken.

    Raises:
        InvalidArgumentError: The specificity, or a prediction when it is computed, is not between 0 and 1.
        SpecError: Shapes do not fit.

    >>> round(sensitivity_at_specificity([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.8], specificity=0.5).value(), 4)
    1.0
    """
    _check_rate("specificity", specificity)

    def result(tp: Sums, fp: Sums, fn: Sums, tn: Sums) -> float:
        best = np.argmin(np.abs(_rate(tn, fp) - np.float32(specificity)))
        return float(_rate(tp, fn)[best])

    points = even_thresholds(num_thresholds)
    return _at("sensitivity_at_specificity", labels, predictions, points, weights, result)


def specificity_at_sensitivity(
    labels: Any, predictions: Any, sensitivity: float, weights: Any = None, num_thresholds: int = 200
) -> Metric:
    """Specificity, tn / (tn + fp), where tp / (tp + fn) is nearest to the sensitivity.

    Other arguments and errors are as of `sensitivity_at_specificity`.

    Args:
        labels: What is not 0 is positive.
        predictions: Between 0 and 1.
        sensitivity: Between 0 and 1.
        weights: See `mean`.
        num_thresholds: How many are tried; the highest of equally near ones is taken.

    >>> round(specificity_at_sensitivity([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.8], sensitivity=0.5).value(), 4)
    1.0
    """
    _check_rate("sensitivity", sensitivity)

    def result(tp: Sums, fp: Sums, fn: Sums, tn: Sums) -> float:
        distances = np.abs(_rate(tp, fn) - np.float32(sensitivity))
        best = np.flatnonzero(distances == distances.min())[-1]
        return float(_rate(tn, fp)[best])

    points = [*even_thresholds(num_thresholds)[:-1], 1.0 - EPSILON]
    return _at("specificity_at_sensitivity", labels, predictions, points, weights, result)
