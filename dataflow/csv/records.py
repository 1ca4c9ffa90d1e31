"""What a CSV format knows of a column, what comes out of a call, and the error of a bad record."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.block import Dense
from dataflow.errors import InvalidArgumentError, Location
from dataflow.spec import BINARY, STRING

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Buffer: TypeAlias = bytes | bytearray | memoryview | pa.Buffer | npt.NDArray[np.uint8]

DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.int64), STRING, BINARY)
"""The dtypes that a column may have."""

_HINTS = {
    "required field is missing": "give this column a default value in record_defaults",
    "quote inside an unquoted field": "quote the field and double its quotes, or set use_quote_delim=False",
    "text after the closing quote": "double the quotes inside the field, or set use_quote_delim=False",
    "closing quote is missing": "close the quote, or set use_quote_delim=False",
    "line end inside an unquoted field": "quote the field, or remove the line end from the record",
}


_ENDINGS = {
    " is not an int": "a default of [0.0] makes the column float32, one of [''] text",
    " is not a float": "give text columns a default of ['']; a header line is skipped with header=True",
    "expected ": "give one default for each field, or choose some with select_cols",
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

    >>> from dataflow.csv_format import csv_format
    >>> error = csv_format([[0]], names=["age"]).parse_stream(b"1\nx\n").error
    >>> print(error.at("people.csv", 1 + error.line))
    'x' is not an int32
      where: file people.csv, line 2, column age, value 'x'
      what to do: a default of [0.0] makes the column float32, one of [''] text
    """

    def __init__(self, reason: str, *, record: int, line: int, column: str | None, value: str | None) -> None:
        super().__init__(
            reason,
            hint=_HINTS.get(reason) or next((h for end, h in _ENDINGS.items() if end in reason), None),
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


def show(record: Bytes) -> str:
    """Return a record, or the start of a long one, as text for a message."""
    return record[:1000].tobytes().decode("utf-8", "backslashreplace").rstrip("\r\n")
