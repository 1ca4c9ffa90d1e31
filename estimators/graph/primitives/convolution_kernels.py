"""How programs compute convolutions: plans of what is where, and the calls of `kernels.convolution`."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.windows import CHUNKS, Axis, axes, chunks, over_batch, plain
from estimators.graph.registry import Kernel

_UNIT = 5_000_000
"""Products that take a core about a twentieth of a millisecond."""
_ROOM_BYTES = 1 << 17
"""So much of the images that get zeros around them is made at a time: it stays in the cache."""
_PARTIAL_BYTES = 1 << 22
"""What the partial sums of filters' gradients take at most, if there are more than two."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Plan:
    """What `kernels.convolution.products` is told of windows, and which filters belong to them.

    Attributes:
        top: Zeros above the images.
        left: Zeros on their left side.
        room: Height and width with zeros around, or None: none are needed.
        steps: Where the values of a window are.
        terms: Where the filters' values for them are, those of the first column.
        grid: Where windows and results are.
    """

    top: int
    left: int
    room: tuple[int, int] | None
    steps: Any
    terms: Any
    grid: Any


def _positions(rows: Any, columns: Any, depth: Any, width: int, count: int) -> Any:
    """Return where in ``[height, width, count]`` these are: all of depth in all columns in all rows."""
    rows, columns, depth = (np.asarray(n, np.int64) for n in (rows, columns, depth))
    return ((rows[:, None, None] * width + columns[:, None]) * count + depth).ravel()


def _room(rows: Axis, columns: Axis) -> tuple[int, int] | None:
    return None if rows.inside and columns.inside else (rows.padded, columns.padded)


@functools.lru_cache(maxsize=256)
def _forward_plan(rows: Axis, columns: Axis, depth: int, out: int) -> _Plan:
    room = _room(rows, columns)
    down, right = (np.arange(a.taps) * a.dilation for a in (rows, columns))
    steps = _positions(down, right, np.arange(depth), room[1] if room else columns.size, depth)
    grid = np.array([rows.count, columns.count, rows.stride, columns.stride, 0, 0, 1, 1], np.int64)
    return _Plan(rows.before, columns.before, room, steps, np.arange(len(steps)) * out, grid)


@dataclasses.dataclass(frozen=True)
class _Phase:
    """The positions ``stride · i + phase``, counted from the first window, that are in the images.

    Position i is in the window ``i - j`` with the tap for which ``tap · dilation = stride · j + phase``.

    Attributes:
        taps: These taps.
        back: The j of each.
        first: The first i.
        count: How many there are.
        start: Where the first is in the images.
    """

    taps: list[int]
    back: list[int]
    first: int
    count: int
    start: int


