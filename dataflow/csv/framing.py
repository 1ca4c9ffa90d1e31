"""Reading the records of one CSV file, in frames: runs of records in one buffer."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow import kernels
from dataflow.csv.buffers import as_array
from dataflow.csv.dialect import Dialect
from dataflow.csv.encodings import TextStream
from dataflow.csv.records import Bytes, Ints
from dataflow.csv.split import split_line, unquoted
from dataflow.errors import InvalidArgumentError
from dataflow.storage.files import compression_of

START, STOP, AFTER, KIND, FIELDS, LINE = range(6)
"""What the rows of `Frame.records` hold: where a record starts and stops, and the next one starts; its kind,
number of fields, and the lines before it."""
_MOST = 1 << 16
_SHOWN = 1 << 16
"""Bytes that are kept at most of a record that is too long."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """Consecutive records of a file.

    Args:
        data: The buffer they are in, of at least 64 bytes.
        records: int64 ``[n, 6]``, see `START`.
        base: Where in the stream the buffer begins.
        shown: Bytes that are kept of a record that is too long.
    """

    data: Bytes
    records: Ints
    base: int
    shown: int

    def raw(self, index: int) -> bytes:
        """Return the bytes of a record, of one that is too long the first."""
        start, stop = self.records[index, START : STOP + 1].tolist()
        if self.records[index, KIND] == kernels.csv_table.LONG:
            stop = min(stop, start + self.shown)
        return self.data[start:stop].tobytes()


class RecordReader:
    """Cuts a file into records, from any of them on.

    Args:
        path: Local path or URL.
        dialect: How it is written.
        offset: Of the first record to read, in bytes of UTF-8.
        line: Lines before it.
        anchor: As in `TextStream`.
        stop: Where the last record ends, in bytes of the file; None is its end.

    Attributes:
        width: Fields that a record must have; -1 for any number.
        offset: Where the next record begins.
        line: Lines before that.
    """

    def __init__(
        self,
        path: str,
        dialect: Dialect,
        offset: int = 0,
        line: int = 0,
        anchor: tuple[int, int] = (0, 0),
        stop: int | None = None,
    ) -> None:
        self.path = path
        self.dialect = dialect
        self.stream = TextStream(
            path, compression_of(path, dialect.compression), dialect.codec, offset, anchor, stop
        )
        self.offset = self.stream.position
        self.line = line
        self.width = -1
        self._shown = min(_SHOWN, dialect.max_record_bytes)
        self._data, self._stop = as_array(b"")
        self._start = 0
        self._more = False
        self._table = np.empty((0, 6), np.int64)

    @np.errstate(over="ignore")  # kernels that run as plain Python let integers wrap on purpose
    def read(self, size: int, most: int = _MOST) -> Frame | None:
        """Return the next records, None at the end; they are there until the next call.

        Args:
            size: How many bytes to read at a time.
            most: How many records to return at most.
        """
        while True:
            if self._more:
                room = min(most, _MOST, self._stop - self._start + 1)
                if len(self._table) < room:
                    self._table = np.empty((room, 6), np.int64)
                records = self._table[:room]
                base = self.offset - self._start
                count, stop, line, too_long = kernels.csv_table.frame(
                    self._data,
                    self._start,
                    self._stop,
                    self.stream.ended,
                    self.line,
                    self.dialect.rules(self.width),
                    self.dialect.comment_bytes,
                    records,
                )
                self.offset, self.line, self._start = base + stop, line, stop
                self._more = too_long or (count == len(records) and stop < self._stop)
                if count:
                    return Frame(self._data, records[:count], base, self._shown)
                if too_long:
                    frame = self._skip_line()
                    if frame is not None:
                        return frame
                    continue
            if self.stream.ended:
                return None
            self._fill(size)
            size *= 2

    def _fill(self, size: int) -> None:
        rest = self._data[self._start : self._stop]
        self._data, self._stop = as_array(self.stream.read_after(rest, size))
        self._start, self._more = 0, True

    def _skip_line(self) -> Frame | None:
        """Pass over a line that is too long to be kept; None if it is a comment."""
        start = self.offset
        shown = self._data[self._start : self._start + self._shown].tobytes()
        skipped, at = 0, self._start
        while True:
            end = int(kernels.csv_table.line_end(self._data, at, self._stop))
            returned = end < self._stop and self._data[end] == 13
            if end < self._stop and (not returned or end + 1 < self._stop or self.stream.ended):
                break
            if self.stream.ended:
                break
            skipped += end - self._start
            self._start = end
            self._fill(1 << 20)
            at = 0
        after = end
        if end < self._stop:
            after = end + 1 + int(returned and end + 1 < self._stop and self._data[end + 1] == 10)
        skipped += after - self._start
        line, self._start, self._more = self.line, after, True
        self.offset, self.line = start + skipped, line + 1
        if self.dialect.comment and shown.startswith(self.dialect.comment.encode()):
            return None
        data, stop = as_array(shown)
        record = [0, stop, skipped, kernels.csv_table.LONG, 1, line]
        return Frame(data, np.array([record], np.int64), start, self._shown)

    def header(self) -> list[str] | None:
        """Read the first record as names, None if the file is empty.

        Raises:
            InvalidArgumentError: It is broken.
        """
        frame = self.read(1 << 16, most=1)
        if frame is None:
            return None
        kind = int(frame.records[0, KIND])
        if kind > kernels.csv_table.ODD:
            raise InvalidArgumentError(
                f"{self.path} has no header: {problem(frame, 0, self)}",
                hint="set header=False or give the names with header=[...] if the files have none",
            )
        try:
            return [field.decode() for field in fields_of(frame, 0, self.dialect)]
        except UnicodeDecodeError as error:
            raise InvalidArgumentError(
                f"{self.path} has a header that is not {self.dialect.encoding}",
                hint="give the encoding of the files: encoding='latin-1', say",
            ) from error

    def ends_amid(self, frame: Frame) -> bool:
        """Tell whether `stop` was inside of a quoted field of the frame just read."""
        if not (self.stream.cut and self.stream.ended):
            return False
        open_ones = frame.records[frame.records[:, KIND] == kernels.csv_table.OPEN, START]
        return bool((open_ones + self.dialect.max_record_bytes >= self._stop).any())

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def problem(frame: Frame, index: int, reader: RecordReader) -> str:
    """Say what is wrong with a record that `frame` refused."""
    kind, fields = int(frame.records[index, KIND]), int(frame.records[index, FIELDS])
    k = kernels.csv_table
    if kind == k.COUNT:
        return f"expected {reader.width} field{'s' * (reader.width != 1)}, found {fields}"
    if kind == k.AFTER:
        return "text after the closing quote"
    if kind == k.OPEN:
        return "closing quote is missing"
    return f"the record is longer than max_record_bytes={reader.dialect.max_record_bytes}"


def canonical(frame: Frame, rows: Ints, dialect: Dialect) -> tuple[Bytes, Ints]:
    """Return records in the form that the parser reads: a buffer, and where each starts and ends in it.

    Args:
        frame: The records.
        rows: Which of them, increasing; they must be right.
        dialect: How they are written.
    """
    k, records = kernels.csv_table, frame.records[rows]
    if not (records[:, KIND] == k.ODD).any():
        return frame.data, np.ascontiguousarray(records[:, START : STOP + 1])
    sizes = records[:, STOP] - records[:, START]
    room = int((2 * sizes + 3 * records[:, FIELDS] + 2).sum())
    out, bounds = np.zeros(max(room, 64), np.uint8), np.empty((len(rows), 2), np.int64)
    k.rewrite(frame.data, records, dialect.rules(-1), out, bounds)
    out.flags.writeable = False
    return out, bounds


def fields_of(frame: Frame, index: int, dialect: Dialect) -> list[bytes]:
    """Return the fields of a record that is right, without quotes."""
    data, bounds = canonical(frame, np.array([index]), dialect)
    start, stop = bounds[0].tolist()
    split = split_line(data, start, stop, None, delimiter=dialect.delimiter, quoting=True)
    return [unquoted(data, *span, True) for span in split.spans]
