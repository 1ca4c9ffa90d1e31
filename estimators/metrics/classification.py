"""Metrics of binary classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.metrics.base import Metric, Sums, flat, ratio
from estimators.metrics.mean import mean

THRESHOLDS = 200


def accuracy(labels: Tensor, class_ids: Tensor, weights: Tensor | None = None) -> Metric:
    """The weighted share of examples whose class is the label."""
    hit = (labels.astype(np.float32) == class_ids.astype(np.float32)).astype(np.float32)
    return mean(hit, weights)


def _counts(labels: Any, class_ids: Any, weights: Any = None) -> Sums:
    """Weights of true positives, false positives and false negatives."""
    label, weight = flat(labels, weights)
    chosen, _ = flat(class_ids)
    pairs = ((label > 0) & (chosen > 0), (label <= 0) & (chosen > 0), (label > 0) & (chosen <= 0))
    return np.array([weight[pair].sum() for pair in pairs])


def _inputs(*tensors: Tensor | None) -> tuple[Tensor, ...]:
    return tuple(tensor for tensor in tensors if tensor is not None)


def precision(labels: Tensor, class_ids: Tensor, weights: Tensor | None = None) -> Metric:
    """True positives over all predicted positives; 0 if nothing is predicted positive."""
    inputs = _inputs(labels, class_ids, weights)
    return Metric(inputs, (3,), _counts, lambda sums: ratio(sums[0], sums[0] + sums[1]))


def recall(labels: Tensor, class_ids: Tensor, weights: Tensor | None = None) -> Metric:
    """True positives over all positives; 0 if there are none."""
    inputs = _inputs(labels, class_ids, weights)
    return Metric(inputs, (3,), _counts, lambda sums: ratio(sums[0], sums[0] + sums[2]))


def _histogram(labels: Any, predictions: Any, weights: Any = None) -> Sums:
    """Weights of positives and negatives by bucket of the prediction, ``[2, THRESHOLDS]``.

    A prediction p is above threshold i / 199 just if its bucket ceil(199 p) - 1 is at least i; in float32,
    as Keras does it.
    """
    label, weight = flat(labels, weights)
    p = np.asarray(predictions, np.float32).ravel()
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise InvalidArgumentError(
            f"auc takes predictions between 0 and 1, and one is {p[outside][0]}",
            hint="look for NaN in features and weights; give probabilities, not logits",
        )
    bucket = np.maximum(np.ceil(p * np.float32(THRESHOLDS - 1)) - 1, 0).astype(np.int64)
    positive = np.bincount(bucket, weight * label, THRESHOLDS)
    return np.stack([positive, np.bincount(bucket, weight * (1 - label), THRESHOLDS)])


def _roc(sums: Sums) -> float:
    """Area under the curve of true over false positive rates, by trapezoids."""
    above = _above(sums)
    total = sums.sum(axis=1, keepdims=True)
    tpr, fpr = np.divide(above, total, out=np.zeros_like(above), where=total > 0)
    return float(((fpr[:-1] - fpr[1:]) * (tpr[:-1] + tpr[1:]) / 2).sum())


def _above(sums: Sums) -> Sums:
    """Weights of positives and negatives above each threshold: no prediction is in the last bucket."""
    return np.cumsum(sums[:, ::-1], axis=1)[:, ::-1]


def _precision_recall(sums: Sums) -> float:
    """Area under the interpolated curve. Source: Davis & Goadrich 2006, as in Keras."""
    tp, fp = _above(sums)
    p = tp + fp
    dtp, dp = tp[:-1] - tp[1:], p[:-1] - p[1:]
    slope = np.divide(dtp, np.maximum(dp, 0), out=np.zeros_like(dp), where=dp > 0)
    intercept = tp[1:] - slope * p[1:]
    both = (p[:-1] > 0) & (p[1:] > 0)
    safe = np.divide(p[:-1], np.maximum(p[1:], 0), out=np.ones_like(dp), where=both)
    positives = sums[0].sum()
    terms = slope * (dtp + intercept * np.log(safe))
    return float((terms / positives).sum()) if positives else 0.0


def auc(labels: Tensor, predictions: Tensor, weights: Tensor | None = None, *, curve: str = "ROC") -> Metric:
    """Area under the ROC or the precision-recall ("PR") curve, over 200 thresholds.

    Args:
        labels: 0 or 1 (or a probability between).
        predictions: Probabilities.
        weights: Weights of the examples.
        curve: "ROC" or "PR".

    >>> from dataflow.expr.tensor import as_tensor
    >>> metric = auc(as_tensor([0.0, 0.0, 1.0, 1.0]), as_tensor([0.1, 0.4, 0.35, 0.8]))
    >>> metric.result(metric.update([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    if curve not in ("ROC", "PR"):
        raise InvalidArgumentError(f"curve must be 'ROC' or 'PR', not {curve!r}")
    result = {"ROC": _roc, "PR": _precision_recall}[curve]
    return Metric(_inputs(labels, predictions, weights), (2, THRESHOLDS), _histogram, result)
