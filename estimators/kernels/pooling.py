"""Maxima and means over windows of images NHWC, and their gradients, of some images of a batch.

``grid`` is (height, width, stride down, stride right, positions above, positions left): window (i, j)
begins at row ``i * grid[2] - grid[4]`` and column ``j * grid[3] - grid[5]``, and has ``grid[0] × grid[1]``
cells, of which those in the image count. Channels are innermost, in vectors. Arrays are C-contiguous.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from dataflow.kernels.jit import instruction, kernel
from estimators.kernels.vectors import CODE, INT32, INT64, REGISTER_BYTES, address, data_of, lanes_of, splat

Floats: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[Any]
"""uint8 or int32."""


def lanes(dtype: npt.DTypeLike) -> int:
    """Return how many channels the vector code takes at once."""
    return REGISTER_BYTES // np.dtype(dtype).itemsize


def _window_max_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    arrays = data_of(context, builder, signature, args)
    item, kind = signature.args[0].dtype, signature.args[9].dtype
    vector = ir.VectorType(context.get_value_type(item), lanes_of(item.bitwidth))
    numbers = ir.VectorType(INT32, vector.count)
    stored = ir.VectorType(ir.IntType(kind.bitwidth), vector.count)
    _, start, rows, down, count, right, cell, cells_down, _, _, place = args
    align = item.bitwidth // 8
    first = builder.load(address(builder, arrays[0], start, vector), align=align)
    best = CODE.alloca_once(builder, vector)
    chosen = CODE.alloca_once(builder, numbers)
    builder.store(first, best)
    builder.store(splat(builder, builder.trunc(cell, INT32), numbers), chosen)
    with CODE.for_range(builder, rows, intp=INT64) as outer:
        line = builder.add(start, builder.mul(outer.index, down))
        number = builder.add(cell, builder.mul(outer.index, cells_down))
        with CODE.for_range(builder, count, intp=INT64) as inner:
            at = builder.add(line, builder.mul(inner.index, right))
            new = builder.load(address(builder, arrays[0], at, vector), align=align)
            old = builder.load(best)
            better = builder.and_(
                builder.not_(builder.fcmp_ordered("<=", new, old)), builder.fcmp_ordered("ord", old, old)
            )
            this = splat(builder, builder.trunc(builder.add(number, inner.index), INT32), numbers)
            builder.store(builder.select(better, new, old), best)
            builder.store(builder.select(better, this, builder.load(chosen)), chosen)
    builder.store(builder.load(best), address(builder, arrays[8], place, vector), align=align)
    result = builder.load(chosen)
    result = result if kind.bitwidth == 32 else builder.trunc(result, stored)
    builder.store(result, address(builder, arrays[9], place, stored), align=kind.bitwidth // 8)
    return context.get_dummy_value()


@instruction(_window_max_code, types.void, types.Array, *(types.int64,) * 7, *(types.Array,) * 2, types.int64)
def window_max(
    x: Floats, start: int, rows: int, down: int, count: int, right: int, cell: int, cells_down: int,
    out: Floats, which: Numbers, place: int,
) -> None:  # fmt: skip
    """Find the largest values of `lanes` channels in ``rows × count`` cells.

    All arrays are flat. Cell (p, q) is at ``start + p · down + q · right`` and has the number ``cell + p ·
    cells_down + q``. Values and numbers are written from `place` on.
    """
    width = lanes(x.dtype)
    best, chosen = x[start : start + width].copy(), np.full(width, cell)
    for p in range(rows):
        for q in range(count):
            at = start + p * down + q * right
            new = x[at : at + width]
            better = ~(new <= best) & (best == best)
            best = np.where(better, new, best)
            chosen[better] = cell + p * cells_down + q
    out[place : place + width], which[place : place + width] = best, chosen


def _spread_chosen_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    arrays = data_of(context, builder, signature, args)
    item, kind = signature.args[0].dtype, signature.args[1].dtype
    vector = ir.VectorType(context.get_value_type(item), lanes_of(item.bitwidth))
    number = ir.IntType(kind.bitwidth)
    numbers = ir.VectorType(number, vector.count)
    _, _, place, start, rows, down, count, right, cell, cells_down, _ = args
    align, zero = item.bitwidth // 8, ir.Constant(vector, None)
    slope = builder.load(address(builder, arrays[0], place, vector), align=align)
    chosen = builder.load(address(builder, arrays[1], place, numbers), align=kind.bitwidth // 8)
    with CODE.for_range(builder, rows, intp=INT64) as outer:
        line = builder.add(start, builder.mul(outer.index, down))
        first = builder.add(cell, builder.mul(outer.index, cells_down))
        with CODE.for_range(builder, count, intp=INT64) as inner:
            at = builder.add(line, builder.mul(inner.index, right))
            this = builder.trunc(builder.add(first, inner.index), number)
            same = builder.icmp_signed("==", chosen, splat(builder, this, numbers))
            target = address(builder, arrays[10], at, vector)
            total = builder.fadd(builder.load(target, align=align), builder.select(same, slope, zero))
            builder.store(total, target, align=align)
    return context.get_dummy_value()


@instruction(_spread_chosen_code, types.void, *(types.Array,) * 2, *(types.int64,) * 8, types.Array)
def spread_chosen(
    g: Floats, which: Numbers, place: int, start: int, rows: int, down: int, count: int, right: int,
    cell: int, cells_down: int, out: Floats,
) -> None:  # fmt: skip
    """Add the gradients of `lanes` channels of a window, from `place` on, to the cells that were chosen.

    Cells are where `window_max` found them.
    """
    width = lanes(g.dtype)
    slope, chosen = g[place : place + width], which[place : place + width]
    for p in range(rows):
        for q in range(count):
            at = start + p * down + q * right
            out[at : at + width] += np.where(chosen == cell + p * cells_down + q, slope, g.dtype.type(0))


@kernel
def max_pool(x: Floats, first: int, last: int, grid: Ints, at_once: int, out: Floats, which: Numbers) -> None:
    """Write the largest value of each window, and the number of its cell, row by row in the window.

    The first of equal values counts, and the first NaN before everything else. `at_once` is what `lanes`
    says.
    """
    _, height, width, channels = x.shape
    flat_x, flat_out, flat_which = x.reshape(x.size), out.reshape(out.size), which.reshape(which.size)
    whole = channels - channels % at_once
    for n in range(first, last):
        for i in range(out.shape[1]):
            top = i * grid[2] - grid[4]
            begin_p, end_p = max(top, 0), min(top + grid[0], height)
            for j in range(out.shape[2]):
                left = j * grid[3] - grid[5]
                begin_q, end_q = max(left, 0), min(left + grid[1], width)
                start = ((n * height + begin_p) * width + begin_q) * channels
                place = ((n * out.shape[1] + i) * out.shape[2] + j) * channels
                cell = (begin_p - top) * grid[1] + begin_q - left
                for c in range(0, whole, at_once):
                    window_max(
                        flat_x, start + c, end_p - begin_p, width * channels, end_q - begin_q, channels, cell,
                        grid[1], flat_out, flat_which, place + c,
                    )  # fmt: skip
                for c in range(whole, channels):
                    old, chosen = flat_x[start + c], cell
                    for p in range(begin_p, end_p):
                        for q in range(begin_q, end_q):
                            new = x[n, p, q, c]
                            if not new <= old and old == old:
                                old, chosen = new, (p - top) * grid[1] + q - left
                    out[n, i, j, c], which[n, i, j, c] = old, chosen


@kernel
def max_pool_backward(
    g: Floats, which: Numbers, first: int, last: int, grid: Ints, at_once: int, out: Floats
) -> None:
    """Sum for each cell of an image the gradients of the windows that chose it."""
    _, height, width, channels = out.shape
    flat_g, flat_out, flat_which = g.reshape(g.size), out.reshape(out.size), which.reshape(which.size)
    whole = channels - channels % at_once
    image = height * width * channels
    for n in range(first, last):
        own = flat_out[n * image : (n + 1) * image]
        for place in range(image):
            own[place] = 0.0
        for i in range(g.shape[1]):
            top = i * grid[2] - grid[4]
            begin_p, end_p = max(top, 0), min(top + grid[0], height)
            for j in range(g.shape[2]):
                left = j * grid[3] - grid[5]
                begin_q, end_q = max(left, 0), min(left + grid[1], width)
                start = ((n * height + begin_p) * width + begin_q) * channels
                place = ((n * g.shape[1] + i) * g.shape[2] + j) * channels
                cell = (begin_p - top) * grid[1] + begin_q - left
                for c in range(0, whole, at_once):
                    spread_chosen(
                        flat_g, flat_which, place + c, start + c, end_p - begin_p, width * channels,
                        end_q - begin_q, channels, cell, grid[1], flat_out,
                    )  # fmt: skip
                for c in range(whole, channels):
                    number = np.int64(which[n, i, j, c])
                    out[n, top + number // grid[1], left + number % grid[1], c] += g[n, i, j, c]


@kernel
def _cells(start: int, taps: int, size: int) -> int:
    return min(start + taps, size) - max(start, 0)


@kernel
def average_pool(x: Floats, first: int, last: int, grid: Ints, out: Floats) -> None:
    """Write the mean of each window's cells that are in the image."""
    _, height, width, channels = x.shape
    for n in range(first, last):
        for i in range(out.shape[1]):
            top = i * grid[2] - grid[4]
            for j in range(out.shape[2]):
                left = j * grid[3] - grid[5]
                total = out[n, i, j]
                for c in range(channels):
                    total[c] = 0.0
                for p in range(max(top, 0), min(top + grid[0], height)):
                    for q in range(max(left, 0), min(left + grid[1], width)):
                        values = x[n, p, q]
                        for c in range(channels):
                            total[c] += values[c]
                count = out.dtype.type(_cells(top, grid[0], height) * _cells(left, grid[1], width))
                for c in range(channels):
                    total[c] /= count


@kernel
def average_pool_backward(g: Floats, first: int, last: int, grid: Ints, out: Floats) -> None:
    """Sum for each cell of an image its share in the gradients of the windows it is in."""
    _, height, width, channels = out.shape
    flat_out = out.reshape(out.size)
    image = height * width * channels
    for n in range(first, last):
        own = flat_out[n * image : (n + 1) * image]
        for place in range(image):
            own[place] = 0.0
        for i in range(g.shape[1]):
            top = i * grid[2] - grid[4]
            for j in range(g.shape[2]):
                left = j * grid[3] - grid[5]
                slope = g[n, i, j]
                count = out.dtype.type(_cells(top, grid[0], height) * _cells(left, grid[1], width))
                for p in range(max(top, 0), min(top + grid[0], height)):
                    for q in range(max(left, 0), min(left + grid[1], width)):
                        total = out[n, p, q]
                        for c in range(channels):
                            total[c] += slope[c] / count
