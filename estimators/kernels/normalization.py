"""Batch normalization of rows ``[rows, channels]``: sums over rows, and what is made of them.

Sums are float64, for float32 rows too. Each loop over channels is innermost, so that it runs in the CPU's
vectors.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

Floats: TypeAlias = npt.NDArray[Any]
Doubles: TypeAlias = npt.NDArray[np.float64]


@kernel
def moments(x: Floats, first: int, last: int, shift: Doubles, out: Doubles) -> None:
    """Sum ``x - shift`` and its squares over the rows ``first … last`` into ``out[2, channels]``.

    The nearer the shift is to the mean, the less is lost when the variance is computed from the sums.
    """
    sums, squares = out[0], out[1]
    out[:] = 0.0
    for i in range(first, last):
        row = x[i]
        for c in range(len(shift)):
            value = np.float64(row[c]) - shift[c]
            sums[c] += value
            squares[c] += value * value


@kernel
def scale_rows(
    x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, relu: bool, out: Floats
) -> None:
    """Write ``(x - mean) * scale + offset``, with `relu` 0 where that is negative."""
    nothing = x.dtype.type(0)
    for i in range(first, last):
        row, result = x[i], out[i]
        if relu:
            for c in range(len(mean)):
                value = (row[c] - mean[c]) * scale[c] + offset[c]
                result[c] = nothing if value <= nothing else value
        else:
            for c in range(len(mean)):
                result[c] = (row[c] - mean[c]) * scale[c] + offset[c]


@kernel
def slope_sums(
    g: Floats, x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, relu: bool,
    out: Doubles,
) -> None:  # fmt: skip
    """Sum ``g`` and ``g * (x - mean)`` over the rows ``first … last`` into ``out[2, channels]``.

    With `relu`, g counts as 0 where `scale_rows` writes no positive number.
    """
    sums, products = out[0], out[1]
    out[:] = 0.0
    nothing = x.dtype.type(0)
    for i in range(first, last):
        slope, row = g[i], x[i]
        if relu:
            for c in range(len(mean)):
                centred, value = row[c] - mean[c], slope[c]
                value = value if centred * scale[c] + offset[c] > nothing else nothing
                sums[c] += np.float64(value)
                products[c] += np.float64(value) * np.float64(centred)
        else:
            for c in range(len(mean)):
                sums[c] += np.float64(slope[c])
                products[c] += np.float64(slope[c]) * np.float64(row[c] - mean[c])


@kernel
def slopes(
    g: Floats, x: Floats, first: int, last: int, mean: Floats, scale: Floats, offset: Floats, relu: bool,
    level: Floats, tilt: Floats, out: Floats,
) -> None:  # fmt: skip
    """Write ``(g - level - (x - mean) * tilt) * scale``, with `relu` as in `slope_sums`."""
    nothing = x.dtype.type(0)
    for i in range(first, last):
        slope, row, result = g[i], x[i], out[i]
        if relu:
            for c in range(len(mean)):
                centred, value = row[c] - mean[c], slope[c]
                value = value if centred * scale[c] + offset[c] > nothing else nothing
                result[c] = (value - level[c] - centred * tilt[c]) * scale[c]
        else:
            for c in range(len(mean)):
                result[c] = (slope[c] - level[c] - (row[c] - mean[c]) * tilt[c]) * scale[c]
