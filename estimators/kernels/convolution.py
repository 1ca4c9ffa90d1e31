"""Sums of products for convolutions, without copies of windows.

All three (the result, and the gradients for input and filters) are one form: ``out[r] = Σ_k a[row_starts[r] +
steps[k]] · b[k]``, where a row is a window and a step goes to a value in it, or the other way round. `tile`
computes some rows of some columns at once and keeps the sums in the registers of the CPU.

Arrays are C-contiguous and of one dtype, float32 or float64; positions are int64. Images are NHWC.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from dataflow.kernels.jit import instruction, kernel
from estimators.kernels.vectors import CODE, INT64, REGISTER_BYTES, address, data_of, lanes_of, splat

Floats: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]


_VECTORS = 2
ROWS = 8 if REGISTER_BYTES == 64 else 6
"""Rows of a tile: ``ROWS * 2`` sums, 2 vectors of `b` and the addresses of the rows fit the registers."""
_PIXELS = 256
"""After so many products a sum of filters' gradients is added to the others: rounding stays small."""


def columns(dtype: npt.DTypeLike) -> int:
    """Return how many columns a tile has."""
    return _VECTORS * REGISTER_BYTES // np.dtype(dtype).itemsize


def _never_unrolled(module: Any) -> Any:
    """Return the mark of a loop that LLVM leaves as it is: unrolled, the sums would not fit the registers."""
    disable = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    mark = module.add_metadata([disable, disable])
    mark.operands = (mark, disable)  # a loop's mark begins with itself
    return mark


