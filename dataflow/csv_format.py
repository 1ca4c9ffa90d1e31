"""The CSV format of tf.data: what a record is, how its fields become columns, and what is refused.

`csv_format` checks the arguments that ``decode_csv`` and ``CsvDataset`` share and returns a `CsvFormat`.
That parses many records at a time, in two framings: `CsvFormat.parse_lines` takes one string for each
record (the rules of ``decode_csv``), `CsvFormat.parse_stream` takes a piece of a file and finds the
records itself (the rules of ``CsvDataset``). The work is done by `dataflow.kernels.csv`; what these
kernels set aside, bad records above all, is looked at here once more, in plain Python and exactly.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import kernels
from dataflow.block import Dense, Strings
from dataflow.errors import InvalidArgumentError, Location
from dataflow.spec import BINARY, STRING, as_dtype, dtype_name, is_text

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Buffer: TypeAlias = bytes | bytearray | memoryview | pa.Buffer | npt.NDArray[np.uint8]

DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int64), STRING, BINARY)
"""The dtypes that a column may have."""

_QUOTE, _CR, _LF = 34, 13, 10
_ANY_NUMBER = (1 << 62) - 1
_REACH = (1 << 31) - 64
"""Bytes of a buffer that one scan may look at: positions in spans have 31 bits."""
_FIRST_ROWS, _MOST_ROWS, _SPANS = 256, 8192, 65536
"""Rows of the first and of the largest step, and spans of a step: they should stay in the CPU's cache."""
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]+)")
_INTEGER = re.compile(r"-?\d+", re.ASCII)
_BLANKS = " \t\n\v\f\r"
_HINTS = {
    "required field is missing": "give this column a default value in record_defaults",
    "quote inside an unquoted field": "quote the field and double its quotes, or set use_quote_delim=False",
    "text after the closing quote": "double the quotes inside the field, or set use_quote_delim=False",
    "closing quote is missing": "close the quote, or set use_quote_delim=False",
    "line end inside an unquoted field": "quote the field, or remove the line end from the record",
}


class CsvError(InvalidArgumentError):
    r"""A record breaks a rule of its format.

    Attributes:
        message: The rule, in plain words.
        record: Position of the record within the call, from 0.
        line: Line ends between the start of the call's data and the record; for `CsvFormat.parse_lines`
            the same as `record`.
        column: Name of the column, or None where the whole record is wrong.
        value: The field or the record, as far as it can be shown.

    >>> error = csv_format([[0]], names=["age"]).parse_stream(b"1\nx\n").error
    >>> print(error.at("people.csv", 1 + error.line))
    'x' is not an int32
      where: file people.csv, line 2, column age, value 'x'
    """

    def __init__(self, reason: str, *, record: int, line: int, column: str | None, value: str | None) -> None:
        super().__init__(
            reason,
            hint=_HINTS.get(reason),
            location=Location(None, record, "record", column, value),
        )
        self.record = record
        self.line = line
        self.column = column
        self.value = value

    def at(self, path: str | None, number: int, kind: str = "line") -> CsvError:
        """Name the file and the number of the line in it, and return self."""
        self.location = Location(path, number, kind, self.column, self.value)
        return self


@dataclasses.dataclass(frozen=True)
class CsvColumn:
    """One field of every record, and how to convert it.

    Args:
        index: Position of the field in the record, from 0.
        dtype: One of `DTYPES`.
        default: Stands for missing fields: a Python scalar, or None where the field is required.
        name: What messages call the column.
    """

    index: int
    dtype: np.dtype[Any]
    default: float | int | str | bytes | None = None
    name: str = ""


@dataclasses.dataclass(frozen=True)
class ParsedChunk:
    """The records that one call parsed.

    Args:
        columns: One column for each column of the format, of the records before the first bad one.
        offsets: int64 ``[length + 1]``: where in the buffer each record starts, and where the last ends.
            For `CsvFormat.parse_records` these are numbers of records instead.
        resume: Where to go on: after the last record, or after the bad record.
        lines: Line ends between the start of the call and `resume`.
        error: What is wrong with the record that follows these records, or None.
    """

    columns: list[Dense]
    offsets: Ints
    resume: int
    lines: int
    error: CsvError | None

    @property
    def length(self) -> int:
        """Number of good records."""
        return len(self.offsets) - 1

    @property
    def consumed(self) -> int:
        """Where the last good record ends."""
        return int(self.offsets[-1])


