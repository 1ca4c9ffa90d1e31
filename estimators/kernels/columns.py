"""Crosses and counts of categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_FACTOR = np.uint64(0xC6A4A7935BD1E995)
_47 = np.uint64(47)


@kernel
def cross(hashes: Words, there: Flags, values: Words, present: Flags, out: Words, out_there: Flags) -> None:
    """Join each hash of a row with each value of the row; the values run faster.

    Args:
        hashes: ``[rows, m]``, so far.
        there: ``[rows, m]``, which of them count.
        values: ``[rows, n]``.
        present: ``[rows, n]``, which of them count.
        out: ``[rows, m * n]``, filled with FarmHash's 128-to-64 of the pairs, as
            ``tf.sparse.cross_hashed`` computes it.
        out_there: ``[rows, m * n]``, filled with which of them count.
    """
    n = values.shape[1]
    for i in range(len(hashes)):
        for j in range(hashes.shape[1]):
            first = hashes[i, j] ^ _FACTOR
            for k in range(n):
                product = values[i, k] * _FACTOR
                joined = (first ^ ((product ^ (product >> _47)) * _FACTOR)) * _FACTOR
                joined = (joined ^ (joined >> _47)) * _FACTOR
                out[i, j * n + k] = joined ^ (joined >> _47)
                out_there[i, j * n + k] = there[i, j] and present[i, k]


@kernel
def add_counts(ids: npt.NDArray[np.int64], weights: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Add to ``out[i, ids[i, j]]`` the weight of each id that is not negative; one weight is for all.

    Args:
        ids: ``[rows, n]``, below the width of `out`.
        weights: ``[rows, n]``, or ``[0, 0]``: each counts 1.
        out: ``[rows, buckets]``.
    """
    for i in range(len(ids)):
        for j in range(ids.shape[1]):
            if ids[i, j] >= 0:
                out[i, ids[i, j]] += weights[i, j] if weights.size else out.dtype.type(1)
