"""Cross entropies and what their gradients need, one pass over the logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def sigmoid(x: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with 1 / (1 + e^-x); both have rank 1."""
    one = out.dtype.type(1)
    for i in range(len(out)):
        exp = math.exp(-abs(x[i]))
        out[i] = (one if x[i] >= 0 else exp) / (one + exp)


@kernel
def sigmoid_cross_entropy(z: npt.NDArray[Any], y: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Fill `out` with max(z, 0) - z y + ln(1 + e^-|z|); all have rank 1."""
    zero = out.dtype.type(0)
    for i in range(len(out)):
        out[i] = max(z[i], zero) - z[i] * y[i] + math.log1p(math.exp(-abs(z[i])))


@kernel
def sigmoid_cross_entropy_grad(
    g: npt.NDArray[Any], z: npt.NDArray[Any], y: npt.NDArray[Any], out: npt.NDArray[Any]
) -> None:
    """Fill `out` with g (sigmoid(z) - y); all have rank 1."""
    one = out.dtype.type(1)
    for i in range(len(out)):
        exp = math.exp(-abs(z[i]))
        out[i] = g[i] * ((one if z[i] >= 0 else exp) / (one + exp) - y[i])


@kernel
def onehot_costs(
    logits: npt.NDArray[Any],
    onehot: npt.NDArray[Any],
    losses: npt.NDArray[Any],
    shifted: npt.NDArray[Any],
) -> None:
    """Fill `shifted` with logits minus their row's maximum, and losses with -sum(y shifted) over each row."""
    batch, classes = logits.shape
    zero = losses.dtype.type(0)
    for i in range(batch):
        top = logits[i, 0]
        for j in range(1, classes):
            top = max(top, logits[i, j])
        loss = zero
        for j in range(classes):
            shifted[i, j] = logits[i, j] - top
            if onehot[i, j] != zero:
                loss -= onehot[i, j] * shifted[i, j]
        losses[i] = loss


@kernel
def onehot_slopes(onehot: npt.NDArray[Any], losses: npt.NDArray[Any], slopes: npt.NDArray[Any]) -> None:
    """Add ln(sum of exponentials) to losses, and turn the exponentials in `slopes` into softmax - y."""
    batch, classes = slopes.shape
    zero = losses.dtype.type(0)
    for i in range(batch):
        total, mass = zero, zero
        for j in range(classes):
            total += slopes[i, j]
            mass += onehot[i, j]
        losses[i] += mass * np.log(total)
        scale = mass / total
        for j in range(classes):
            slopes[i, j] = slopes[i, j] * scale - onehot[i, j]


@kernel
def sparse_costs(
    logits: npt.NDArray[Any],
    labels: npt.NDArray[np.int64],
    losses: npt.NDArray[Any],
    shifted: npt.NDArray[Any],
) -> int:
    """Do as `onehot_costs` does, for classes; return the row of the first bad label, or -1."""
    batch, classes = logits.shape
    for i in range(batch):
        if labels[i] < 0 or labels[i] >= classes:
            return i
        top = logits[i, 0]
        for j in range(1, classes):
            top = max(top, logits[i, j])
        for j in range(classes):
            shifted[i, j] = logits[i, j] - top
        losses[i] = -shifted[i, labels[i]]
    return -1


@kernel
def sparse_slopes(labels: npt.NDArray[np.int64], losses: npt.NDArray[Any], slopes: npt.NDArray[Any]) -> None:
    """Do as `onehot_slopes` does, for classes that are in range."""
    batch, classes = slopes.shape
    one = losses.dtype.type(1)
    for i in range(batch):
        total = losses.dtype.type(0)
        for j in range(classes):
            total += slopes[i, j]
        losses[i] += np.log(total)
        scale = one / total
        for j in range(classes):
            slopes[i, j] *= scale
        slopes[i, labels[i]] -= one