@dataclasses.dataclass(frozen=True)
class Record:
    """The fields of one record, without quotes, as text; `resume` and `lines` as in `ParsedChunk`."""

    fields: list[str]
    resume: int
    lines: int


@dataclasses.dataclass(frozen=True)
class CsvFormat:
    r"""How the records of CSV data are cut and converted; made by `csv_format`.

    Args:
        columns: The columns to convert, by increasing index.
        delimiter: One ASCII character.
        quoting: Whether a field that starts with a quote may hold delimiters, line ends and doubled quotes.
        na_value: A field with this text is missing, as an empty one is.
        min_fields: Fields that a record must have.
        max_fields: Fields that a record may have; None for any number, of which `parse_lines` then looks
            at the first `min_fields` only.

    >>> fmt = csv_format([0.0, [""]])
    >>> chunk = fmt.parse_stream(b'1.5,"a, b"\n,c\n')
    >>> chunk.columns
    [array([1.5, 0. ], dtype=float32), Strings(string, shape=(2,))]
    """

    columns: tuple[CsvColumn, ...]
    delimiter: str = ","
    quoting: bool = True
    na_value: str = ""
    min_fields: int = 1
    max_fields: int | None = None

    @property
    def n_fields(self) -> int | None:
        """The number of fields of every record, or None where it may differ."""
        return self.min_fields if self.min_fields == self.max_fields else None

    def select(self, indices: Sequence[int]) -> CsvFormat:
        """Keep the columns at these positions of `columns`, in this order.

        The number of fields and the quotes of the others are still checked; their values are not.

        >>> csv_format([0, [1.0], ["a"]]).select([2]).parse_stream(b"no number,,x").columns[0].to_numpy()
        array(['x'], dtype=object)
        """
        return dataclasses.replace(self, columns=tuple(self.columns[i] for i in indices))

    def parse_lines(self, lines: Strings) -> list[Dense]:
        """Parse one record from each string, by the rules of ``decode_csv``.

        Args:
            lines: Text or bytes of any rank.

        Returns:
            One column for each column of the format, in the shape of `lines`.

        Raises:
            CsvError: A record is null or breaks a rule; the error names the first such record.

        >>> lines = Strings.from_numpy([["1,a", "2,b"]])
        >>> csv_format([[0], ["-"]]).parse_lines(lines)[0]
        array([[1, 2]], dtype=int32)
        """
        values = lines.decoded().values
        starts, stops, data = _records_of(values)
        null = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False))) if values.null_count else None
        chunk = self.parse_records(data, starts[:null], stops[:null])
        if chunk.error is not None:
            raise chunk.error
        if null is not None:
            raise CsvError("the record is null", record=null, line=null, column=None, value=None)
        return [column.reshape(lines.shape) for column in chunk.columns]

    @np.errstate(over="ignore")  # kernels that run as plain Python let integers wrap on purpose
    def parse_records(self, buffer: Buffer, starts: Ints, stops: Ints) -> ParsedChunk:
        """Parse the records ``buffer[starts[i]:stops[i]]``, by the rules of ``decode_csv``.

        Args:
            buffer: The text of all records.
            starts: int64 ``[n]``, increasing.
            stops: int64 ``[n]``; what lies between a stop and the next start does not matter.

        Returns:
            The records before the first bad one. `ParsedChunk.resume` counts records here: parse
            ``starts[resume:]`` to go on.

        >>> fmt = csv_format([[0]])
        >>> chunk = fmt.parse_records(b"1;x;3", np.array([0, 2, 4]), np.array([1, 3, 5]))
        >>> chunk.columns, chunk.resume, str(chunk.error.message)
        ([array([1], dtype=int32)], 2, "'x' is not an int32")
        """
        data, _ = _as_array(buffer)
        starts, stops = (np.ascontiguousarray(a, dtype=np.int64) for a in (starts, stops))
        run = _Run(self)
        error: CsvError | None = None
        while error is None and run.rows < len(starts):
            first = run.rows
            origin, view = _view(data, int(starts[first]))
            end = min(first + run.step(), len(starts))
            count, problem = self._scan_lines(view, starts, stops, first, end, origin, run.spans)
            failed = run.convert(view, count, (first + count) / len(starts))
            if failed is not None:
                error = failed.error(run.rows, run.rows)
            elif problem is not None:
                value = _show(data[starts[run.rows] : stops[run.rows]])
                error = CsvError(problem, record=run.rows, line=run.rows, column=None, value=value)
        resume = run.rows + (error is not None)
        offsets = np.arange(run.rows + 1, dtype=np.int64)
        return ParsedChunk(run.columns(), offsets, resume, resume, error)

    @np.errstate(over="ignore")
    def parse_stream(self, buffer: Buffer, start: int = 0, final: bool = True) -> ParsedChunk:
        r"""Parse the complete records of a piece of a file, by the rules of ``CsvDataset``.

        Args:
            buffer: The bytes of the piece. Pieces may overlap or be cut anywhere: an incomplete record
                at the end is left to the next call.
            start: Where in the buffer to begin; a record must start there.
            final: Whether the file ends with the buffer, so that the last record needs no line end.

        Returns:
            The records before the first bad one; go on from `ParsedChunk.resume`. After a bad record
            that is the start of the next line. When nothing could be parsed for lack of data, `resume`
            is `start` and there is no error: come back with more bytes.

        >>> chunk = csv_format([[0], [""]]).parse_stream(b"1,a\nx,b\n3,c\n4,", final=False)
        >>> chunk.length, chunk.consumed, chunk.resume, chunk.error.line, chunk.error.message
        (1, 4, 8, 1, "'x' is not an int32")
        """
        data, stop = _as_array(buffer)
        run = _Run(self)
        quotes = False
        position, offsets = start, [np.zeros(1, np.int64) + start]
        error: CsvError | None = None
        resume, more = start, start < stop
        while more and error is None:
            origin, view = _view(data, position)
            end = min(stop - origin, _REACH)
            last = final and origin + end == stop
            records = np.empty(run.step() + 1, np.int64)
            count, why, quoted = kernels.csv.scan_stream(
                view, position - origin, end, last, *self._rules(), run.spans, records
            )
            quotes |= quoted
            failed = run.convert(view, count, (origin + int(records[count]) - start) / (stop - start))
            good = count if failed is None else failed.row
            offsets.append(records[1 : good + 1] + origin)
            resume = position = origin + int(records[good])
            if failed is not None:
                resume = origin + int(records[good + 1])
                error = failed.error(run.rows, _count_lines(data, start, position))
            elif why == kernels.csv.BAD:
                more = False
                split = self._split_stream(data, position, stop, final)
                if split is not None:
                    resume, line = split.resume, _count_lines(data, start, position)
                    error = self._error(split, run.rows, line, data[position:resume])
            elif why == kernels.csv.DONE:
                more = not last and origin + end < stop
                if more and count == 0:
                    raise InvalidArgumentError(f"a record is longer than {_REACH} bytes")
        if quotes:
            lines = _count_lines(data, start, resume)
        else:  # each record is one line, and the last one of a file may lack its end
            lines = run.rows + (error is not None) - (resume > start and data[resume - 1] not in (_LF, _CR))
        return ParsedChunk(run.columns(), np.concatenate(offsets), resume, lines, error)

    def skip_record(self, buffer: Buffer, start: int = 0, final: bool = True) -> Record | None:
        r"""Read one record of a stream, such as the header, whatever the number of its fields.

        Args:
            buffer: A piece of the file.
            start: Where the record starts.
            final: Whether the file ends with the buffer.

        Returns:
            The record, or None if the buffer ends before it does: come back with more bytes.

        Raises:
            CsvError: There is no record, or its quotes are wrong.

        >>> csv_format([0]).skip_record(b'id,"fare\n($)"\n1,2.5')
        Record(fields=['id', 'fare\n($)'], resume=14, lines=2)
        """
        data, stop = _as_array(buffer)
        if start >= stop:
            if not final:
                return None
            raise CsvError("there is no record: the data is empty", record=0, line=0, column=None, value=None)
        split = self._split_stream(data, start, stop, final)
        if split is None:
            return None
        if split.problem is not None:
            value = _show(data[start : split.resume])
            raise CsvError(split.problem, record=0, line=0, column=None, value=value)
        fields = [self._field(data, *span).decode("utf-8", "replace") for span in split.spans]
        return Record(fields, split.resume, _count_lines(data, start, split.resume))

    @functools.cached_property
    def width(self) -> int:
        """Number of fields at the start of a record that hold all columns."""
        return 1 + max((column.index for column in self.columns), default=-1)

    def _rules(self) -> tuple[int, bool, int, int, int]:
        most = _ANY_NUMBER if self.max_fields is None else self.max_fields
        return ord(self.delimiter), self.quoting, self.width, self.min_fields, most

    def _scan_lines(
        self, view: Bytes, starts: Ints, stops: Ints, first: int, end: int, origin: int, spans: Ints
    ) -> tuple[int, str | None]:
        """Find the fields of records ``first … end - 1``; return how many are good, and what stopped it."""
        delimiter, quoting, width, fewest, most = self._rules()
        done = first
        while done < end:
            count, why = kernels.csv.scan_lines(
                view,
                starts,
                stops,
                done,
                end,
                origin,
                delimiter,
                quoting,
                width,
                fewest,
                -1 if self.max_fields is None else most,
                spans[(done - first) * width :],
            )
            done += count
            if why == kernels.csv.FULL:
                if done == first:
                    raise InvalidArgumentError(f"a record is longer than {_REACH} bytes")
                break
            if why == kernels.csv.BAD:
                split = self._split_line(view, int(starts[done]) - origin, int(stops[done]) - origin)
                problem = split.problem or self._count_problem(len(split.spans))
                if problem is not None:
                    return done - first, problem
                for k, (begin, stop) in enumerate(split.spans[:width]):
                    spans[(done - first) * width + k] = begin << 32 | stop
                done += 1
        return done - first, None

    def _error(self, split: _Split, record: int, line: int, text: Bytes) -> CsvError:
        reason = split.problem or self._count_problem(len(split.spans)) or "the record is not acceptable"
        return CsvError(reason, record=record, line=line, column=None, value=_show(text))

    def _count_problem(self, count: int) -> str | None:
        most = _ANY_NUMBER if self.max_fields is None else self.max_fields
        if self.min_fields <= count <= most:
            return None
        qualifier = (
            "" if self.n_fields is not None else "at least " if count < self.min_fields else "at most "
        )
        wanted = self.min_fields if count < self.min_fields else most
        return f"expected {qualifier}{wanted} field{'s' * (wanted != 1)}, found {count}"

    def _split_stream(self, data: Bytes, start: int, stop: int, final: bool) -> _Split | None:
        """Cut one record of a stream; None if it is not complete. The exact form of `scan_stream`."""
        ends = _any_of(self.delimiter + "\r\n")
        view, position = memoryview(data.data), start
        spans: list[tuple[int, int]] = []
        problem: str | None = None
        while True:
            begin = position
            if self.quoting and begin < stop and data[begin] == _QUOTE:
                position = _closing_quote(view, begin + 1, stop) + 1
                if position == 0:
                    return _Split(spans, stop, problem or "closing quote is missing") if final else None
                if position < stop and not ends.match(view, position, stop):
                    problem = problem or "text after the closing quote"
                quoted = position
            else:
                quoted = -1
            match = ends.search(view, position, stop)
            if match is None and not final:
                return None
            position = match.start() if match else stop
            if quoted < 0 and self.quoting and _any_of('"').search(view, begin, position):
                problem = problem or "quote inside an unquoted field"
            spans.append((begin, position))
            if position == stop:
                return _Split(spans, stop, problem)
            byte = data[position]
            position += 1
            if byte == _LF:
                return _Split(spans, position, problem)
            if byte == _CR:
                if position == stop and not final:
                    return None
                return _Split(spans, position + (position < stop and data[position] == _LF), problem)

    def _split_line(self, data: Bytes, start: int, stop: int) -> _Split:
        """Cut one string as ``decode_csv`` does. The exact form of `scan_lines`."""
        ends = _any_of(self.delimiter + '\r\n"' if self.quoting else self.delimiter + "\r\n")
        view, position, delimiter = memoryview(data.data), start, ord(self.delimiter)
        spans: list[tuple[int, int]] = []
        while position < stop:
            if data[position] in (_CR, _LF):
                position += 1  # line ends are skipped where a field may start
                continue
            begin = position
            if self.quoting and data[begin] == _QUOTE:
                position = _closing_quote(view, begin + 1, stop) + 1
                if position == 0:
                    return _Split(spans, stop, "closing quote is missing")
                if position < stop and data[position] != delimiter:
                    return _Split(spans, stop, "text after the closing quote")
            else:
                match = ends.search(view, begin, stop)
                position = match.start() if match else stop
                if position < stop and data[position] != delimiter:
                    what = "quote" if data[position] == _QUOTE else "line end"
                    return _Split(spans, stop, f"{what} inside an unquoted field")
            spans.append((begin, position))
            position += 1
            if self.max_fields is None and len(spans) == self.min_fields:
                return _Split(spans, stop, None)
        if start < stop and data[stop - 1] == delimiter:
            spans.append((stop, stop))
        return _Split(spans, stop, None)

    def _field(self, data: Bytes, start: int, stop: int) -> bytes:
        """Return a field without its quotes."""
        field = data[start:stop].tobytes()
        return field[1:-1].replace(b'""', b'"') if self.quoting and field[:1] == b'"' else field


