"""Errors of numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from dataflow.expr.tensor import Tensor, as_tensor
from estimators.losses.inputs import numbers
from estimators.metrics.base import Metric, aligned, ratio
from estimators.metrics.mean import mean


def _numbers(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    predicted = numbers("predictions", as_tensor(predictions))
    return aligned(numbers("labels", as_tensor(labels), predicted.dtype), predicted)


def mean_absolute_error(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weighted mean of |prediction - label|.

    Args:
        labels: Numbers, with the shape of the predictions; a last axis of size 1 may differ.
        predictions: Numbers; other than floating-point become float32.
        weights: See `mean`.

    Raises:
        SpecError: Shapes do not fit, or there is text.

    >>> mean_absolute_error([1.0, 2.0], [3.0, 2.0], weights=[1.0, 3.0]).value()
    0.5
    """
    label, predicted = _numbers(labels, predictions)
    return mean(np.abs(predicted - label), weights)


def mean_squared_error(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Weighted mean of (prediction - label)²; arguments and errors as of `mean_absolute_error`.

    >>> mean_squared_error([1.0, 2.0], [3.0, 2.0]).value()
    2.0
    """
    label, predicted = _numbers(labels, predictions)
    return mean(np.square(predicted - label), weights)


def root_mean_squared_error(labels: Any, predictions: Any, weights: Any = None) -> Metric:
    """Square root of `mean_squared_error`, over all batches; arguments and errors as there.

    >>> root_mean_squared_error([1.0, 2.0], [3.0, 4.0]).value()
    2.0
    """
    metric = mean_squared_error(labels, predictions, weights)
    return dataclasses.replace(metric, result=lambda sums: math.sqrt(ratio(sums[0], sums[1])))


def mean_relative_error(labels: Any, predictions: Any, normalizer: Any, weights: Any = None) -> Metric:
    """Weighted mean of |label - prediction| / normalizer, 0 where the normalizer is 0.

    Other arguments and errors are as of `mean_absolute_error`.

    Args:
        labels: Numbers.
        predictions: Numbers.
        normalizer: Numbers, with the shape of the predictions: mostly the labels.
        weights: See `mean`.

    >>> mean_relative_error([1.0, 4.0], [3.0, 2.0], normalizer=[1.0, 4.0]).value()
    1.25
    """
    label, predicted = _numbers(labels, predictions)
    scale, predicted = _numbers(normalizer, predicted)
    safe = np.where(scale == 0, 1.0, scale).astype(predicted.dtype)
    errors: Tensor = np.where(scale == 0, 0.0, np.abs(label - predicted) / safe)  # type: ignore[assignment]
    return mean(errors, weights)


def mean_cosine_distance(labels: Any, predictions: Any, dim: int, weights: Any = None) -> Metric:
    """1 - weighted mean of the cosines of vectors of length 1; so 1 over nothing.

    Other arguments and errors are as of `mean_absolute_error`.

    Args:
        labels: Vectors of length 1: this is not checked.
        predictions: Vectors of length 1.
        dim: The axis along the vectors.
        weights: See `mean`: one for each vector, with size 1 along `dim`.

    >>> mean_cosine_distance([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], dim=1).value()
    0.5
    """
    label, predicted = _numbers(labels, predictions)
    metric = mean(np.sum(predicted * label, axis=dim, keepdims=True), weights)
    return dataclasses.replace(metric, result=lambda sums: 1.0 - ratio(sums[0], sums[1]))