def _tile_code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write `tile` in LLVM: explicit vectors, all sums in registers."""
    arrays = data_of(context, builder, signature, args)
    a, row_starts, steps, b, out, out_starts = (arrays[i] for i in (0, 1, 2, 5, 8, 9))
    item = signature.args[0].dtype
    lanes = lanes_of(item.bitwidth)
    vector = ir.VectorType(context.get_value_type(item), lanes)
    multiply_add = CODE.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{lanes}f{item.bitwidth}"
    )

    def begin(array: Any, starts: Any, r: int) -> Any:
        return builder.gep(array, [builder.load(builder.gep(starts, [INT64(r)]))])

    def vector_at(pointer: Any, v: int) -> Any:
        return address(builder, pointer, INT64(v * lanes), vector)

    rows = [begin(a, row_starts, r) for r in range(ROWS)]
    places = [(r, v) for r in range(ROWS) for v in range(_VECTORS)]
    right, align, zero = builder.gep(b, [args[6]]), item.bitwidth // 8, ir.Constant(vector, None)
    before = builder.basic_block
    loop, after = builder.append_basic_block("products"), builder.append_basic_block("sums")
    some = builder.icmp_signed("<", args[3], args[4])
    builder.cbranch(some, loop, after)
    builder.position_at_end(loop)
    k = builder.phi(INT64)
    k.add_incoming(args[3], before)
    sums = {place: builder.phi(vector) for place in places}
    step = builder.load(builder.gep(steps, [k]))
    line = builder.gep(right, [builder.mul(k, args[7])])
    factors = [builder.load(vector_at(line, v), align=align) for v in range(_VECTORS)]
    for r in range(ROWS):
        value = splat(builder, builder.load(builder.gep(rows[r], [step])), vector)
        for v in range(_VECTORS):
            total = builder.call(multiply_add, [value, factors[v], sums[r, v]])
            sums[r, v].add_incoming(zero, before)
            sums[r, v].add_incoming(total, loop)
    following = builder.add(k, INT64(1))
    k.add_incoming(following, loop)
    branch = builder.cbranch(builder.icmp_signed("<", following, args[4]), loop, after)
    branch.set_metadata("llvm.loop", _never_unrolled(builder.module))
    builder.position_at_end(after)
    totals = {}
    for place, running in sums.items():
        totals[place] = builder.phi(vector)
        for value, block in running.incomings:
            totals[place].add_incoming(value, block)
    targets = [begin(out, out_starts, r) for r in range(ROWS)]
    with builder.if_else(builder.icmp_signed("!=", args[10], INT64(0))) as (adding, setting):
        with adding:
            for r, v in places:
                target = vector_at(targets[r], v)
                total = builder.fadd(builder.load(target, align=align), totals[r, v])
                builder.store(total, target, align=align)
        with setting:
            for r, v in places:
                builder.store(totals[r, v], vector_at(targets[r], v), align=align)
    return context.get_dummy_value()


_ARRAY, _INT = types.Array, types.int64


@instruction(
    _tile_code, types.void, _ARRAY, _ARRAY, _ARRAY, _INT, _INT, _ARRAY, _INT, _INT, _ARRAY, _ARRAY, _INT
)
def tile(
    a: Floats, row_starts: Ints, steps: Ints, first: int, last: int,
    b: Floats, b_start: int, b_step: int, out: Floats, out_starts: Ints, add: int,
) -> None:  # fmt: skip
    """Compute ``Σ_k a[row_starts[r] + steps[k]] · b[b_start + k · b_step + c]``, k from `first` to `last`.

    The sum of row r and column c is written to ``out[out_starts[r] + c]``, or added there. All arrays are
    flat. There are `ROWS` rows and ``columns(dtype)`` columns; equal rows may repeat.
    """
    width = columns(a.dtype)
    left = a[row_starts[:, None] + steps[first:last]]
    right = b[b_start + b_step * np.arange(first, last)[:, None] + np.arange(width)]
    sums = left @ right
    for r in range(ROWS):
        place = slice(out_starts[r], out_starts[r] + width)
        out[place] = out[place] + sums[r] if add else sums[r]


@kernel
def pack(values: Floats, starts: Ints, step: int, count: int, out: Floats) -> None:
    """Bring a matrix into blocks of columns ``[blocks, k, columns]``; what is beyond `count` is 0.

    Args:
        values: Flat; row k and column c is ``values[starts[k] + step * c]``.
        starts: ``[k]``.
        step: Between columns.
        count: How many columns there are.
        out: The blocks.
    """
    blocks, rows, width = out.shape
    for block in range(blocks):
        for k in range(rows):
            for c in range(width):
                column = block * width + c
                out[block, k, c] = values[starts[k] + step * column] if column < count else 0.0


@kernel
def pad(x: Floats, first: int, last: int, top: int, left: int, out: Floats) -> None:
    """Put the images ``x[first:last]`` into zeros ``out[:last - first]``; what is beyond them is dropped."""
    _, height, width, channels = x.shape
    bottom, right = min(top + height, out.shape[1]), min(left + width, out.shape[2])
    flat = out.reshape(out.size)
    for place in range((last - first) * out.shape[1] * out.shape[2] * channels):
        flat[place] = 0.0
    for n in range(first, last):
        for i in range(top, bottom):
            for j in range(left, right):
                for c in range(channels):
                    out[n - first, i, j, c] = x[n, i - top, j - left, c]


@kernel
def _rows(
    a: Floats,
    skip: int,
    steps: Ints,
    b: Floats,
    grid: Ints,
    first: int,
    last: int,
    out: Floats,
    spare: Floats,
) -> None:
    """Compute the windows of images ``first … last``, which are those of `a` after `skip`."""
    _, height, width, depth = a.shape
    _, out_height, out_width, channels = out.shape
    blocks, terms, wide = b.shape
    starts, outs, spares = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    for r in range(ROWS):
        spares[r] = r * wide
    flat_a, flat_b, flat_out = a.reshape(a.size), b.reshape(b.size), out.reshape(out.size)
    n, i, j = first, 0, 0
    count, done = (last - first) * grid[0] * grid[1], 0
    while done < count:
        for r in range(ROWS):
            starts[r] = (((n - first + skip) * height + i * grid[2]) * width + j * grid[3]) * depth
            row = n * out_height + grid[4] + i * grid[6]
            outs[r] = (row * out_width + grid[5] + j * grid[7]) * channels
            done += 1
            if done < count:  # the last row repeats
                j += 1
                if j == grid[1]:
                    j, i = 0, i + 1
                    if i == grid[0]:
                        i, n = 0, n + 1
        for block in range(blocks):
            b_start, rest = block * terms * wide, channels - block * wide
            if rest >= wide:
                tile(flat_a, starts, steps, 0, terms, flat_b, b_start, wide, flat_out, outs, 0)
            else:
                tile(flat_a, starts, steps, 0, terms, flat_b, b_start, wide, spare, spares, 0)
                for r in range(ROWS):
                    for c in range(rest):
                        flat_out[outs[r] + c] = spare[r * wide + c]
            for r in range(ROWS):
                outs[r] += wide


@kernel
def products(
    x: Floats, first: int, last: int, top: int, left: int, padded: Floats,
    steps: Ints, b: Floats, grid: Ints, out: Floats, spare: Floats,
) -> None:  # fmt: skip
    """Compute windows of the images ``first … last``: sums over k of ``x[window + steps[k]] · b[k]``.

    Args:
        x: ``[batch, height, width, depth]``.
        first: First image.
        last: Where the images end.
        top: Zeros above the images.
        left: Zeros on their left side.
        padded: Room for some images with zeros around, or of length 0: none are needed.
        steps: ``[k]``, from the first value of a window, with zeros around.
        b: Blocks of columns ``[blocks, k, columns]``, see `pack`.
        grid: Rows and columns of windows, and for both axes: distance between windows, position of the
            first result, and distance between results.
        out: ``[batch, out_height, out_width, channels]``.
        spare: ``[ROWS * columns]``.
    """
    if len(padded) == 0:
        _rows(x, first, steps, b, grid, first, last, out, spare)
        return
    for n in range(first, last, len(padded)):
        stop = min(n + len(padded), last)
        pad(x, n, stop, top, left, padded)
        _rows(padded, 0, steps, b, grid, n, stop, out, spare)


@kernel
def filter_products(
    x: Floats, first: int, last: int, top: int, left: int, padded: Floats,
    taps: Ints, windows: Ints, g: Floats, wide_g: Floats, block: int, out: Floats,
) -> None:  # fmt: skip
    """Sum over windows of the images ``first … last``: ``out[t] = Σ x[window + taps[t]] · g[window]``.

    Args:
        x: ``[batch, height, width, depth]``.
        first: First image.
        last: Where the images end.
        top: Zeros above the images.
        left: Zeros on their left side.
        padded: Room for one image with zeros around, or of length 0: none are needed.
        taps: ``[rows]``, a multiple of `ROWS`: positions in a window.
        windows: ``[windows]``: where each window of an image starts.
        g: ``[batch, windows, channels]``.
        wide_g: Room for one image's ``[windows, wide]``, or of length 0 if `out` is as wide as `g`.
        block: Columns of a tile.
        out: ``[rows, wide]``, a multiple of them.
    """
    wide = out.shape[1]
    image = x.shape[1] * x.shape[2] * x.shape[3]
    count, channels = g.shape[1], g.shape[2]
    starts, outs = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    flat_out = out.reshape(out.size)
    for place in range(out.size):
        flat_out[place] = 0.0
    for n in range(first, last):
        flat_x, x_start = x.reshape(x.size), n * image
        if len(padded):
            pad(x, n, n + 1, top, left, padded)
            flat_x, x_start = padded.reshape(padded.size), 0
        flat_g, g_start, g_step = g.reshape(g.size), n * count * channels, channels
        if len(wide_g):
            for k in range(count):
                for c in range(channels):
                    wide_g[k, c] = g[n, k, c]
            flat_g, g_start, g_step = wide_g.reshape(wide_g.size), 0, wide
        for begin in range(0, count, _PIXELS):
            end = min(begin + _PIXELS, count)
            for row in range(0, len(taps), ROWS):
                for r in range(ROWS):
                    starts[r], outs[r] = x_start + taps[row + r], (row + r) * wide
                for column in range(0, wide, block):
                    tile(
                        flat_x, starts, windows, begin, end, flat_g, g_start + column, g_step,
                        flat_out, outs, 1,
                    )  # fmt: skip
                    for r in range(ROWS):
                        outs[r] += block
