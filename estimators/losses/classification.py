"""Losses of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives import classification
from estimators.losses.inputs import fits, numbers, pair, value_of
from estimators.losses.reduction import Reduction, compute_weighted_loss


def hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> Tensor:
    """max(0, 1 - t z), where t is -1 for label 0 and 1 for label 1.

    Args:
        labels: 0 or 1, with the shape of the logits.
        logits: Numbers; other than floating-point become float32.
        weights: See `compute_weighted_loss`.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the logits; with `Reduction.NONE` their shape.

    Raises:
        SpecError: Labels and logits have different shapes, or weights do not fit.

    >>> float(hinge_loss([1, 0], [0.5, -3.0]))
    0.25
    """
    label, logit = pair(labels, logits, "logits")
    losses = np.maximum(0.0, 1.0 - (2.0 * label - 1.0) * logit)  # no slope at the corner, as in TensorFlow
    return compute_weighted_loss(losses, weights, reduction)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """-y ln(p + ε) - (1 - y) ln(1 - p + ε), for probabilities p; for logits use `sigmoid_cross_entropy`.

    Args:
        labels: 0 or 1, or a probability, with the shape of the predictions.
        predictions: Probabilities.
        weights: See `compute_weighted_loss`.
        epsilon: What keeps the logarithm finite.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the predictions; with `Reduction.NONE` their shape.

    Raises:
        SpecError: Labels and predictions have different shapes, or weights do not fit.

    >>> round(float(log_loss([1, 0], [0.5, 0.25])), 4)
    0.4904
    """
    label, p = pair(labels, predictions)
    losses = -label * np.log(p + epsilon) - (1.0 - label) * np.log(1.0 - p + epsilon)
    return compute_weighted_loss(losses, weights, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """max(z, 0) - z y + ln(1 + e^-|z|): the cross entropy of y and sigmoid(z), class by class.

    Args:
        multi_class_labels: 0 or 1, or a probability, with the shape of the logits.
        logits: Numbers; other than floating-point become float32.
        weights: See `compute_weighted_loss`.
        label_smoothing: With s in place of 0, labels become y (1 - s) + s / 2.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the logits; with `Reduction.NONE` their shape.

    Raises:
        InvalidArgumentError: label_smoothing is not between 0 and 1.
        SpecError: Labels and logits have different shapes, or weights do not fit.

    >>> round(float(sigmoid_cross_entropy([[1, 0]], [[0.0, -100.0]])), 4)
    0.3466
    """
    label, logit = pair(multi_class_labels, logits, "logits")
    losses = classification.sigmoid_cross_entropy(logit, _smooth(label, label_smoothing, 2))
    return compute_weighted_loss(losses, weights, reduction)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """logsumexp(z) - z_y: the cross entropy of one-hot labels and softmax(z). Labels get no gradient.

    Args:
        onehot_labels: ``[batch, classes]``, a distribution in each row.
        logits: ``[batch, classes]``; other than floating-point become float32.
        weights: A number, or ``[batch]``; see `compute_weighted_loss`.
        label_smoothing: With s in place of 0, labels become y (1 - s) + s / classes.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the logits; with `Reduction.NONE` it is ``[batch]``.

    Raises:
        InvalidArgumentError: label_smoothing is not between 0 and 1.
        SpecError: Labels and logits have different shapes, or weights do not fit.

    >>> round(float(softmax_cross_entropy([[0, 1, 0]], [[1.0, 1.0, 1.0]])), 4)
    1.0986
    """
    label, logit = pair(onehot_labels, logits, "logits")
    classes = logit.shape[-1] if logit.ndim else None
    if classes is None:
        raise SpecError(f"logits have shape {logit.shape}, and the number of classes must be known")
    losses = classification.softmax_cross_entropy(logit, _smooth(label, label_smoothing, classes))
    return compute_weighted_loss(losses, weights, reduction)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> Tensor:
    """logsumexp(z) - z_y: the cross entropy of the class y and softmax(z).

    Args:
        labels: Integers from 0 to classes - 1, ``[batch]`` or ``[batch, 1]``.
        logits: ``[batch, classes]``; other than floating-point become float32.
        weights: A number, ``[batch]`` or ``[batch, 1]``.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the logits; with `Reduction.NONE` it is ``[batch]``.

    Raises:
        InvalidArgumentError: A label is out of range; when the loss is computed.
        SpecError: Shapes do not fit, or labels are no integers.

    >>> round(float(sparse_softmax_cross_entropy([1], [[1.0, 1.0, 1.0]])), 4)
    1.0986
    """
    label, logit, weight = value_of(labels, "labels"), numbers("logits", logits), value_of(weights, "weights")
    if label.dtype.kind not in "iu":
        raise SpecError(
            f"labels must be integers, and have dtype {label.dtype}",
            hint="use .astype(np.int64), or a vocabulary",
        )
    if label.ndim == logit.ndim and label.ndim and label.shape[-1] == 1:
        label = label[..., 0]
    if not logit.ndim or not fits(label.shape, logit.shape[:-1]):
        raise SpecError(
            f"labels have shape {label.shape}, and logits {logit.shape}",
            hint="give one label per row of logits, or one-hot labels to softmax_cross_entropy",
        )
    if weight.ndim == label.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    losses = classification.sparse_softmax_cross_entropy(logit, label)
    return compute_weighted_loss(losses, weight if weight.ndim else weights, reduction)


def _smooth(labels: Any, smoothing: float, classes: int) -> Any:
    if not 0 <= smoothing <= 1:
        raise InvalidArgumentError(f"label_smoothing must be between 0 and 1, not {smoothing}")
    return labels * (1 - smoothing) + smoothing / classes if smoothing else labels
