"""The columns of one parsing call: their buffers, and the fields that the kernels set aside."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dataflow import kernels
from dataflow.block import Dense
from dataflow.csv.records import Bytes, CsvColumn, CsvError, Ints
from dataflow.csv.split import unquoted
from dataflow.csv.values import convert
from dataflow.errors import InvalidArgumentError
from dataflow.spec import BINARY, is_text
from dataflow.strings import Strings

_MOST_ROWS, _SPANS = 8192, 65536
"""Rows and spans of the largest step: they should stay in the CPU's cache."""
_BITS = {"float32": 24, "float64": 53, "int32": 31, "int64": 63}
_ASIDE = 1 << 17
"""Fields that may be set aside before they are looked at, if one step needs no more."""
_MOST_TEXT = (1 << 31) - 1
_SPARE = 1.1
"""A buffer is larger than the records seen so far suggest, by this factor and `_MARGIN` bytes or records."""
_MARGIN = 256


class Plan(NamedTuple):
    """A format as the kernels want it: the first three of these arguments of theirs."""

    rules: Ints
    constants: Bytes
    columns: Ints


def make_plan(
    columns: Sequence[CsvColumn],
    delimiter: str,
    quoting: bool,
    na_value: str,
    min_fields: int,
    max_fields: int | None,
) -> Plan:
    """Return the settings of a format as the kernels want them."""
    k = kernels.csv
    kinds = {"float32": k.FLOAT32, "float64": k.FLOAT64, "int32": k.INT32, "int64": k.INT64}
    table = np.zeros((len(columns), k.EXOTIC + 1), np.int64)
    constants = na_value.encode()
    for row, column in zip(table, columns, strict=True):
        row[k.KIND] = k.TEXT if is_text(column.dtype) else kinds[column.dtype.name]
        row[k.FIELD], row[k.OPTIONAL] = column.index, column.default is not None
        if is_text(column.dtype):
            text = column.default if isinstance(column.default, bytes) else str(column.default or "").encode()
            row[k.DEFAULT], row[k.SIZE] = len(constants), len(text)
            constants += text
        elif column.dtype.kind == "f":
            row[k.DEFAULT] = np.float64(column.default or 0).view(np.int64)
        else:
            row[k.DEFAULT] = column.default or 0
    rules = np.zeros(k.NA_NUMBER + 1, np.int64)
    rules[k.DELIMITER], rules[k.QUOTING] = ord(delimiter), quoting
    rules[k.WIDTH] = 1 + max((column.index for column in columns), default=-1)
    rules[k.FEWEST], rules[k.MOST] = min_fields, -1 if max_fields is None else max_fields
    rules[k.NA_TEXT] = len(na_value.encode())
    # The kernels compare numbers as they are in the file, where a quote would be doubled.
    rules[k.NA_NUMBER] = -1 if quoting and '"' in na_value else rules[k.NA_TEXT]
    return Plan(rules, np.frombuffer(constants, np.uint8), table)


@dataclasses.dataclass(frozen=True)
class Failure:
    """The first row that could not be converted."""

    row: int
    column: CsvColumn
    reason: str
    value: str

    def error(self, record: int, line: int) -> CsvError:
        """Return the error for the caller."""
        return CsvError(self.reason, record=record, line=line, column=self.column.name, value=self.value)


class Sizes:
    """What the last call saw, so that the next one makes buffers of the right size at once.

    Args:
        count: Number of columns.

    Attributes:
        record: Bytes of a stream for each record, 0 if that is not known.
        text: Bytes of each column of text for each record.
    """

    def __init__(self, count: int) -> None:
        self.record = 0.0
        self.text = np.zeros(count)