@dataclasses.dataclass(frozen=True)
class _Split:
    """One record cut by the exact rules: spans of its fields, where it ends, and which rule it breaks."""

    spans: list[tuple[int, int]]
    resume: int
    problem: str | None


@functools.cache
def _any_of(characters: str) -> re.Pattern[bytes]:
    return re.compile(b"[" + re.escape(characters.encode()) + b"]")


def _closing_quote(view: memoryview, position: int, stop: int) -> int:
    """Return the position of the next quote that is not doubled, or -1."""
    while match := _any_of('"').search(view, position, stop):
        if match.end() < stop and view[match.end()] == _QUOTE:
            position = match.end() + 1
        else:
            return match.start()
    return -1


@dataclasses.dataclass(frozen=True)
class _Failure:
    """The first row of a step that could not be converted."""

    row: int
    column: CsvColumn
    reason: str
    value: str

    def error(self, record: int, line: int) -> CsvError:
        return CsvError(self.reason, record=record, line=line, column=self.column.name, value=self.value)


class _Builder(Protocol):
    """A growing column of converted fields."""

    column: CsvColumn

    def convert(self, view: Bytes, spans: Ints, rows: int, base: int, share: float, hard: Ints) -> int:
        """Append the fields of `rows` records after the first `base`; return the number of hard rows."""

    def put(self, row: int, value: Any) -> None:
        """Set the value of a hard row."""

    def finish(self, rows: int) -> Dense:
        """Return the first `rows` values."""


