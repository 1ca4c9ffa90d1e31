"""Losses of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dataflow.expr.primitives.reduction import normalize_axes
from dataflow.expr.tensor import Tensor
from estimators.losses.inputs import pair
from estimators.losses.reduction import Reduction, compute_weighted_loss


def squared_error(labels: Any, predictions: Any) -> Tensor:
    """(prediction - label)², without any check."""
    result: Tensor = np.square(predictions - labels)
    return result


def absolute_difference(
    labels: Any, predictions: Any, weights: Any = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> Tensor:
    """|prediction - label|.

    Args:
        labels: Numbers, with the shape of the predictions.
        predictions: Numbers; other than floating-point become float32.
        weights: See `compute_weighted_loss`.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the predictions; with `Reduction.NONE` their shape.

    Raises:
        SpecError: Labels and predictions have different shapes, or weights do not fit.

    >>> float(absolute_difference([1.0, 2.0], [1.5, 5.0]))
    1.75
    """
    label, predicted = pair(labels, predictions)
    return compute_weighted_loss(np.abs(predicted - label), weights, reduction)


def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, *, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> Tensor:
    """(prediction - label)²; arguments, result and errors as of `absolute_difference`.

    >>> float(mean_squared_error([1.0, 2.0], [1.0, 5.0]))
    4.5
    """
    return compute_weighted_loss(squared_error(*pair(labels, predictions)), weights, reduction)


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Squares of small errors, and a line for large ones. Source: Huber 1964.

    With e = |prediction - label|: e² / 2 where e <= delta, else delta²/2 + delta (e - delta).
    Other arguments, result and errors are as of `absolute_difference`.

    Args:
        labels: Numbers.
        predictions: Numbers.
        weights: See `compute_weighted_loss`.
        delta: Where the line begins.
        reduction: One of `Reduction`.

    >>> float(huber_loss([1.0, 2.0], [1.0, 5.0]))
    1.25
    """
    label, predicted = pair(labels, predictions)
    error = np.abs(predicted - label)
    small: Any = np.minimum(error, delta)
    return compute_weighted_loss(0.5 * np.square(small) + delta * (error - small), weights, reduction)


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int,
    weights: Any = 1.0,
    *,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """1 - (sum of prediction * label along an axis), for vectors of length 1.

    Other arguments, result and errors are as of `absolute_difference`.

    Args:
        labels: Vectors of length 1: this is not checked.
        predictions: Vectors of length 1.
        axis: Along the vectors; the losses have size 1 there, and so must weights.
        weights: See `compute_weighted_loss`.
        reduction: One of `Reduction`.

    >>> float(cosine_distance([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], axis=1))
    0.5
    """
    label, predicted = pair(labels, predictions)
    axis = normalize_axes(axis, predicted.ndim)[0]
    losses = 1.0 - np.sum(predicted * label, axis=axis, keepdims=True)
    return compute_weighted_loss(losses, weights, reduction)


def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False) -> Tensor:
    """e^c - t c, the negative log likelihood of counts t with mean e^c, for each of them.

    The full loss adds Stirling's approximation of ln t!, t ln t - t + ln(2 π t) / 2, where t > 1. It does
    not change what is learned. Source: `tf.nn.log_poisson_loss`.

    Args:
        targets: Counts, with the shape of `log_input`.
        log_input: The logarithm of the predicted mean.
        compute_full_loss: Whether to add the approximation.

    Returns:
        A loss for each target; reduce them with `compute_weighted_loss`.

    Raises:
        SpecError: The shapes differ.

    >>> log_poisson_loss([0.0, 1.0, 5.0], [0.0, 0.5, 1.5], compute_full_loss=True).round(4).tolist()
    [1.0, 1.1487, 1.7525]
    """
    target, log = pair(targets, log_input, "log_input")
    losses = np.exp(log) - log * target
    if compute_full_loss:
        safe = np.maximum(target, 1.0)
        stirling = safe * np.log(safe) - safe + 0.5 * np.log(2 * math.pi * safe)
        losses = losses + np.where(target > 1.0, stirling, 0.0).astype(log.dtype)
    result: Tensor = losses
    return result
