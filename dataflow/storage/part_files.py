"""Writing one Parquet or CSV file that becomes visible complete, with its size and checksum."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.storage import files

GROUP_ROWS = 1 << 17
"""Rows of a row group."""
GROUP_BYTES = 128 << 20
"""Bytes of a row group in memory; there are fewer rows then."""

_PARQUET_CODECS = ("zstd", "snappy", "gzip", "lz4", "brotli")
_CSV_CODECS = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst", "lz4": ".lz4"}


@dataclasses.dataclass(frozen=True)
class FileFormat:
    """How a file is written.

    Args:
        name: "parquet" or "csv".
        compression: A codec; None for none.
        header: Whether a CSV file begins with the names of its columns.
        delimiter: Of a CSV file.
    """

    name: str
    compression: str | None
    header: bool = True
    delimiter: str = ","

    @property
    def suffix(self) -> str:
        """The end of the names of files."""
        compressed = _CSV_CODECS[self.compression] if self.name == "csv" and self.compression else ""
        return f".{self.name}{compressed}"


def parquet_format(compression: str | None) -> FileFormat:
    """Return the format, or raise InvalidArgumentError for a codec that Parquet does not have."""
    return FileFormat("parquet", _codec(compression, _PARQUET_CODECS))


def csv_file_format(compression: str | None, header: bool, field_delim: str) -> FileFormat:
    """Return the format, or raise InvalidArgumentError for what no reader takes."""
    if len(field_delim.encode()) != 1 or field_delim in '\r\n"':
        raise InvalidArgumentError(
            f"field_delim must be one ASCII character that is no line end and no quote, not {field_delim!r}"
        )
    return FileFormat("csv", _codec(compression, tuple(_CSV_CODECS)), bool(header), field_delim)


def _codec(compression: str | None, known: tuple[str, ...]) -> str | None:
    name = None if compression is None else compression.lower()
    if name is not None and name not in known:
        raise InvalidArgumentError(
            f"compression {compression!r} is not known here", hint=f"None, or {did_you_mean(name, known)}"
        )
    return name


def check_schema(schema: pa.Schema, form: FileFormat) -> None:
    """Raise SpecError for a column that the format cannot hold."""
    for field in schema if form.name == "csv" else ():
        kind = field.type
        if pa.types.is_binary(kind) or pa.types.is_nested(kind) or pa.types.is_duration(kind):
            hint = "write_parquet takes it; or change it with map"
            if pa.types.is_nested(kind):
                hint = "call unbatch() first if the dataset is batched; else write_parquet takes lists"
            raise SpecError(f"column {field.name!r} is {kind}, which a CSV file cannot hold", hint=hint)


class _Sink(io.RawIOBase):
    """Passes bytes on, and counts and digests them.

    Attributes:
        raw: Where to; None drops what comes.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw: IO[bytes] | None = raw
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.raw is not None:
            self.raw.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)


class PartWriter:
    """Writes tables to a file that is open.

    Args:
        file: Where to.
        schema: Of all tables.
        form: How.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema, form: FileFormat) -> None:
        self.rows = 0
        self._schema = schema
        self._csv = form.name == "csv"
        self._sink = _Sink(file)
        self._streams = [pa.PythonFile(self._sink, "w")]
        if not self._csv:
            self._writer: Any = pq.ParquetWriter(
                self._streams[0], schema, compression=form.compression or "none", write_page_checksum=True
            )
            return
        if form.compression:
            self._streams.append(pa.CompressedOutputStream(self._streams[0], form.compression))
        options = pa.csv.WriteOptions(include_header=form.header, delimiter=form.delimiter)
        self._writer = pa.csv.CSVWriter(self._streams[-1], schema, write_options=options)

    @property
    def bytes(self) -> int:
        """Bytes written."""
        return self._sink.size

    @property
    def sha256(self) -> str:
        """Checksum of what was written."""
        return self._sink.digest.hexdigest()

    def write(self, table: pa.Table) -> None:
        """Add rows: one row group for every `GROUP_ROWS` of them."""
        for start in range(0, table.num_rows, GROUP_ROWS):
            group = table.slice(start, GROUP_ROWS).combine_chunks()  # pages must not depend on chunks
            self._writer.write_table(_without_blank_lines(group) if self._csv else group)
            self.rows += group.num_rows

    def discard(self) -> None:
        """Write nothing more."""
        self._sink.raw = None
        self.close()

    def close(self) -> None:
        """Complete the file; it is not closed."""
        self._writer.close()
        for stream in reversed(self._streams):
            stream.close()


def _without_blank_lines(table: pa.Table) -> pa.Table:
    """Write nulls of the only column as empty text, in quotes: readers pass over blank lines."""
    if table.num_columns == 1 and pa.types.is_string(table.schema.types[0]):
        return table.set_column(0, table.schema.field(0), table.column(0).fill_null(""))
    return table


@contextlib.contextmanager
def part_writer(path: str, schema: pa.Schema, form: FileFormat) -> Iterator[PartWriter]:
    """Write a file that has its name when it is complete and on the disk, and not before.

    Until then a local file has a name that begins with ``_`` and ends with ``.tmp``.
    """
    directory, name = files.parent(path), path.replace(os.sep, "/").rpartition("/")[2]
    stage = path if files.is_url(path) else files.join(directory, f"_{name}.tmp")
    with files.atomic_writer(stage) as file:
        writer = PartWriter(file, schema, form)
        try:
            yield writer
            writer.close()
        except BaseException:
            writer.discard()
            raise
    if stage != path:
        os.replace(stage, path)
        files.sync_directory(directory)