class Columns:
    """The columns of one call while they grow.

    Args:
        columns: The columns.
        plan: The format, from `make_plan`.
        na_value: As in `CsvFormat`.
        sizes: What earlier calls saw; updated by `finish`.
        rows: The number of records of the call, or a guess.
        stream: Whether it is a guess.

    Attributes:
        rows: How many records are parsed.
        pause: At how many records the kernels should hand over fields that they set aside. These may be
            errors, and what is parsed behind an error is wasted; so it grows with what was right.
        records: For a stream, where the records start and the last one ends.
    """

    def __init__(
        self, columns: Sequence[CsvColumn], plan: Plan, na_value: str, sizes: Sizes, rows: int, stream: bool
    ) -> None:
        self.columns = columns
        self.rows = self.pause = 0
        self.records: Ints = np.empty(rows + 1 if stream else 0, np.int64)
        self._na_value = na_value
        self._sizes = sizes
        self._rules, self._constants, table = plan
        self._table = table.copy()
        self._quoting, width = bool(self._rules[kernels.csv.QUOTING]), int(self._rules[kernels.csv.WIDTH])
        self._dtypes = [np.dtype(np.int32) if is_text(c.dtype) else c.dtype for c in columns]
        self._bits = np.array([_BITS.get(column.dtype.name, 0) for column in columns], np.int64)
        self._texts = [c for c, column in enumerate(columns) if is_text(column.dtype)]
        step = max(16, min(rows, _MOST_ROWS, _SPANS // max(width, 1)))
        self.spans: Ints = np.empty(step * width, np.int64)
        self._packed = np.empty(step, np.int64)
        self._allocate(rows, [int(sizes.text[c] * (rows * _SPARE)) + 64 * _MARGIN for c in self._texts])
        for c in self._texts:
            self._column(c, 1)[0] = 0

    def _allocate(self, room: int, text: list[int]) -> None:
        """Make buffers with room for so many rows, and so many bytes of each column of text."""
        k, start, begin = kernels.csv, 0, 0
        self._room = room
        for row, dtype in zip(self._table, self._dtypes, strict=True):
            row[k.PLACE] = start // dtype.itemsize
            start += (dtype.itemsize * (room + 1) + 7) & ~7
        for c, size in zip(self._texts, text, strict=True):
            self._table[c, k.BEGIN], self._table[c, k.END] = begin, begin + size
            begin += size
        self._out, self._text = np.empty(start, np.uint8), np.empty(begin, np.uint8)
        one_step = len(self.columns) * len(self._packed)
        self._aside = np.empty((min(len(self.columns) * room, max(one_step, _ASIDE)), 3), np.int64)

    def arguments(self) -> tuple[Any, ...]:
        """Return the last arguments of the kernels, from `done` on."""
        rules = self._rules, self._constants, self._table
        return (
            self.rows,
            self.pause,
            *rules,
            self.spans,
            self._packed,
            *self._views(),
            self._text,
            self._aside,
        )

    def _views(self) -> list[Any]:
        return [self._out.view(dtype) for dtype in (np.float32, np.float64, np.int32, np.int64)]

    def _column(self, c: int, count: int) -> Any:
        """Return the first values of a column, or the offsets of its text."""
        start = int(self._table[c, kernels.csv.PLACE])
        return self._out.view(self._dtypes[c])[start : start + count]

    def _used(self, c: int, rows: int) -> Bytes:
        """Return the bytes of the first `rows` rows of a column of text."""
        begin = int(self._table[c, kernels.csv.BEGIN])
        return self._text[begin : begin + int(self._column(c, rows + 1)[-1])]

    def grow(self, share: float) -> None:
        """Enlarge the buffers that are too small; `share` of the call's data is parsed."""
        rows, room, k = self.rows, self._room, kernels.csv
        if len(self.records):
            guess = int(rows / max(share, 1e-6) * _SPARE) + _MARGIN
            room = max(room, guess, 2 * room if rows == room else 0)
        values = [self._column(c, rows + 1) for c in range(len(self.columns))]
        texts, sizes = [self._used(c, rows) for c in self._texts], []
        for c, text in zip(self._texts, texts, strict=True):
            wanted, size = int(self._table[c, k.WANTED]), int(self._table[c, k.END] - self._table[c, k.BEGIN])
            if wanted > _MOST_TEXT:
                reason = f"column {self.columns[c].name} has more than 2 GiB of text in one block"
                raise InvalidArgumentError(reason, hint="parse fewer records at once")
            guess = int(len(text) / max(rows, 1) * room * _SPARE) + 64 * _MARGIN
            sizes.append(min(max(size, guess, 2 * wanted), _MOST_TEXT))
        self._table[:, k.WANTED] = 0
        self._allocate(room, sizes)
        for c, column in enumerate(values):
            self._column(c, rows + 1)[:] = column
        for c, text in zip(self._texts, texts, strict=True):
            self._used(c, rows)[:] = text
        if len(self.records):
            self.records = np.concatenate([self.records[: rows + 1], np.empty(room - rows, np.int64)])

    def settle(self, view: Bytes, rows: int, aside: int) -> Failure | None:
        """Accept what a kernel parsed, up to the first record that cannot be converted.

        Args:
            view: The data that the kernel had.
            rows: The rows that are done now.
            aside: The number of fields that it set aside.
        """
        exotic, failure = self._table[:, kernels.csv.EXOTIC], None
        if aside or exotic.any():
            failure = self._first_failure(view, self._left_over(view, aside), rows)
            rows = rows if failure is None else failure.row
            exotic[:] = 0
            self.pause = 8 * rows
        self.rows = rows
        return failure

    def _left_over(self, view: Bytes, aside: int) -> Ints:
        """Convert the numbers that were set aside; return the (column, row, span) that no kernel accepts."""
        entries, places = self._aside[:aside], self._table[:, kernels.csv.PLACE].copy()
        if not self._bits[entries[:, 0]].any():
            return entries
        left = kernels.csv_numbers.convert(view, entries, self._quoting, self._bits, places, *self._views())
        return entries[:left]

    def _first_failure(self, view: Bytes, entries: Ints, rows: int) -> Failure | None:
        """Convert what is left over in plain Python, by row; return the first field that is wrong."""
        doubtful = [(row, c, span) for c, row, span in entries.tolist()]
        for c in self._texts:
            if self._table[c, kernels.csv.EXOTIC] and self.columns[c].dtype != BINARY:
                doubtful += self._first_invalid(c, rows)
        for row, c, span in sorted(doubtful):
            column, start, stop = self.columns[c], span >> 32, span & 0xFFFFFFFF
            field = self._field(c, row) if span < 0 else unquoted(view, start, stop, self._quoting)
            try:
                self._column(c, self._room)[row] = convert(column, self._na_value, field)
            except ValueError as error:
                return Failure(row, column, str(error), field.decode("utf-8", "backslashreplace"))
        return None

    def _first_invalid(self, c: int, stop: int) -> list[tuple[int, int, int]]:
        """Return (row, c, -1) of the first new row before `stop` with text that is not UTF-8, if any."""
        try:
            self._strings(c, stop).slice(self.rows).validate(full=True)
        except pa.ArrowInvalid:
            for row in range(self.rows, stop):
                try:
                    self._field(c, row).decode()
                except UnicodeDecodeError:
                    return [(row, c, -1)]
        return []

    def _field(self, c: int, row: int) -> bytes:
        """Return the bytes of a row of a column of text."""
        begin, (start, stop) = int(self._table[c, kernels.csv.BEGIN]), self._column(c, row + 2)[row:].tolist()
        return self._text[begin + start : begin + stop].tobytes()

    def _strings(self, c: int, rows: int) -> pa.Array:
        offsets, data = self._column(c, rows + 1), self._used(c, rows)
        kind = pa.binary() if self.columns[c].dtype == BINARY else pa.string()
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])

    def finish(self, size: int) -> list[Dense]:
        """Return the columns, without a copy; the records took `size` bytes of a stream."""
        if self.rows >= _MARGIN:
            self._sizes.record = size / self.rows
            for c in self._texts:
                self._sizes.text[c] = self._column(c, self.rows + 1)[-1] / self.rows
        return [
            Strings(self._strings(c, self.rows)) if c in self._texts else self._column(c, self.rows)
            for c in range(len(self.columns))
        ]
