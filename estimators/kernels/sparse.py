"""Rows of tables by id: sums of them, and sums of gradients for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def gather_sum(table: npt.NDArray[Any], ids: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return ``[batch, units]``: for each row of `ids` the sum of the table's rows; negative ids add 0."""
    batch, width = ids.shape
    units = table.shape[1]
    out = np.zeros((batch, units), table.dtype)
    for i in range(batch):
        for j in range(width):
            row = ids[i, j]
            if row >= len(table):
                raise IndexError("an id is beyond the table")
            if row >= 0:
                for k in range(units):
                    out[i, k] += table[row, k]
    return out


@kernel
def unique_rows(
    ids: npt.NDArray[np.int64], values: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return the different non-negative ids, ascending, and the sums ``[n, units]`` of `values` over them.

    Sums run in the order of the batch, so they are the same in every run.
    """
    width = ids.shape[1]
    units = values.shape[1]
    flat = ids.ravel()
    order = np.argsort(flat, kind="mergesort")
    start = 0
    while start < len(order) and flat[order[start]] < 0:
        start += 1
    rows = np.empty(len(order) - start, np.int64)
    sums = np.zeros((len(order) - start, units), values.dtype)
    count = 0
    for position in range(start, len(order)):
        item = order[position]
        if count == 0 or rows[count - 1] != flat[item]:
            rows[count] = flat[item]
            count += 1
        for k in range(units):
            sums[count - 1, k] += values[item // width, k]
    return rows[:count], sums[:count]
