"""Shapes that are known when a batch is there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators.graph.registry import KERNELS, Kernel


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

# Parts of tensors, and what puts parts into zeros ------------------------------------------------


def _spec_of_like(value: Tensor, like: Tensor, **_: Any) -> TensorSpec:
    return TensorSpec(like.shape, value.dtype)


reshape_like = Primitive(
    "reshape_like",
    _spec_of_like,
    lambda _, value, like: np.reshape(value, np.shape(like)),
    lambda: [((np.ones(6), np.ones((2, 3))), {})],
)
"""The same values in the shape of `like`."""


def _filled(fill: Callable[..., None]) -> tuple[Callable[..., Any], Kernel]:
    """Return a plain form and a kernel of what changes zeros of the shape of the last input.

    Args:
        fill: ``fill(lead, out, *values, **attributes)``, where the shape of `out` is not an input.
    """

    def compute(lead: int, *values: Any, **attributes: Any) -> Any:
        *used, like = values
        out = np.zeros(np.shape(like), used[-1].dtype)
        fill(lead, out, *used, **attributes)
        return out

    def run(out: Any, scratch: Any, *values: Any, **attributes: Any) -> None:
        out[0].fill(0)
        fill(0, out[0], *values[:-1], **attributes)

    return compute, Kernel(run)


def _put(lead: int, out: Any, value: Any, *, key: tuple[Any, ...]) -> None:
    out[(slice(None),) * lead + key] = value


_put_like, KERNELS["put_like"] = _filled(_put)


put_like = Primitive(
    "put_like",
    _spec_of_like,
    _put_like,
    lambda: [((np.ones((1, 2)), np.ones((2, 3))), {"key": (slice(0, 1), slice(None, None, 2))})],
)
"""Zeros of the shape of `like`, with the values where basic indexing by `key` finds them."""


def _part_of_infer(value: Tensor, *inputs: Tensor, axis: int) -> TensorSpec:
    return TensorSpec(inputs[-1].shape, value.dtype)


def _part_of(lead: int, value: Any, *inputs: Any, axis: int) -> Any:
    at = axis + lead
    start = sum(np.shape(item)[at] for item in inputs[:-1])
    return value[(slice(None),) * at + (slice(start, start + np.shape(inputs[-1])[at]),)]


part_of = Primitive(
    "part_of",
    _part_of_infer,
    _part_of,
    lambda: [((np.arange(5.0), np.ones(2), np.ones(3)), {"axis": 0})],
)
"""Of what is as long as all inputs joined along an axis, the part that belongs to the last input."""


def _sum_copies(lead: int, value: Any, like: Any, *, copies: tuple[int, ...], inner: bool) -> Any:
    shape = np.shape(like)
    pairs = [(n, c) if inner else (c, n) for n, c in zip(shape[lead:], copies, strict=True)]
    apart = value.reshape((*shape[:lead], *(size for pair in pairs for size in pair)))
    return apart.sum(axis=tuple(range(lead + inner, apart.ndim, 2)), dtype=value.dtype)


sum_copies = Primitive(
    "sum_copies",
    _spec_of_like,
    _sum_copies,
    lambda: [
        ((np.arange(12.0).reshape(2, 6), np.ones((2, 3))), {"copies": (1, 2), "inner": b}) for b in (0, 1)
    ],
)
"""Sum over the copies that `tile` has made of `like`, or `repeat` (inner)."""


def _add_slices(lead: int, out: Any, ids: Any, values: Any, *, axis: int) -> None:
    if lead:
        for i in range(len(out)):
            _add_slices(0, out[i], ids[i], values[i], axis=axis)
        return
    count = np.ndim(ids)
    order = (*range(axis, axis + count), *range(axis), *range(axis + count, values.ndim))
    np.add.at(np.moveaxis(out, axis, 0), ids, values.transpose(order))


_add_at, KERNELS["add_at"] = _filled(_add_slices)

add_at = Primitive(
    "add_at",
    lambda ids, values, like, *, axis: TensorSpec(like.shape, values.dtype),
    _add_at,
    lambda: [
        ((np.array([[1], [1]]), np.ones((2, 2, 1, 3)), np.ones((2, 4, 3))), {"axis": 1}),
        ((np.array([2, 0, 2]), np.ones((2, 3)), np.ones((2, 4))), {"axis": 1}),
    ],
)
"""Zeros of the shape of `like`, to which values are added where `gather` would find them."""


def _add_values(lead: int, out: Any, ids: Any, values: Any, *, axis: int, unique: bool) -> None:
    at = axis + lead
    if unique:
        np.put_along_axis(out, ids, values, at)
        return
    places = [
        ids if i == at else np.arange(n).reshape((-1, *(1,) * (out.ndim - 1 - i))) % size
        for i, (n, size) in enumerate(zip(values.shape, out.shape, strict=True))
    ]
    np.add.at(out, tuple(places), values)


_add_along, KERNELS["add_along"] = _filled(_add_values)

add_along = Primitive(
    "add_along",
    lambda ids, values, like, **_: TensorSpec(like.shape, values.dtype),
    _add_along,
    lambda: [
        ((np.array([[0, 2], [1, 1]]), np.ones((2, 2)), np.ones((2, 3))), {"axis": 1, "unique": False}),
        ((np.array([[0, 2], [1, 0]]), np.ones((2, 2)), np.ones((2, 3))), {"axis": 1, "unique": True}),
    ],
)
"""Zeros of the shape of `like`, to which values are added where `take_along_axis` would find them.

With `unique`, ids have the other axes of `like`, and differ along the axis.
"""
