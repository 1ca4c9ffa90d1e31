"""Layer normalization of rows, forwards and backwards. Sums along rows are kept in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def forward(
    x: npt.NDArray[Any],
    gamma: npt.NDArray[Any],
    beta: npt.NDArray[Any],
    epsilon: float,
    out: npt.NDArray[Any],
    mean: npt.NDArray[Any],
    scale: npt.NDArray[Any],
) -> None:
    """Fill ``out[n, d]``, and of each row the mean and 1 / (standard deviation)."""
    kind = out.dtype.type
    rows, width = x.shape
    for i in range(rows):
        total = np.float64(0.0)
        for j in range(width):
            total += x[i, j]
        middle = kind(total / width)
        squares = np.float64(0.0)
        for j in range(width):
            squares += (x[i, j] - middle) ** 2
        inverse = kind(1.0 / math.sqrt(squares / width + epsilon))
        mean[i] = middle
        scale[i] = inverse
        for j in range(width):
            out[i, j] = (x[i, j] - middle) * inverse * gamma[j] + beta[j]


@kernel
def backward(
    g: npt.NDArray[Any],
    x: npt.NDArray[Any],
    gamma: npt.NDArray[Any],
    mean: npt.NDArray[Any],
    scale: npt.NDArray[Any],
    dx: npt.NDArray[Any],
    dgamma: npt.NDArray[Any],
    dbeta: npt.NDArray[Any],
) -> None:
    """Fill the gradients of the input ``[n, d]``, of gamma and of beta ``[d]``."""
    kind = dx.dtype.type
    rows, width = x.shape
    dgamma[:] = 0
    dbeta[:] = 0
    for i in range(rows):
        middle, inverse = mean[i], scale[i]
        plain = np.float64(0.0)
        tilted = np.float64(0.0)
        for j in range(width):
            normal = (x[i, j] - middle) * inverse
            slope = g[i, j] * gamma[j]
            plain += slope
            tilted += slope * normal
            dgamma[j] += g[i, j] * normal
            dbeta[j] += g[i, j]
        offset, tilt = kind(plain / width), kind(tilted / width)
        for j in range(width):
            normal = (x[i, j] - middle) * inverse
            dx[i, j] = inverse * (g[i, j] * gamma[j] - offset - normal * tilt)