class _Run:
    """The columns of one call while they grow, step by step."""

    def __init__(self, fmt: CsvFormat) -> None:
        self.rows = 0
        self.fmt = fmt
        self.most = max(16, min(_MOST_ROWS, _SPANS // max(fmt.width, 1)))
        self._next = min(_FIRST_ROWS, self.most)
        self.spans: Ints = np.empty(0, np.int64)
        self.builders: list[_Builder] = [
            (_Text if is_text(column.dtype) else _Numbers)(fmt, column) for column in fmt.columns
        ]

    def step(self) -> int:
        """Return how many rows to scan next: few at first, so that an early error wastes little work."""
        rows = self._next
        if len(self.spans) < rows * self.fmt.width:
            self.spans = np.empty(rows * self.fmt.width, np.int64)
        self._next = min(8 * rows, self.most)
        return rows

    def convert(self, view: Bytes, rows: int, share: float) -> _Failure | None:
        """Convert the spans of `rows` records; add those before the first that fails.

        Args:
            view: What the spans point to.
            rows: Number of records.
            share: Part of the call's data that will be done after these, to guess the final sizes.
        """
        first: _Failure | None = None
        if rows == 0:
            return None
        hard = np.empty(rows, np.int64)
        for builder in self.builders:
            count = builder.convert(view, self.spans, rows, self.rows, share, hard)
            failed = self._resolve(builder, view, hard[:count])
            if failed is not None and (first is None or failed.row < first.row):
                first, rows = failed, failed.row
        self.rows += rows
        return first

    def _resolve(self, builder: _Builder, view: Bytes, hard: Ints) -> _Failure | None:
        """Convert in Python what the kernel left over; return the first row where that fails."""
        column, width = builder.column, self.fmt.width
        for row in hard.tolist():
            span = int(self.spans[row * width + column.index])
            field = self.fmt._field(view, span >> 32, span & 0xFFFFFFFF)
            try:
                builder.put(self.rows + row, _convert(self.fmt, column, field))
            except ValueError as error:
                return _Failure(row, column, str(error), field.decode("utf-8", "backslashreplace"))
        return None

    def columns(self) -> list[Dense]:
        """Return the columns."""
        return [builder.finish(self.rows) for builder in self.builders]


class _Numbers:
    """A column of numbers."""

    def __init__(self, fmt: CsvFormat, column: CsvColumn) -> None:
        self.column = column
        self._quoting, self._quote = fmt.quoting, _QUOTE if fmt.quoting else -1
        # The kernels compare bytes as they are in the file, where a quote would be doubled.
        self._na = _constant("" if fmt.quoting and '"' in fmt.na_value else fmt.na_value)
        self._width = fmt.width
        self._floating = column.dtype.kind == "f"
        self._default = (float if self._floating else int)(column.default or 0)
        self._out = np.empty(0, column.dtype)
        self._short = np.empty(0, np.int64)

    def convert(self, view: Bytes, spans: Ints, rows: int, base: int, share: float, hard: Ints) -> int:
        self._out = _grown(self._out, base, base + rows, share)
        if len(self._short) < rows:
            self._short = np.empty(rows, np.int64)
        short, place, size = self._short[:rows], (self._width, self.column.index), len(self._na)
        optional = self.column.default is not None
        kernels.csv.short_numbers(view, spans, rows, *place, self._quote, size or -1, short)
        easy = kernels.csv.to_float if self._floating else kernels.csv.to_int
        count = easy(short, optional, self._default, self._out, base, hard)
        if count:
            # A kernel of its own, and not compiled in a program that meets only plain numbers.
            other = kernels.csv.other_floats if self._floating else kernels.csv.other_ints
            rules = (self._quoting, self._na, optional, self._default)
            count = other(view, spans, *place, *rules, self._out, base, hard[:count])
        return int(count)

    def put(self, row: int, value: Any) -> None:
        self._out[row] = value

    def finish(self, rows: int) -> Dense:
        return self._out[:rows]


class _Text:
    """A column of text or bytes."""

    def __init__(self, fmt: CsvFormat, column: CsvColumn) -> None:
        self.column = column
        self._quoting = fmt.quoting
        self._na = _constant(fmt.na_value)
        self._width = fmt.width
        self._default = _constant("" if column.default is None else column.default)
        self._type = pa.binary() if column.dtype == BINARY else pa.string()
        self._out = np.empty(0, np.uint8)
        self._offsets = np.zeros(1, np.int32)

    def convert(self, view: Bytes, spans: Ints, rows: int, base: int, share: float, hard: Ints) -> int:
        self._offsets = _grown(self._offsets, base + 1, base + rows + 1, share)
        done, count, exotic = 0, 0, False
        while done < rows:
            done, more, some = kernels.csv.to_text(
                view,
                spans,
                done,
                rows,
                self._width,
                self.column.index,
                self._quoting,
                self._na,
                self.column.default is not None,
                self._default,
                self._out,
                self._offsets,
                base,
                hard[count:],
            )
            count += more
            exotic |= some
            if done < rows:
                self._make_room(int(spans[done * self._width + self.column.index]), base, done, rows, share)
        if exotic and self._type == pa.string():
            return self._also_invalid(base, rows, hard[:count].tolist(), hard)
        return int(count)

    def _make_room(self, span: int, base: int, done: int, rows: int, share: float) -> None:
        """Enlarge the buffer for a field and as many rows as seem to follow."""
        used = int(self._offsets[base + done])
        needed = used + (span & 0xFFFFFFFF) - (span >> 32) + len(self._default) + 8
        if needed >= 1 << 31:
            reason = f"column {self.column.name} has more than 2 GiB of text in one block"
            raise InvalidArgumentError(reason, hint="parse fewer records at once")
        guess = int(used / max(base + done, 1) * (base + rows) / max(share, 1e-3) * 1.05)
        size = min(max(2 * needed, guess) + 4096, (1 << 31) - 1)
        self._out = _grown(self._out, used, size, 1.0)

    def _also_invalid(self, base: int, rows: int, missing: list[int], hard: Ints) -> int:
        """Add the first row whose text is not UTF-8 to the hard rows."""
        try:
            self._array(base, base + rows).validate(full=True)
            return len(missing)
        except pa.ArrowInvalid:
            for row in range(rows):
                begin, end = self._offsets[base + row : base + row + 2]
                try:
                    self._out[begin:end].tobytes().decode()
                except UnicodeDecodeError:
                    hard[0] = min([row, *missing])
                    return 1
            return len(missing)

    def put(self, row: int, value: Any) -> None:
        raise AssertionError("a hard row of a text column is an error")

    def _array(self, start: int, stop: int) -> pa.Array:
        buffers = [None, pa.py_buffer(self._offsets), pa.py_buffer(self._out)]
        return pa.Array.from_buffers(self._type, stop - start, buffers, offset=start)

    def finish(self, rows: int) -> Dense:
        return Strings(self._array(0, rows))


def csv_format(
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    *,
    exclude_cols: Sequence[int] | None = None,
    allow_dtypes: bool = False,
) -> CsvFormat:
    """Check the arguments of ``decode_csv`` or ``CsvDataset`` and return the format.

    Args:
        record_defaults: One item for each output column. A scalar, or a list or array with one value, is
            the default of missing fields and gives the dtype: int is int32, float is float32. An empty
            array makes the field required; so does a dtype or type, if `allow_dtypes`.
        field_delim: One ASCII character.
        use_quote_delim: Whether fields may be quoted.
        na_value: Text that counts as missing.
        select_cols: Positions of the fields that are wanted, increasing; default all, and no others.
        names: Names of the output columns, for messages; default their positions in the record.
        exclude_cols: Positions of the fields that are not wanted, increasing; not with `select_cols`.
        allow_dtypes: Accept dtypes in `record_defaults`, as ``CsvDataset`` does and ``decode_csv`` does not.

    Raises:
        InvalidArgumentError: An argument has none of these forms.

    >>> csv_format([np.array([], np.float32), [""]], select_cols=[0, 3]).columns[1]
    CsvColumn(index=3, dtype=dtype('<U'), default='', name='3')
    """
    if len(field_delim.encode()) != 1 or field_delim in "\r\n" or (use_quote_delim and field_delim == '"'):
        raise InvalidArgumentError(
            f"field_delim must be one ASCII character that is no line end and no quote, not {field_delim!r}"
        )
    if not record_defaults:
        raise InvalidArgumentError(
            "record_defaults is empty", hint="give one default or dtype for each column"
        )
    if select_cols is not None and exclude_cols:
        raise InvalidArgumentError("select_cols and exclude_cols cannot be used together")
    for label, positions in (("select_cols", select_cols), ("exclude_cols", exclude_cols)):
        rising = positions is None or all(a < b for a, b in itertools.pairwise(positions))
        if not rising or (positions and positions[0] < 0):
            raise InvalidArgumentError(f"{label} must be increasing positions from 0, not {positions!r}")
    for label, items in (("select_cols", select_cols), ("names", names)):
        if items is not None and len(items) != len(record_defaults):
            raise InvalidArgumentError(
                f"{label} has {len(items)} items, and record_defaults {len(record_defaults)}; "
                "there must be one for each column"
            )
    excluded = set(exclude_cols or ())
    room = len(record_defaults) + len(excluded)
    fields = list(select_cols) if select_cols is not None else [i for i in range(room) if i not in excluded]
    fields = fields[: len(record_defaults)]
    spare = 0
    while fields[-1] + 1 + spare in excluded:
        spare += 1
    columns = []
    for i, (field, item) in enumerate(zip(fields, record_defaults, strict=True)):
        name = str(field) if names is None else names[i]
        columns.append(CsvColumn(field, *_default(item, name, allow_dtypes), name))
    fewest = fields[-1] + 1
    return CsvFormat(
        tuple(columns),
        field_delim,
        use_quote_delim,
        na_value,
        fewest,
        None if select_cols is not None else fewest + spare,
    )


def _default(item: Any, name: str, allow_dtypes: bool) -> tuple[np.dtype[Any], Any]:
    """Return the dtype and the default (None if required) that an item of record_defaults stands for."""
    kinds: dict[Any, Any] = {int: np.int32, float: np.float32, str: str, bytes: bytes}
    if isinstance(item, type | np.dtype):
        if not allow_dtypes:
            raise InvalidArgumentError(
                f"record_defaults has {item!r} for column {name}, not a default value",
                hint="np.array([], dtype) makes a field required",
            )
        return _checked(kinds.get(item, item), name), None
    if isinstance(item, list | tuple):
        if len(item) == 1 and not isinstance(item[0], list | tuple | np.ndarray):
            return _default(item[0], name, False)
        item = np.array(item, np.float32 if len(item) == 0 else None)
    if type(item) in kinds:
        array = np.asarray(item, object)
        dtype = _checked(kinds[type(item)], name)
    else:
        array = np.asarray(item)
        dtype = _checked(array.dtype, name) if array.dtype.kind != "O" else STRING
    if array.ndim > 1 or array.size > 1:
        raise InvalidArgumentError(
            f"record_defaults has {array.size} values in {array.ndim} dimensions for column {name}; "
            "there can be one default, or none"
        )
    if array.size == 0:
        return dtype, None
    value = array.item()
    if dtype.kind == "i":
        if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise InvalidArgumentError(f"the default {value} of column {name} is out of range for {dtype}")
        return dtype, int(value)
    if dtype.kind == "f":
        value = float(np.asarray(value, dtype))
        return dtype, math.nan if math.isnan(value) else value
    if not isinstance(value, bytes if dtype == BINARY else str):
        raise InvalidArgumentError(f"the default {value!r} of column {name} is not {dtype_name(dtype)}")
    return dtype, value


def _checked(kind: npt.DTypeLike, name: str) -> np.dtype[Any]:
    dtype = as_dtype(kind)
    if dtype not in DTYPES:
        raise InvalidArgumentError(
            f"column {name} of CSV data cannot be {dtype_name(dtype)}",
            hint="use float32, float64, int32, int64, str or bytes, and cast later",
        )
    return dtype


def _grown(array: npt.NDArray[Any], used: int, needed: int, share: float) -> npt.NDArray[Any]:
    """Return an array of at least `needed` items that keeps the first `used`; `share` of the work is done."""
    if needed <= len(array):
        return array
    result = np.empty(max(needed, min(int(needed / max(share, 1e-3) * 1.05), 64 * needed)), array.dtype)
    result[:used] = array[:used]
    return result


def _constant(value: float | int | str | bytes) -> Bytes:
    return np.frombuffer(value if isinstance(value, bytes) else str(value).encode(), np.uint8)


def _as_array(buffer: Buffer) -> tuple[Bytes, int]:
    """Return the bytes as the kernels want them, in a read-only array of at least 64, and their number."""
    data = np.frombuffer(buffer, np.uint8)
    size = len(data)
    if size < 64:
        data = np.concatenate([data, np.zeros(64 - size, np.uint8)])
    data.flags.writeable = False
    return data, size


def _view(data: Bytes, position: int) -> tuple[int, Bytes]:
    """Return a part of the data that starts at `position` or before it, and where it starts."""
    origin = max(0, min(position, len(data) - 64))
    return origin, data[origin:]


def _records_of(values: pa.Array) -> tuple[Ints, Ints, Bytes]:
    """Return where the items of an Arrow text array start and end in its data buffer, and the buffer."""
    if len(values) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offsets, data = values.buffers()
    width = np.int64 if large else np.int32
    bounds = np.frombuffer(offsets, width, len(values) + 1 + values.offset)[values.offset :].astype(np.int64)
    return bounds[:-1], bounds[1:], np.frombuffer(data or b"", np.uint8)


def _count_lines(data: Bytes, start: int, stop: int) -> int:
    """Count the line ends in a range, those inside quotes too."""
    return int(kernels.csv.count_lines(data, start, stop))


def _show(record: Bytes) -> str:
    return record[:1000].tobytes().decode("utf-8", "backslashreplace").rstrip("\r\n")


def _convert(fmt: CsvFormat, column: CsvColumn, field: bytes) -> Any:
    """Convert a field exactly, or raise `ValueError` with the reason."""
    if not field or field == fmt.na_value.encode():
        if column.default is None:
            raise ValueError("required field is missing")
        return column.default
    if is_text(column.dtype):
        raise ValueError(f"{_show(np.frombuffer(field, np.uint8))!r} is not UTF-8 text")
    text = field.decode("utf-8", "backslashreplace").strip(_BLANKS)
    name = dtype_name(column.dtype)
    article = "an" if column.dtype.kind == "i" else "a"
    reason = f"{text if len(text) <= 50 else text[:50] + '…'!r} is not {article} {name}"
    if column.dtype.kind == "i":
        if not _INTEGER.fullmatch(text):
            raise ValueError(reason)
        limits = np.iinfo(column.dtype)
        if len(text) > 4000 or not limits.min <= int(text) <= limits.max:
            raise ValueError(f"{reason}: it is out of range")
        return int(text)
    if match := _HEX.fullmatch(text):
        value = Fraction(int(match[2], 16)) * (-1 if match[1] == "-" else 1)
    elif _DECIMAL.fullmatch(text):
        estimate = float(text)
        if column.dtype == np.float64 or not 1e-46 < abs(estimate) < 1e39:
            return estimate
        value = Fraction(text)
    else:
        raise ValueError(reason)
    return _round(value, column.dtype)


def _round(value: Fraction, dtype: np.dtype[Any]) -> float:
    """Round to the nearest float of the dtype, half to even."""
    digits, lowest, highest = (24, -126, 127) if dtype == np.float32 else (53, -1022, 1023)
    if value == 0:
        return 0.0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    unit = Fraction(2) ** (max(exponent, lowest) - digits + 1)
    rounded = round(value / unit) * unit
    return float(rounded) if abs(rounded) < Fraction(2) ** (highest + 1) else math.copysign(math.inf, value)
