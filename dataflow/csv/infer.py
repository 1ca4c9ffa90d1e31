"""Looking at all fields of CSV files, to find the dtypes of their columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from dataflow import kernels
from dataflow.csv.dialect import Dialect
from dataflow.csv.framing import KIND, RecordReader, canonical
from dataflow.csv.missing import Missing
from dataflow.csv.records import Ints

_PIECE = 1 << 20
"""Bytes that are looked at together."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a file holds.

    Args:
        fields: The names in its header; None without one, or if the file is empty.
        counts: How many fields are of each kind, by position, int64 ``[fields, CLASSES]``.
        rows: How many records there are.
        bad_rows: How many of them have no fields that could be looked at.
    """

    fields: list[str] | None
    counts: Ints
    rows: int
    bad_rows: int


def look_at(path: str, dialect: Dialect, missing: Missing, width: int, rows: int | None) -> Seen:
    """Count of what kinds the fields of a file are.

    Args:
        path: The file.
        dialect: How it is written.
        missing: What stands for no value.
        width: Fields of a record, where there is no header.
        rows: How many records to look at; None is all.
    """
    reader, fields = RecordReader(path, dialect), None
    left, total, bad = 1 << 62 if rows is None else rows, 0, 0
    try:
        if dialect.header is True:
            fields = reader.header()
            width = len(fields or ())
        reader.width = width
        counts = np.zeros((width, kernels.csv_fields.CLASSES), np.int64)
        while left > 0 and (frame := reader.read(_PIECE, left)) is not None:
            good = np.flatnonzero(frame.records[:, KIND] < kernels.csv_table.COUNT)
            data, bounds = canonical(frame, good, dialect)
            words = missing.table
            kernels.csv_fields.classify(data, bounds, np.int64(ord(dialect.delimiter)), *words, counts)
            total, bad = total + len(frame.records), bad + len(frame.records) - len(good)
            left -= len(frame.records)
    finally:
        reader.close()
    return Seen(fields, counts, total, bad)


def added(seen: Sequence[tuple[Seen, Sequence[int]]], columns: int) -> Ints:
    """Return the counts of all files, given where in each of them the columns are."""
    total = np.zeros((columns, kernels.csv_fields.CLASSES), np.int64)
    for file, positions in seen:
        total += file.counts[np.asarray(positions, np.int64)]
    return total
