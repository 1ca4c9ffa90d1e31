"""Records of a frame as typed columns, and all those rows that cannot be converted."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow import kernels
from dataflow.block import Dense
from dataflow.csv.buffers import window
from dataflow.csv.cells import CELLS, Cells
from dataflow.csv.columns import Columns, Failure, Sizes, make_plan
from dataflow.csv.framing import KIND, LINE, Frame, RecordReader, canonical, problem
from dataflow.csv.missing import Missing
from dataflow.csv.records import Bytes, CsvColumn, Ints, show
from dataflow.csv.schema import ColumnRule
from dataflow.csv.split import unquoted
from dataflow.csv.values import convert
from dataflow.spec import BINARY, STRING, dtype_name, is_text

_HEX = re.compile(rb"\s*[+-]?0[xX]")


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A record that is no row.

    Args:
        index: Of the record in its frame.
        line: Lines before it in its file.
        reason: What is wrong.
        raw: Its bytes in UTF-8, of a very long one the first.
        column: The column that is wrong, None if it is the whole record.
        value: The field, as text.
    """

    index: int
    line: int
    reason: str
    raw: bytes
    column: str | None = None
    value: str | None = None


@dataclasses.dataclass(frozen=True)
class ParsedFrame:
    """The rows of a frame.

    Args:
        columns: By rule.
        rows: Which records of the frame they are.
        bad: The others, in order.
    """

    columns: list[Dense]
    rows: Ints
    bad: list[BadRow]


class TableParser:
    """Converts the fields of records.

    Args:
        rules: The columns that are wanted.
        positions: Where in a record each of them is.
        missing: What stands for no value.
    """

    def __init__(self, rules: Sequence[ColumnRule], positions: Sequence[int], missing: Missing) -> None:
        order = sorted(range(len(rules)), key=positions.__getitem__)
        self._place = np.argsort(order)
        self._rules = [rules[i] for i in order]
        self._missing = missing
        self._columns = [self._raw(rules[i], positions[i]) for i in order]
        self._sizes = Sizes(len(order))

    def _raw(self, rule: ColumnRule, position: int) -> CsvColumn:
        """Return the column that the kernels convert, from which `CELLS` make the one that is wanted."""
        dtype, default = rule.dtype, None
        if dtype.kind in "bMUS":
            return CsvColumn(position, BINARY if dtype == BINARY else STRING, "", rule.name)
        if dtype.kind in "iu":
            dtype = np.dtype(np.int64)
        if rule.optional and self._missing.empty:
            default = math.nan if rule.fill is None else rule.fill
        return CsvColumn(position, dtype, default, rule.name)

    @np.errstate(over="ignore")  # kernels that run as plain Python let integers wrap on purpose
    def parse(self, frame: Frame, reader: RecordReader) -> ParsedFrame:
        """Convert the records of a frame."""
        kinds = frame.records[:, KIND]
        good = np.flatnonzero(kinds < kernels.csv_table.COUNT)
        data, bounds = canonical(frame, good, reader.dialect)
        plan = make_plan(self._columns, reader.dialect.delimiter, True, "", reader.width, reader.width)
        run = _Collecting(self._columns, plan, self._sizes, len(good), self._rules, self._missing)
        _run(run, data, np.ascontiguousarray(bounds[:, 0]), np.ascontiguousarray(bounds[:, 1]))
        raw, failures, kept = run.finish(0), run.failures, np.arange(len(good))
        if failures:
            kept = np.delete(kept, list(failures))
            raw = [_taken(column, kept) for column in raw]
        columns, wrong = self._cells(raw)
        if wrong:
            failures.update((int(kept[row]), failure) for row, failure in wrong.items())
            right = np.delete(np.arange(len(kept)), list(wrong))
            kept, columns = kept[right], [_taken(column, right) for column in columns]
        bad = [self._refused(frame, int(i), reader) for i in np.flatnonzero(kinds >= kernels.csv_table.COUNT)]
        bad += [self._failed(frame, int(good[row]), failure, reader) for row, failure in failures.items()]
        bad.sort(key=lambda row: row.index)
        return ParsedFrame([columns[i] for i in self._place], good[kept], bad)

    def _cells(self, raw: Sequence[Dense]) -> tuple[list[Dense], dict[int, Failure]]:
        """Return the columns that are wanted, and by row the first value that does not fit."""
        columns: list[Dense] = []
        wrong: dict[int, Failure] = {}
        for column, values, rule in zip(self._columns, raw, self._rules, strict=True):
            cells = CELLS[rule.dtype.kind](Cells(values, rule, self._missing))
            for row, reason, value in cells.wrong:
                wrong.setdefault(row, Failure(row, column, reason, value))
            columns.append(cells.values)
        return columns, wrong

    @staticmethod
    def _refused(frame: Frame, index: int, reader: RecordReader) -> BadRow:
        reason = problem(frame, index, reader)
        return BadRow(index, int(frame.records[index, LINE]), reason, frame.raw(index))

    @staticmethod
    def _failed(frame: Frame, index: int, failure: Failure, reader: RecordReader) -> BadRow:
        reason, name = failure.reason, failure.column.name
        if reason.endswith("is not UTF-8 text"):
            encoding = reader.dialect.encoding
            reason = f"{show(np.frombuffer(failure.value.encode(), np.uint8))!r} is not text in {encoding}"
        return BadRow(
            index, int(frame.records[index, LINE]), reason, frame.raw(index), name, failure.value[:200]
        )


