"""Rows of tables by id: sums of them, and sums of gradients for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def fill_gather_sum(table: npt.NDArray[Any], ids: npt.NDArray[np.int64], out: npt.NDArray[Any]) -> None:
    """Fill `out` ``[batch, units]`` with sums of the table's rows, one for each row of `ids`; < 0 adds 0."""
    batch, width = ids.shape
    units = table.shape[1]
    for i in range(batch):
        if width == 1:
            row = ids[i, 0]
            if row >= len(table):
                raise IndexError("an id is beyond the table")
            for k in range(units):
                out[i, k] = table[row, k] if row >= 0 else 0
        elif units == 1:
            total = out.dtype.type(0)  # in a register
            for j in range(width):
                row = ids[i, j]
                if row >= len(table):
                    raise IndexError("an id is beyond the table")
                if row >= 0:
                    total += table[row, 0]
            out[i, 0] = total
        else:
            for k in range(units):
                out[i, k] = 0
            for j in range(width):
                row = ids[i, j]
                if row >= len(table):
                    raise IndexError("an id is beyond the table")
                if row >= 0:
                    for k in range(units):
                        out[i, k] += table[row, k]


@kernel
def fill_gather_weighted(
    table: npt.NDArray[Any], ids: npt.NDArray[np.int64], weights: npt.NDArray[Any], out: npt.NDArray[Any]
) -> None:
    """Fill `out` as `fill_gather_sum`, with each row of the table multiplied by the weight of its id."""
    batch, width = ids.shape
    units = table.shape[1]
    for i in range(batch):
        for k in range(units):
            out[i, k] = 0
        for j in range(width):
            row = ids[i, j]
            if row >= len(table):
                raise IndexError("an id is beyond the table")
            if row >= 0:
                for k in range(units):
                    out[i, k] += table[row, k] * weights[i, j]


@kernel
def unique_rows(
    ids: npt.NDArray[np.int64], values: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return the different non-negative ids, in the order of their first places, and the sums over them.

    Sums ``[n, units]`` of `values` run in the order of the batch, so they are the same in every run. Ids
    are found in an open hash table of the batch's size, not of the table's.
    """
    batch, width = ids.shape
    units = values.shape[1]
    bits = 4
    while (1 << bits) < 2 * batch * width:
        bits += 1
    found = np.full(1 << bits, -1, np.int32)
    rows = np.empty(batch * width, np.int64)
    sums = np.zeros((batch * width, units), values.dtype)
    count = 0
    for i in range(batch):
        for j in range(width):
            row = ids[i, j]
            if row < 0:
                continue
            place = (((row & 0x7FFFFFFF) * 2654435761) & 0xFFFFFFFF) >> (32 - bits)
            while found[place] >= 0 and rows[found[place]] != row:
                place = (place + 1) & ((1 << bits) - 1)
            if found[place] < 0:
                found[place] = np.int32(count)
                rows[count] = row
                count += 1
            at = found[place]
            for k in range(units):
                sums[at, k] += values[i, k]
    return rows[:count], sums[:count]


@kernel
def put_rows(table: npt.NDArray[Any], rows: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
    """Set rows of a table ``[n, units]`` to `values`; the caller knows that they are in range."""
    for i in range(len(rows)):
        for k in range(table.shape[1]):
            table[rows[i], k] = values[i, k]
