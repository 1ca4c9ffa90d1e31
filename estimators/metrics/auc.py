"""Area under a curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from estimators.metrics.base import Metric, Sums, aligned, given, ratios, spread
from estimators.metrics.histogram import (
    EPSILON,
    by_comparison,
    by_even_buckets,
    confusion,
    even_thresholds,
    histogram,
    probabilities,
)

_HEIGHTS: dict[str, Callable[[Sums, Sums], Sums]] = {
    "trapezoidal": lambda low, high: (low + high) / 2,
    "interpolation": lambda low, high: (low + high) / 2,
    "careful_interpolation": lambda low, high: (low + high) / 2,
    "minoring": np.minimum,
    "majoring": np.maximum,
}


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    curve: str = "ROC",
    summation_method: str = "interpolation",
    thresholds: Sequence[float] | None = None,
    *,
    epsilon: float = 0.0,
) -> Metric:
    """Area under the ROC curve (recall over the rate of false positives), or that of precision over recall.

    The defaults are those of `tf.keras.metrics.AUC`, and of the heads of tf.estimator 2. With
    ``epsilon=1e-6`` and summation_method "trapezoidal" it is `tf.compat.v1.metrics.auc`, as in heads of
    tf.estimator 1; its area under the PR curve is known to be too large.

    Args:
        labels: What is not 0 is positive; with the shape of the predictions.
        predictions: Probabilities.
        weights: See `mean`.
        num_thresholds: How many points the curve has.
        curve: "ROC" or "PR".
        summation_method: "interpolation" or "careful_interpolation": trapezoids for ROC, and for PR the
            curve of Davis & Goadrich 2006; "trapezoidal"; "minoring" and "majoring": steps below and above.
        thresholds: Those between 0 and 1, instead of even distances.
        epsilon: Added to true positives and to denominators. Where it is not 0, predictions are compared
            with the thresholds, which differs from Keras's buckets in ties by rounding.

    Raises:
        InvalidArgumentError: A setting is none of these, or, when it is computed, a prediction is not
            between 0 and 1.
        SpecError: Shapes do not fit.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value()
    0.75
    """
    if curve not in ("ROC", "PR"):
        raise InvalidArgumentError(f"curve must be 'ROC' or 'PR', not {curve!r}")
    if summation_method not in _HEIGHTS:
        raise InvalidArgumentError(
            f"summation_method must be one of {', '.join(map(repr, _HEIGHTS))}, not {summation_method!r}"
        )
    buckets = thresholds is None and not epsilon
    points = even_thresholds(num_thresholds) if thresholds is None else _with_ends(thresholds)
    count = len(points)

    def update(label: Any, prediction: Any, weight: Any = None) -> Sums:
        p = probabilities("auc", prediction)
        below = by_even_buckets(p, count) if buckets else by_comparison(p, points)
        return histogram(np.asarray(label) != 0, below, count, weight)

    def result(sums: Sums) -> float:
        if curve == "PR" and summation_method.endswith("interpolation"):
            return _interpolated_precision_recall(sums)
        return _area(sums, curve, summation_method, epsilon)

    label, predicted = aligned(labels, predictions)
    return Metric(given(label, predicted, spread(weights, predicted)), (2, count + 1), update, result)


def _with_ends(thresholds: Sequence[float]) -> list[float]:
    if any(not 0 <= threshold <= 1 for threshold in thresholds):
        raise InvalidArgumentError(f"thresholds must be between 0 and 1, not {list(thresholds)}")
    return [-EPSILON, *sorted(thresholds), 1.0 + EPSILON]


def _area(sums: Sums, curve: str, method: str, epsilon: float) -> float:
    tp, fp, fn, tn = confusion(sums)
    recall = ratios(tp + epsilon, tp + fn + epsilon)
    if curve == "ROC":
        x, y = ratios(fp, fp + tn + epsilon), recall
    else:
        x, y = recall, ratios(tp + epsilon, tp + fp + epsilon)
    return float(((x[:-1] - x[1:]) * _HEIGHTS[method](y[:-1], y[1:])).sum())


def _interpolated_precision_recall(sums: Sums) -> float:
    """Area under the interpolated curve. Source: Davis & Goadrich 2006, as in Keras."""
    tp, fp, _, _ = confusion(sums)
    p = tp + fp
    dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = ratios(dtp, dp)
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    safe = np.divide(p[:-1], p[1:], out=np.ones_like(dp), where=both)
    positives = sums[0].sum()
    terms = slope * (dtp + intercept * np.log(safe))
    return float((terms / positives).sum()) if positives > 0 else 0.0
