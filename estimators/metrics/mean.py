"""Weighted means."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import as_tensor, require_numeric
from estimators.metrics.base import Metric, Sums, flat, given, ratio, ratios, spread


def mean(values: Any, weights: Any = None) -> Metric:
    """Sum of w * x over sum of w; 0 over nothing.

    Args:
        values: Numbers of any shape.
        weights: None, one number, or with the rank of the values and sizes 1 or theirs; a last axis of
            size 1 may be missing or there in addition.

    Raises:
        SpecError: The weights have another shape, or the values are text.

    >>> mean([1.0, 4.0], weights=[3.0, 1.0]).value()
    1.75
    """
    value = as_tensor(values)
    require_numeric("mean", value)

    def update(x: Any, w: Any = None) -> Sums:
        item, weight = flat(x, w)
        return np.array([(item * weight).sum(), weight.sum()])

    return Metric(given(value, spread(weights, value)), (2,), update, lambda sums: ratio(sums[0], sums[1]))


def mean_tensor(values: Any, weights: Any = None) -> Metric:
    """`mean` of each position over the batches; arguments as there, and the result is an array.

    Args:
        values: Numbers, all of whose sizes are known: there is no batch axis.
        weights: See `mean`.

    Raises:
        SpecError: A size is not known, or the weights do not fit.

    >>> metric = mean_tensor([1.0, 2.0])
    >>> metric.result(metric.update([1.0, 2.0]) + metric.update([3.0, 6.0])).tolist()
    [2.0, 4.0]
    """
    value = as_tensor(values)
    require_numeric("mean_tensor", value)
    shape = tuple(size for size in value.shape if size is not None)
    if len(shape) != value.ndim:
        raise SpecError(
            f"the values have shape {value.shape}, and mean_tensor needs all sizes",
            hint="reduce the batch axis with .mean(axis=0), or use .batch(n, drop_remainder=True)",
        )

    def update(x: Any, w: Any = 1.0) -> Sums:
        weight = np.broadcast_to(np.asarray(w, np.float64), shape)
        return np.stack([np.asarray(x, np.float64) * weight, weight])

    inputs = given(value, spread(weights, value))
    return Metric(inputs, (2, *shape), update, lambda sums: ratios(sums[0], sums[1]))


def percentage_below(values: Any, threshold: float, weights: Any = None) -> Metric:
    """The weighted share of values below a threshold, between 0 and 1; arguments as of `mean`.

    >>> percentage_below([1.0, 2.0, 5.0, 7.0], 5.0).value()
    0.5
    """
    return mean((as_tensor(values) < threshold).astype(np.float32), weights)
