"""First values of variables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from estimators.graph.variable import Array, Initializer


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return how many inputs and outputs a unit has: the last two axes, times the area of a filter."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    area = math.prod(shape[:-2])
    return float(shape[-2] * area), float(shape[-1] * area)


def glorot_uniform() -> Initializer:
    """Uniform between -limit and limit, with limit = sqrt(6 / (inputs + outputs)).

    Source: Glorot & Bengio, 2010.

    >>> values = glorot_uniform()((3, 3), np.dtype(np.float32), np.random.default_rng(0))
    >>> bool(np.abs(values).max() <= 1.0), values.dtype
    (True, dtype('float32'))
    """

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        limit = math.sqrt(6.0 / max(1.0, sum(_fans(shape))))
        return rng.uniform(-limit, limit, shape).astype(dtype)

    return initialize
