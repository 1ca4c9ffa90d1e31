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
def elu(
    x: npt.NDArray[Any], below: npt.NDArray[Any], out: npt.NDArray[Any], positive: float, negative: float
) -> None:
    """Fill `out` with positive * x where x > 0 and negative * below elsewhere; all arrays have rank 1."""
    over, under = out.dtype.type(positive), out.dtype.type(negative)
    for i in range(len(out)):
        out[i] = over * x[i] if x[i] > 0 else under * below[i]


@kernel
def erf(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with the error function; both have rank 1."""
    for i in range(len(out)):
        out[i] = math.erf(x[i])


@kernel
def erf_float32(x: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    """Fill `out` with the error function to 5e-7 of its value, ten times as fast; both have rank 1.

    The quotient of polynomials for single precision that XLA and Eigen use, on [-4, 4].
    """
    one, end = np.float32(1.0), np.float32(4.0)
    p0, p1, p2 = (
        np.float32(-1.60960333262415e-02),
        np.float32(-2.95459980854025e-03),
        np.float32(-7.34990630326855e-04),
    )
    p3, p4, p5 = (
        np.float32(-5.69250639462346e-05),
        np.float32(-2.10102402082508e-06),
        np.float32(2.77068142495902e-08),
    )
    p6 = np.float32(-2.72614225801306e-10)
    q0, q1, q2 = (
        np.float32(-1.42647390514189e-02),
        np.float32(-7.37332916720468e-03),
        np.float32(-1.68282697438203e-03),
    )
    q3, q4 = np.float32(-2.13374055278905e-04), np.float32(-1.45660718464996e-05)
    for i in range(len(out)):
        v = x[i]
        v = end if v > end else v
        v = -end if v < -end else v
        z = v * v
        above = v * (p0 + z * (p1 + z * (p2 + z * (p3 + z * (p4 + z * (p5 + z * p6))))))
        y = above / (q0 + z * (q1 + z * (q2 + z * (q3 + z * q4))))
        y = one if y > one else y
        out[i] = -one if y < -one else y


@kernel
def below_maximum(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with x minus the largest value of its row; both have rank 2."""
    rows, width = x.shape
    for i in range(rows if width else 0):
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
    for i in range(rows if width else 0):
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
