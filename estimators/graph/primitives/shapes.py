"""Shapes that are known when a batch is there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dataflow.expr.tensor import Primitive
from dataflow.spec import TensorSpec


def _sum_to(lead: int, value: Any, like: Any) -> Any:
    shape, target = value.shape, like.shape
    if shape == target:
        return value
    extra = len(shape) - len(target)
    axes = [*range(lead, lead + extra)]
    axes += [i + extra for i in range(lead, len(target)) if target[i] == 1 and shape[i + extra] != 1]
    return np.add.reduce(value, axis=tuple(axes)).reshape(target)


sum_to = Primitive(
    "sum_to",
    lambda value, like: TensorSpec(like.shape, value.dtype),
    _sum_to,
    lambda: [((np.ones((2, 3)), np.ones((1, 3))), {}), ((np.ones((2, 3)), np.float64(1)), {})],
)
"""Sum over the axes along which `like` was broadcast to the shape of the value."""


def _expand_like(lead: int, value: Any, like: Any) -> Any:
    shape, target = value.shape, like.shape
    if shape == target:
        return value
    ones = (1,) * (len(target) - len(shape))
    result = np.empty(target, value.dtype)
    result[...] = value.reshape((*shape[:lead], *ones, *shape[lead:]))
    return result


expand_like = Primitive(
    "expand_like",
    lambda value, like: TensorSpec(like.shape, value.dtype),
    _expand_like,
    lambda: [((np.ones((1, 3)), np.ones((2, 3))), {}), ((np.ones(3), np.ones((2, 3))), {})],
)
"""Broadcast to the shape of `like`."""


def _size_of(lead: int, value: Any, *, dtype: str) -> Any:
    shape = np.shape(value)
    size = np.dtype(dtype).type(math.prod(shape[lead:]))
    return np.full(shape[0], size) if lead else size


size_of = Primitive(
    "size_of",
    lambda value, *, dtype: TensorSpec((), dtype),
    _size_of,
    lambda: [((np.ones((2, 3)),), {"dtype": "float32"})],
)
"""The number of values."""
