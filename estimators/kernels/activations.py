"""Activations in one pass over their values, and the steps of a softmax along rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def relu_grad(g: npt.NDArray[Any], y: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with g where y > 0 and 0 elsewhere; all have rank 1."""
    zero = out.dtype.type(0)
    for i in range(len(out)):
        out[i] = g[i] if y[i] > 0 else zero


@kernel
def elu(x: npt.NDArray[Any], out: npt.NDArray[Any], positive: float, negative: float) -> None:
    """Fill `out` with positive * x where x > 0 and negative * (e^x - 1) elsewhere; both have rank 1."""
    over, under = out.dtype.type(positive), out.dtype.type(negative)
    for i in range(len(out)):
        v = x[i]
        out[i] = over * v if v > 0 else under * math.expm1(v)


@kernel
def softplus(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with ln(1 + e^x); both have rank 1."""
    zero = out.dtype.type(0)
    for i in range(len(out)):
        v = x[i]
        out[i] = max(v, zero) + math.log1p(math.exp(-abs(v)))


@kernel
def erf(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with the error function; both have rank 1."""
    for i in range(len(out)):
        out[i] = math.erf(x[i])


@kernel
def below_maximum(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with x minus the largest value of its row; both have rank 2."""
    rows, width = x.shape
    for i in range(rows):
        if width == 0:
            continue
        largest = x[i, 0]
        for j in range(1, width):
            largest = max(largest, x[i, j])
        for j in range(width):
            out[i, j] = x[i, j] - largest


@kernel
def share_of_row(out: npt.NDArray[Any]) -> None:
    """Divide each value by the sum of its row."""
    rows, width = out.shape
    for i in range(rows):
        total = out.dtype.type(0)
        for j in range(width):
            total += out[i, j]
        for j in range(width):
            out[i, j] /= total


@kernel
def subtract_log_sum(out: npt.NDArray[Any], exp: npt.NDArray[Any]) -> None:
    """Subtract from each row of `out` the logarithm of the sum of that row of `exp`."""
    rows, width = out.shape
    for i in range(rows):
        total = out.dtype.type(0)
        for j in range(width):
            total += exp[i, j]
        log = out.dtype.type(np.log(total))
        for j in range(width):
            out[i, j] -= log


@kernel
def softmax_grad(g: npt.NDArray[Any], y: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with y * (g - sum of g * y over the row); all have rank 2."""
    rows, width = y.shape
    for i in range(rows):
        total = out.dtype.type(0)
        for j in range(width):
            total += g[i, j] * y[i, j]
        for j in range(width):
            out[i, j] = y[i, j] * (g[i, j] - total)
