"""The CSV format of tf.data: what a record is, how its fields become columns, and what is refused.

`csv_format` checks the arguments that ``decode_csv`` and ``CsvDataset`` share and returns a `CsvFormat`.
That parses many records at a time, in two framings: `CsvFormat.parse_lines` takes one string for each
record (the rules of ``decode_csv``), `CsvFormat.parse_stream` takes a piece of a file and finds the
records itself (the rules of ``CsvDataset``). The work is done by one call of `dataflow.kernels.csv`; what
it sets aside, bad records above all, is looked at in `dataflow.csv` once more, in plain Python and exactly.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow import kernels
from dataflow.block import Dense
from dataflow.csv.buffers import as_array, count_lines, read_only, records_of, window
from dataflow.csv.columns import Columns, Plan, Sizes, make_plan
from dataflow.csv.defaults import dtype_and_default
from dataflow.csv.records import DTYPES, Buffer, Bytes, CsvColumn, CsvError, Ints, ParsedChunk, Record, show
from dataflow.csv.split import Split, split_line, split_stream, unquoted
from dataflow.errors import InvalidArgumentError
from dataflow.strings import Strings

__all__ = ["DTYPES", "CsvColumn", "CsvError", "CsvFormat", "ParsedChunk", "Record", "csv_format"]

_CR, _LF = 13, 10
_REACH = (1 << 31) - 64
"""Bytes of a buffer that one scan may look at: positions in spans have 31 bits."""
_GUESS = 1024
"""Records of a stream to expect when nothing is known of it."""


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
        starts, stops, data = records_of(values)
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
        data, _ = as_array(buffer)
        starts, stops = read_only(starts), read_only(stops)
        run = self._columns_for(len(starts), stream=False)
        error: CsvError | None = None
        ready = False
        while error is None and run.rows < len(starts):
            first = run.rows
            origin, view = window(data, int(starts[first]))
            rows, aside, why = kernels.csv.parse_lines(view, starts, stops, origin, ready, *run.arguments())
            failed = run.settle(view, rows, aside)
            ready = ready and rows == first
            if failed is not None:
                error = failed.error(run.rows, run.rows)
            elif why == kernels.csv.BAD:
                error = self._look_at_line(data, int(starts[rows]), int(stops[rows]), run)
                ready = True
            elif why == kernels.csv.FULL:
                run.grow(rows / len(starts))
            elif why == kernels.csv.FAR and rows == first:
                raise InvalidArgumentError(f"a record is longer than {_REACH} bytes")
        resume = run.rows + (error is not None)
        offsets = np.arange(run.rows + 1, dtype=np.int64)
        return ParsedChunk(run.finish(0), offsets, resume, resume, error)

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
        data, stop = as_array(buffer)
        size = stop - start
        run = self._columns_for(
            int(size / (self._sizes.record or size / _GUESS or 1) * 1.1) + 16, stream=True
        )
        run.records[0] = resume = start
        quotes, more = False, start < stop
        error: CsvError | None = None
        while more and error is None:
            origin, view = window(data, resume)
            end = min(stop - origin, _REACH)
            last = final and origin + end == stop
            first = run.rows
            rows, aside, why, quoted = kernels.csv.parse_stream(
                view, run.records, origin, end, last, *run.arguments()
            )
            quotes |= quoted
            failed = run.settle(view, rows, aside)
            resume = int(run.records[run.rows])
            if failed is not None:
                error = failed.error(run.rows, count_lines(data, start, resume))
                resume = int(run.records[run.rows + 1])
            elif why == kernels.csv.BAD:
                more = False
                split = split_stream(
                    data, resume, stop, final, delimiter=self.delimiter, quoting=self.quoting
                )
                if split is not None:
                    line, text = count_lines(data, start, resume), show(data[resume : split.resume])
                    resume, error = split.resume, self._error(split, run.rows, line, text)
            elif why == kernels.csv.FULL:
                run.grow((resume - start) / size)
            elif why == kernels.csv.DONE:
                more = not last and origin + end < stop
                if more and rows == first:
                    raise InvalidArgumentError(f"a record is longer than {_REACH} bytes")
        if quotes:
            lines = count_lines(data, start, resume)
        else:  # each record is one line, and the last one of a file may lack its end
            lines = run.rows + (error is not None) - (resume > start and data[resume - 1] not in (_LF, _CR))
        columns = run.finish(resume - start)
        return ParsedChunk(columns, run.records[: run.rows + 1], resume, lines, error)

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
        data, stop = as_array(buffer)
        if start >= stop:
            if not final:
                return None
            raise CsvError("there is no record: the data is empty", record=0, line=0, column=None, value=None)
        split = split_stream(data, start, stop, final, delimiter=self.delimiter, quoting=self.quoting)
        if split is None:
            return None
        if split.problem is not None:
            value = show(data[start : split.resume])
            raise CsvError(split.problem, record=0, line=0, column=None, value=value)
        fields = [unquoted(data, *span, self.quoting).decode("utf-8", "replace") for span in split.spans]
        return Record(fields, split.resume, count_lines(data, start, split.resume))

    @functools.cached_property
    def width(self) -> int:
        """Number of fields at the start of a record that hold all columns."""
        return 1 + max((column.index for column in self.columns), default=-1)

    @functools.cached_property
    def _plan(self) -> Plan:
        return make_plan(
            self.columns, self.delimiter, self.quoting, self.na_value, self.min_fields, self.max_fields
        )

    @functools.cached_property
    def _sizes(self) -> Sizes:
        return Sizes(len(self.columns))

    def _columns_for(self, rows: int, *, stream: bool) -> Columns:
        return Columns(self.columns, self._plan, self.na_value, self._sizes, rows, stream)

    def _look_at_line(self, data: Bytes, start: int, stop: int, run: Columns) -> CsvError | None:
        """Look at the next record, which is unusual: hand its fields over, or return what is wrong."""
        enough = self.min_fields if self.max_fields is None else None
        split = split_line(data, start, stop, enough, delimiter=self.delimiter, quoting=self.quoting)
        error = self._error(split, run.rows, run.rows, show(data[start:stop]))
        if error is None:
            origin, _ = window(data, start)
            spans = [(begin - origin) << 32 | (end - origin) for begin, end in split.spans[: self.width]]
            run.spans[: len(spans)] = spans
        return error

    def _error(self, split: Split, record: int, line: int, text: str) -> CsvError | None:
        reason = split.problem or self._count_problem(len(split.spans))
        if reason is None:
            return None
        return CsvError(reason, record=record, line=line, column=None, value=text)

    def _count_problem(self, count: int) -> str | None:
        few = count < self.min_fields
        if not few and (self.max_fields is None or count <= self.max_fields):
            return None
        qualifier = "" if self.n_fields is not None else "at least " if few else "at most "
        wanted = self.min_fields if few or self.max_fields is None else self.max_fields
        return f"expected {qualifier}{wanted} field{'s' * (wanted != 1)}, found {count}"


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
        columns.append(CsvColumn(field, *dtype_and_default(item, name, allow_dtypes), name))
    fewest = fields[-1] + 1
    return CsvFormat(
        tuple(columns),
        field_delim,
        use_quote_delim,
        na_value,
        fewest,
        None if select_cols is not None else fewest + spare,
    )
