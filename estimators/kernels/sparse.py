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
def fill_unique_rows(
    ids: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
    places: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    sums: npt.NDArray[Any],
) -> int:
    """Fill `rows` with the different non-negative ids, in the order of their first places; return how many.

    Sums of `values` run in the order of the batch, so they are the same in every run. Item 0 of what is
    filled means nothing. Conditions are arithmetic where a CPU could not foresee them.

    Args:
        ids: ``[batch, width]``.
        values: ``[batch, units]``.
        places: Zeros, an open hash table from ids to where they are in `rows`; its size is a power of two.
        rows: ``[batch * width + 1]``.
        sums: ``[batch * width + 1, units]``, zeros: for each of `rows` the sum of the values.
    """
    batch, width = ids.shape
    units = values.shape[1]
    last, shift = len(places) - 1, 32
    while (1 << (32 - shift)) < len(places):
        shift -= 1
    count = 0
    for i in range(batch):
        for j in range(width):
            row = ids[i, j]
            if row < 0:
                continue
            place = (((row & 0x7FFFFFFF) * 2654435761) & 0xFFFFFFFF) >> shift
            at = places[place]
            while min(at, 1) * (rows[at] ^ row) != 0:  # taken, by another row
                place = (place + 1) & last
                at = places[place]
            new = at == 0
            count += new
            at = np.int32(count) if new else at
            places[place] = at
            rows[at] = row
            if units == 1:
                sums[at, 0] += values[i, 0]
            else:
                for k in range(units):
                    sums[at, k] += values[i, k]
    return count


@kernel
def put_rows(table: npt.NDArray[Any], rows: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
    """Set rows of a table ``[n, units]`` to `values`; the caller knows that they are in range."""
    for i in range(len(rows)):
        for k in range(table.shape[1]):
            table[rows[i], k] = values[i, k]
