"""Batch normalization of rows ``[rows, width]``: sums over rows, and what is made of them.

Sums are float64, for float32 rows too. Each loop over a row is innermost, so that it runs in the CPU's
vectors; callers join short rows to longer ones. A ReLU comes along as a `limit`: 0, or -inf for none.

Results may be written over what they come from. So a row is first made aside: the compiler takes the slow way
where what a loop reads and writes may overlap.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

Floats: TypeAlias = npt.NDArray[Any]
Doubles: TypeAlias = npt.NDArray[np.float64]


@kernel
def moments(x: Floats, first: int, last: int, shift: Doubles, sums: Doubles, squares: Doubles) -> None:
    """Sum ``x - shift`` and its squares over the rows ``first … last`` into ``[width]`` each.

    The nearer the shift is to the mean, the less is lost when the variance is computed from the sums.
    """
    for c in range(len(shift)):
        sums[c], squares[c] = 0.0, 0.0
    for i in range(first, last):
        row = x[i]
        for c in range(len(shift)):
            value = np.float64(row[c]) - shift[c]
            sums[c] += value
            squares[c] += value * value


@kernel
def scale_rows(
    x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, limit: Floats, out: Floats
) -> None:
    """Write ``(x - mean) * scale + offset``, or the limit ``[1]`` if that is less."""
    least, fresh = limit[0], np.empty_like(mean)
    for i in range(first, last):
        row, result = x[i], out[i]
        for c in range(len(mean)):
            value = (row[c] - mean[c]) * scale[c] + offset[c]
            fresh[c] = least if value <= least else value
        for c in range(len(mean)):
            result[c] = fresh[c]


@kernel
def slope_sums(
    g: Floats, x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, limit: Floats,
    sums: Doubles, products: Doubles,
) -> None:  # fmt: skip
    """Sum ``g`` and ``g * (x - mean)`` over the rows ``first … last`` into ``[width]`` each.

    Where `scale_rows` writes the limit, g counts as 0.
    """
    for c in range(len(mean)):
        sums[c], products[c] = 0.0, 0.0
    least, nothing = limit[0], x.dtype.type(0)
    for i in range(first, last):
        slope, row = g[i], x[i]
        for c in range(len(mean)):
            centred, value = row[c] - mean[c], slope[c]
            value = value if centred * scale[c] + offset[c] > least else nothing
            sums[c] += np.float64(value)
            products[c] += np.float64(value) * np.float64(centred)


@kernel
def slopes(
    g: Floats, x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, limit: Floats,
    level: Floats, tilt: Floats, out: Floats,
) -> None:  # fmt: skip
    """Write ``(g - level - (x - mean) * tilt) * scale``, with g as in `slope_sums`."""
    least, nothing, fresh = limit[0], x.dtype.type(0), np.empty_like(mean)
    for i in range(first, last):
        slope, row, result = g[i], x[i], out[i]
        for c in range(len(mean)):
            centred, value = row[c] - mean[c], slope[c]
            value = value if centred * scale[c] + offset[c] > least else nothing
            fresh[c] = (value - level[c] - centred * tilt[c]) * scale[c]
        for c in range(len(mean)):
            result[c] = fresh[c]
