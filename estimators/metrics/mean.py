"""Weighted means."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.expr.tensor import Tensor
from estimators.metrics.base import Metric, Sums, flat, ratio


def mean(values: Tensor, weights: Tensor | None = None) -> Metric:
    """Sum of w * x over sum of w; 0 over nothing."""

    def update(x: Any, w: Any = None) -> Sums:
        value, weight = flat(x, w)
        return np.array([(value * weight).sum(), weight.sum()])

    inputs = (values,) if weights is None else (values, weights)
    return Metric(inputs, (2,), update, lambda sums: ratio(sums[0], sums[1]))
