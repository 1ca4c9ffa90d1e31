"""Maxima and means over windows of images NHWC, and their gradients, of some images of a batch.

A window begins at ``(i * grid[2] - grid[4], j * grid[3] - grid[5])`` and has ``grid[0] × grid[1]`` cells, of which
those in the image count: ``grid`` is (height, width, stride down, stride right, zeros above, zeros left). Each
loop over channels is innermost, so that it runs in the CPU's vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from dataflow.kernels.jit import kernel
from estimators.kernels.vectors import INT32, INT64, REGISTER_BYTES, address, data_of, lanes_of, splat

Floats: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
Numbers: TypeAlias = npt.NDArray[Any]
"""uint8 or int32."""



def lanes(dtype: npt.DTypeLike) -> int:
    """Return how many channels the vector code takes at once."""
    return REGISTER_BYTES // np.dtype(dtype).itemsize


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


def _window_max_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    arrays = data_of(context, builder, signature, args)
    item, kind = signature.args[0].dtype, signature.args[9].dtype
    vector = ir.VectorType(context.get_value_type(item), lanes_of(item.bitwidth))
    numbers = ir.VectorType(INT32, vector.count)
    stored = ir.VectorType(ir.IntType(kind.bitwidth), vector.count)
    _, start, rows, down, count, right, cell, cells_down, _, _, place = args
    align = item.bitwidth // 8
    first = builder.load(address(builder, arrays[0], start, vector), align=align)
    best = cgutils.alloca_once(builder, vector)
    chosen = cgutils.alloca_once(builder, numbers)
    builder.store(first, best)
    builder.store(splat(builder, builder.trunc(cell, INT32), numbers), chosen)
    with cgutils.for_range(builder, rows, intp=INT64) as outer:
        line = builder.add(start, builder.mul(outer.index, down))
        number = builder.add(cell, builder.mul(outer.index, cells_down))
        with cgutils.for_range(builder, count, intp=INT64) as inner:
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


def chosen_sum(
    g: Floats, which: Numbers, start: int, rows: int, down: int, count: int, right: int,
    cell: int, cells_down: int, cells_right: int, out: Floats, place: int,
) -> None:  # fmt: skip
    """Sum for `lanes` channels the gradients of those of ``rows × count`` windows that chose a cell.

    All arrays are flat. Window (i, j) is at ``start + i · down + j · right``, and in it the cell has the
    number ``cell - i · cells_down - j · cells_right``. The sums are written from `place` on.
    """
    width = lanes(g.dtype)
    total = np.zeros(width, g.dtype)
    for i in range(rows):
        for j in range(count):
            at = start + i * down + j * right
            chosen = which[at : at + width] == cell - i * cells_down - j * cells_right
            total += np.where(chosen, g[at : at + width], g.dtype.type(0))
    out[place : place + width] = total


def _chosen_sum_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    arrays = data_of(context, builder, signature, args)
    item, kind = signature.args[0].dtype, signature.args[1].dtype
    vector = ir.VectorType(context.get_value_type(item), lanes_of(item.bitwidth))
    number = ir.IntType(kind.bitwidth)
    numbers = ir.VectorType(number, vector.count)
    _, _, start, rows, down, count, right, cell, cells_down, cells_right, _, place = args
    align, zero = item.bitwidth // 8, ir.Constant(vector, None)
    total = cgutils.alloca_once(builder, vector)
    builder.store(zero, total)
    with cgutils.for_range(builder, rows, intp=INT64) as outer:
        line = builder.add(start, builder.mul(outer.index, down))
        first = builder.sub(cell, builder.mul(outer.index, cells_down))
        with cgutils.for_range(builder, count, intp=INT64) as inner:
            at = builder.add(line, builder.mul(inner.index, right))
            this = builder.sub(first, builder.mul(inner.index, cells_right))
            chosen = builder.load(address(builder, arrays[1], at, numbers), align=kind.bitwidth // 8)
            same = builder.icmp_signed("==", chosen, splat(builder, builder.trunc(this, number), numbers))
            slope = builder.load(address(builder, arrays[0], at, vector), align=align)
            part = builder.select(same, slope, zero)
            builder.store(builder.fadd(builder.load(total), part), total)
    builder.store(builder.load(total), address(builder, arrays[10], place, vector), align=align)
    return context.get_dummy_value()


_int = types.int64


def _window_max(
    _: Any, x: Any, start: Any, rows: Any, down: Any, count: Any, right: Any, cell: Any, cells_down: Any,
    out: Any, which: Any, place: Any,
) -> Any:  # fmt: skip
    return types.void(x, *(_int,) * 7, out, which, _int), _window_max_code


def _chosen_sum(
    _: Any, g: Any, which: Any, start: Any, rows: Any, down: Any, count: Any, right: Any,
    cell: Any, cells_down: Any, cells_right: Any, out: Any, place: Any,
) -> Any:  # fmt: skip
    return types.void(g, which, *(_int,) * 8, out, _int), _chosen_sum_code


_window_max_op = cast("Callable[..., Any]", intrinsic(_window_max))
_chosen_sum_op = cast("Callable[..., Any]", intrinsic(_chosen_sum))
overload(window_max)(
    lambda x, start, rows, down, count, right, cell, cells_down, out, which, place: (
        lambda x, start, rows, down, count, right, cell, cells_down, out, which, place: _window_max_op(
            x, start, rows, down, count, right, cell, cells_down, out, which, place
        )
    )
)
overload(chosen_sum)(
    lambda g, which, start, rows, down, count, right, cell, cells_down, cells_right, out, place: (
        lambda g, which, start, rows, down, count, right, cell, cells_down, cells_right, out, place: (
            _chosen_sum_op(
                g, which, start, rows, down, count, right, cell, cells_down, cells_right, out, place
            )
        )
    )
)


@kernel
def max_pool(
    x: Floats, first: int, last: int, grid: Ints, at_once: int, out: Floats, which: Numbers
) -> None:
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
def _windows_at(position: int, taps: int, stride: int, before: int, count: int) -> tuple[int, int]:
    """Return the first window that has a position of an image, and where the windows with it end."""
    return max((position + before - taps) // stride + 1, 0), min((position + before) // stride + 1, count)


@kernel
def _windows_along(size: int, taps: int, stride: int, before: int, count: int) -> Ints:
    """Return `_windows_at` for all positions ``[size, 2]``."""
    out = np.empty((size, 2), np.int64)
    for position in range(size):
        out[position, 0], out[position, 1] = _windows_at(position, taps, stride, before, count)
    return out


@kernel
def max_pool_backward(
    g: Floats, which: Numbers, first: int, last: int, grid: Ints, at_once: int, out: Floats
) -> None:
    """Sum for each cell of an image the gradients of the windows that chose it."""
    _, height, width, channels = out.shape
    across = _windows_along(width, grid[1], grid[3], grid[5], g.shape[2])
    flat_g, flat_out, flat_which = g.reshape(g.size), out.reshape(out.size), which.reshape(which.size)
    whole = channels - channels % at_once
    for n in range(first, last):
        for p in range(height):
            begin_i, end_i = _windows_at(p, grid[0], grid[2], grid[4], g.shape[1])
            for q in range(width):
                begin_j, end_j = across[q, 0], across[q, 1]
                start = ((n * g.shape[1] + begin_i) * g.shape[2] + begin_j) * channels
                place = ((n * height + p) * width + q) * channels
                cell = (p + grid[4] - begin_i * grid[2]) * grid[1] + q + grid[5] - begin_j * grid[3]
                for c in range(0, whole, at_once):
                    chosen_sum(
                        flat_g, flat_which, start + c, end_i - begin_i, g.shape[2] * channels,
                        end_j - begin_j, channels, cell, grid[2] * grid[1], grid[3], flat_out, place + c,
                    )  # fmt: skip
                for c in range(whole, channels):
                    total = out.dtype.type(0)
                    for i in range(begin_i, end_i):
                        for j in range(begin_j, end_j):
                            number = cell - (i - begin_i) * grid[2] * grid[1] - (j - begin_j) * grid[3]
                            if which[n, i, j, c] == number:
                                total += g[n, i, j, c]
                    out[n, p, q, c] = total


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
                total[:] = 0.0
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
    across = _windows_along(width, grid[1], grid[3], grid[5], g.shape[2])
    for n in range(first, last):
        for p in range(height):
            begin_i, end_i = _windows_at(p, grid[0], grid[2], grid[4], g.shape[1])
            for q in range(width):
                begin_j, end_j = across[q, 0], across[q, 1]
                total = out[n, p, q]
                total[:] = 0.0
                for i in range(begin_i, end_i):
                    down = _cells(i * grid[2] - grid[4], grid[0], height)
                    for j in range(begin_j, end_j):
                        count = out.dtype.type(down * _cells(j * grid[3] - grid[5], grid[1], width))
                        values = g[n, i, j]
                        for c in range(channels):
                            total[c] += values[c] / count