def _phase(a: Axis, phase: int) -> _Phase:
    taps = [t for t in range(a.taps) if t * a.dilation % a.stride == phase]
    first = max(-(-(a.before - phase) // a.stride), 0)
    last = (a.before + a.size - 1 - phase) // a.stride
    back = [t * a.dilation // a.stride for t in taps]
    return _Phase(taps, back, first, last - first + 1, a.stride * first + phase - a.before)


@functools.lru_cache(maxsize=256)
def _backward_plans(rows: Axis, columns: Axis, depth: int, out: int) -> list[_Plan]:
    """Return a plan for each pair of remainders by the strides: each is a convolution of the gradient."""
    (top, height), (left, width) = (
        (before, before + max(a.count, (a.before + a.size - 1) // a.stride + 1))
        for a, before in ((a, (a.taps - 1) * a.dilation // a.stride) for a in (rows, columns))
    )
    room = None if (height, width) == (rows.count, columns.count) else (height, width)
    plans = []
    for down, right in np.ndindex(rows.stride, columns.stride):
        i, j = _phase(rows, down), _phase(columns, right)
        if min(i.count, j.count) <= 0:
            continue
        back = (top + i.first - np.array(i.back, np.int64), left + j.first - np.array(j.back, np.int64))
        steps = _positions(*back, np.arange(out), width, out)
        filters = _positions(i.taps, j.taps, [0], columns.taps, depth * out)
        terms = (filters[:, None] + np.arange(out)).ravel()
        grid = [i.count, j.count, 1, 1, i.start, j.start, rows.stride, columns.stride]
        plans.append(_Plan(top, left, room, steps, terms, np.array(grid, np.int64)))
    return plans


def _windows(
    image: Any, filters: Any, *, strides: Any = (1, 1), padding: str = "valid", dilation: Any = (1, 1)
) -> tuple[Axis, Axis]:
    return axes(image.shape[1:3], filters.shape[:2], strides, padding, dilation)


def _scratch(batch: int, plans: Sequence[_Plan], depth: int, count: int, dtype: Any) -> list[TensorSpec]:
    """Return the specs of blocks of filters, images with zeros around, and tiles, for `_products`."""
    width, parts = kernels.convolution.columns(dtype), max(min(batch, CHUNKS), 1)
    terms = max((len(plan.steps) for plan in plans), default=0)
    room = (0, 1, 1)
    if plans and plans[0].room:
        height, width_ = plans[0].room
        fits = _ROOM_BYTES // max(height * width_ * depth * dtype.itemsize, 1)
        room = (max(min(fits, -(-batch // parts)), 1), height, width_)
    return [
        TensorSpec((-(-count // width) * terms * width,), dtype),
        TensorSpec((parts, *room, depth), dtype),
        TensorSpec((parts, kernels.convolution.ROWS * width), dtype),
    ]


def _products(
    out: Any, scratch: Sequence[Any], x: Any, filters: Any, plans: Sequence[_Plan], step: int
) -> None:
    """Fill `out` from images; the filters' values for its columns are `step` apart."""
    packed, room, spare = scratch
    x, filters = plain(x), plain(filters).reshape(-1)
    batch, count = len(x), out.shape[3]
    width = kernels.convolution.columns(x.dtype)
    blocks = -(-count // width)
    for plan in plans:
        terms = len(plan.steps)
        b = packed[: blocks * terms * width].reshape(blocks, terms, width)
        kernels.convolution.pack(filters, plan.terms, step, count, b)

        def part(chunk: int, first: int, last: int, plan: _Plan = plan, b: Any = b) -> None:
            kernels.convolution.products(
                x, first, last, plan.top, plan.left, room[chunk], plan.steps, b, plan.grid, out, spare[chunk]
            )

        work = batch * int(plan.grid[0] * plan.grid[1]) * b.size
        over_batch(part, batch, chunks(work, _UNIT, len(room)))


def _forward_scratch(x: Any, filters: Any, **attributes: Any) -> list[TensorSpec]:
    depth, count = filters.shape[2:]
    plan = _forward_plan(*_windows(x, filters, **attributes), depth, count)
    return _scratch(x.shape[0], [plan], depth, count, x.dtype)


def _forward(out: Any, scratch: Any, x: Any, filters: Any, **attributes: Any) -> None:
    depth, count = filters.shape[2:]
    plan = _forward_plan(*_windows(x, filters, **attributes), depth, count)
    _products(out[0], scratch, x, filters, [plan], 1)


def _input_scratch(filters: Any, g: Any, like: Any, **attributes: Any) -> list[TensorSpec]:
    depth, count = filters.shape[2:]
    plans = _backward_plans(*_windows(like, filters, **attributes), depth, count)
    return _scratch(g.shape[0], plans, count, depth, g.dtype)


def _backward_input(out: Any, scratch: Any, filters: Any, g: Any, like: Any, **attributes: Any) -> None:
    depth, count = filters.shape[2:]
    plans = _backward_plans(*_windows(like, filters, **attributes), depth, count)
    _products(out[0], scratch, g, filters, plans, count)


@functools.lru_cache(maxsize=256)
def _filter_plan(rows: Axis, columns: Axis, depth: int, tile: int) -> tuple[_Plan, Any]:
    """Return a plan of windows whose steps fill tiles, and where in an image each window starts."""
    plan = _forward_plan(rows, columns, depth, 1)
    width = plan.room[1] if plan.room else columns.size
    down, right = (np.arange(a.count) * a.stride for a in (rows, columns))
    windows = _positions(down, right, [0], width, depth)
    more = -len(plan.steps) % tile
    return dataclasses.replace(plan, steps=np.concatenate([plan.steps, np.zeros(more, np.int64)])), windows


def _filters_scratch(x: Any, g: Any, like: Any, **attributes: Any) -> list[TensorSpec]:
    module = kernels.convolution
    rows, columns = _windows(x, like, **attributes)
    plan, windows = _filter_plan(rows, columns, like.shape[2], module.ROWS)
    wide = -like.shape[3] % module.columns(x.dtype) + like.shape[3]
    size = len(plan.steps) * wide * x.dtype.itemsize
    most = min(max(min(CHUNKS, _PARTIAL_BYTES // max(size, 1)), 2), x.shape[0])
    parts = chunks(x.shape[0] * len(windows) * len(plan.steps) * wide, _UNIT, most)
    room = (1, *plan.room) if plan.room else (0, 1, 1)
    return [
        TensorSpec((parts, *room, like.shape[2]), x.dtype),
        TensorSpec((parts, len(windows) if wide > like.shape[3] else 0, wide), x.dtype),
        TensorSpec((parts, len(plan.steps), wide), x.dtype),
    ]


def _backward_filters(out: Any, scratch: Any, x: Any, g: Any, like: Any, **attributes: Any) -> None:
    room, wide, partial = scratch
    rows, columns = _windows(x, like, **attributes)
    plan, windows = _filter_plan(rows, columns, like.shape[2], kernels.convolution.ROWS)
    x, batch, count = plain(x), len(x), like.shape[3]
    block = kernels.convolution.columns(x.dtype)
    g = plain(g).reshape(batch, len(windows), count)

    def part(chunk: int, first: int, last: int) -> None:
        kernels.convolution.filter_products(
            x, first, last, plan.top, plan.left, room[chunk], plan.steps, windows, g, wide[chunk], block,
            partial[chunk],
        )  # fmt: skip

    over_batch(part, batch, len(partial))
    terms = math.prod(like.shape[:3])
    np.add.reduce(partial[:, :terms, :count], axis=0, out=out[0].reshape(terms, count))


FORWARD = Kernel(_forward, _forward_scratch)
BACKWARD_INPUT = Kernel(_backward_input, _input_scratch)
BACKWARD_FILTERS = Kernel(_backward_filters, _filters_scratch)