def _taken(column: Dense, rows: Ints) -> Dense:
    return column[rows] if isinstance(column, np.ndarray) else column.take(rows)


def _run(run: _Collecting, data: Bytes, starts: Ints, stops: Ints) -> None:
    """Parse all records; `run` collects what is wrong."""
    starts.flags.writeable = stops.flags.writeable = False
    while run.rows < len(starts):
        first = run.rows
        origin, view = window(data, int(starts[first]))
        rows, aside, why = kernels.csv.parse_lines(view, starts, stops, origin, False, *run.arguments())
        run.settle(view, rows, aside)
        if why == kernels.csv.FULL:
            run.grow(rows / len(starts))
        assert why != kernels.csv.BAD, f"a record at {starts[rows]} was cut in two ways"


class _Collecting(Columns):
    """Columns that go on behind what cannot be converted.

    Attributes:
        failures: What is wrong, by row: the first column that is.
    """

    def __init__(
        self,
        columns: Sequence[CsvColumn],
        plan: Any,
        sizes: Sizes,
        rows: int,
        rules: Sequence[ColumnRule],
        missing: Missing,
    ) -> None:
        super().__init__(columns, plan, "", sizes, rows, False)
        self.failures: dict[int, Failure] = {}
        self._missing = missing
        self._fills = np.array([rule.optional for rule in rules], np.bool_)
        self._defaults = np.zeros(len(rules), np.int64)
        for c, (rule, column) in enumerate(zip(rules, columns, strict=True)):
            if not is_text(column.dtype) and rule.optional:
                fill: Any = math.nan if rule.fill is None else rule.fill
                self._defaults[c] = np.float64(fill).view(np.int64) if column.dtype.kind == "f" else fill

    def settle(self, view: Bytes, rows: int, aside: int) -> None:
        """Accept what a kernel parsed, and note what cannot be converted."""
        exotic = self._table[:, kernels.csv.EXOTIC]
        if aside or exotic.any():
            entries, (floats, doubles, _, int64s) = self._left_over(view, aside), self._views()
            places = self._table[:, kernels.csv.PLACE].copy()
            words = self._missing.table
            settings = self._bits, self._fills, self._defaults, *words, places
            left = kernels.csv_fields.settle(view, entries, *settings, floats, doubles, int64s)
            self._convert_rest(view, entries[:left])
            for c in self._texts:
                if exotic[c] and self.columns[c].dtype != BINARY:
                    self._note_invalid(c, self.rows, rows)
            exotic[:] = 0
            self.pause = 8 * rows
        self.rows = rows

    def _convert_rest(self, view: Bytes, entries: Ints) -> None:
        """Convert in plain Python what no kernel accepts."""
        for c, row, span in entries[np.lexsort((entries[:, 0], entries[:, 1]))].tolist():
            if row in self.failures:
                continue
            column, field = self.columns[c], unquoted(view, span >> 32, span & 0xFFFFFFFF, True)
            try:
                if field.decode("utf-8", "backslashreplace").strip(" \t\n\v\f\r") in self._missing:
                    raise ValueError("the value is missing")
                if _HEX.match(field) or not field.strip():
                    raise ValueError(f"{show(np.frombuffer(field, np.uint8))!r} is not a {column.dtype}")
                self._column(c, self._room)[row] = convert(column, "", field)
            except ValueError as error:
                value = field.decode("utf-8", "backslashreplace")
                self.failures[row] = Failure(row, column, str(error), value)
                self._column(c, self._room)[row] = 0

    def _note_invalid(self, c: int, start: int, stop: int) -> None:
        """Note the rows of ``start … stop - 1`` with text that is not UTF-8."""
        pending = [(start, stop)]
        while pending:
            first, last = pending.pop()
            try:
                self._strings(c, last).slice(first).validate(full=True)
            except ValueError:  # of Arrow
                if last - first > 1:
                    middle = (first + last) // 2
                    pending += [(first, middle), (middle, last)]
                elif first not in self.failures or self.failures[first].column.index > self.columns[c].index:
                    value = self._field(c, first).decode("utf-8", "backslashreplace")
                    self.failures[first] = Failure(first, self.columns[c], " is not UTF-8 text", value)


def hint_for(rule: ColumnRule, reason: str) -> str:
    """Return what to do about a value that does not fit."""
    name, kind = rule.name, dtype_name(rule.dtype)
    if reason == "the value is missing":
        zero = {"b": "False", "U": '""', "S": 'b""'}.get(rule.dtype.kind, "0")
        return f"give what is missing a value: fill_nulls={{{name!r}: {zero}}}"
    if "is not text in" in reason:
        return 'give the encoding of the files, encoding="latin-1" say, or "bytes" for this column'
    return f'the schema says "{kind}" for {name!r}: change it, or set on_bad_rows'
