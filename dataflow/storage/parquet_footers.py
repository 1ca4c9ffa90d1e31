"""Footers of Parquet files: read once, checked, and shared by all who need them."""

from __future__ import annotations

import collections
import dataclasses
import io
import os
from collections.abc import Hashable, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.errors import DataflowError, DataLossError
from dataflow.storage.files import is_url, open_binary
from dataflow.storage.parquet_schema import Schema, leaves_of

KEPT_BYTES = 8 << 20
"""Of footers, as they are in files, that are kept for the next reader; memory takes ten times as much."""
KEPT_OUTLINES = 1 << 17
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
READ_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, IndexError, KeyError)
"""What Arrow raises over files that are corrupt."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outline:
    """What is kept of a footer for long.

    Attributes:
        leaves: The components; files of one schema share them.
        group_rows: Number of rows of each row group.
    """

    leaves: Schema
    group_rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Footer:
    """A footer that makes sense.

    Attributes:
        metadata: As Arrow has it.
        schema: The Arrow schema.
        outline: Components and sizes.
        size: Bytes of the file.
    """

    metadata: pq.FileMetaData
    schema: pa.Schema
    outline: Outline
    size: int


class _Kept:
    """The footers that were used last, up to a number of bytes, and outlines of many more."""

    def __init__(self) -> None:
        self.footers: collections.OrderedDict[Hashable, Footer] = collections.OrderedDict()
        self.outlines: collections.OrderedDict[Hashable, Outline] = collections.OrderedDict()
        self.bytes = 0
        self._leaves: collections.OrderedDict[pa.Schema, Schema] = collections.OrderedDict()

    def leaves(self, schema: pa.Schema, where: str) -> Schema:
        """Return the components of a schema; the same object for equal schemas."""
        bare = schema.remove_metadata()
        found = self._leaves.get(bare)
        if found is None:
            found = self._leaves[bare] = leaves_of(schema, where)
            while len(self._leaves) > 256:
                self._leaves.popitem(last=False)
        return found

    def put(self, key: Hashable, footer: Footer) -> None:
        """Keep a footer, and drop those that were not used for longest."""
        self.outlines[key] = footer.outline
        while len(self.outlines) > KEPT_OUTLINES:
            self.outlines.popitem(last=False)
        if key not in self.footers:
            self.bytes += footer.metadata.serialized_size
        self.footers[key] = footer
        while self.bytes > KEPT_BYTES and len(self.footers) > 1:
            _, dropped = self.footers.popitem(last=False)
            self.bytes -= dropped.metadata.serialized_size


_kept = _Kept()


def forget() -> None:
    """Drop all footers that are kept."""
    global _kept
    _kept = _Kept()


def footer_of(path: str, raw: IO[bytes]) -> Footer:
    """Return the footer of an open file; from memory if the file is the one that was read before.

    Raises:
        DataLossError: It is no Parquet file, encrypted, or its footer is corrupt.
    """
    key = _identity(path, raw)
    found = None if key is None else _kept.footers.get(key)
    if found is None:
        found = _read(path, raw)
        if key is not None:
            _kept.put(key, found)
    return found


def outline_of(path: str) -> Outline:
    """Return components and sizes of a file, which is opened only if they are not known.

    Raises:
        NotFoundError, DataLossError: It is not there, or is not a Parquet file.
    """
    key = None if is_url(path) else _identity(path, None)
    found = None if key is None else _kept.outlines.get(key)
    if found is not None:
        return found
    with open_binary(path) as raw:
        return footer_of(path, raw).outline


def _identity(path: str, raw: IO[bytes] | None) -> Hashable | None:
    """Return what changes when the file does; None where nothing tells."""
    try:
        if not is_url(path):
            status = os.stat(path) if raw is None else os.fstat(raw.fileno())
            return path, status.st_mtime_ns, status.st_size, status.st_ino
    except OSError:
        return None
    details = getattr(raw, "details", None)
    if not isinstance(details, dict):
        return None
    tag = next((details[name] for name in ("ETag", "etag", "mtime", "LastModified") if name in details), None)
    return None if tag is None else (path, str(tag), details.get("size"))


def _read(path: str, raw: IO[bytes]) -> Footer:
    size = raw.seek(0, os.SEEK_END)
    _check_magic(path, raw, size)
    try:
        file = pq.ParquetFile(raw, pre_buffer=False)
        metadata, schema = file.metadata, file.schema_arrow
        rows = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
        columns = len(file.schema)
    except READ_ERRORS as error:
        raise_unless_corrupt(error)
        raise DataLossError(f"{path} is not a readable Parquet file: {error}") from error
    leaves = _kept.leaves(schema, path)
    if any(count < 0 for count in rows) or sum(rows) != metadata.num_rows:
        raise DataLossError(
            f"the footer of {path} is corrupt: its row groups have {sum(rows)} rows, and it says that there "
            f"are {metadata.num_rows}"
        )
    if columns != sum(len(leaf.columns) for leaf in leaves.values()):
        raise DataLossError(f"the footer of {path} is corrupt: its two schemas do not fit together")
    return Footer(metadata, schema, Outline(leaves, rows), size)


def _check_magic(path: str, raw: IO[bytes], size: int) -> None:
    """Say of a file that is none what it is."""
    raw.seek(max(0, size - 4))
    end = raw.read(4)
    raw.seek(0)
    if end == _ENCRYPTED or (size >= 4 and raw.read(4) == _ENCRYPTED):
        raise DataLossError(
            f"{path} is an encrypted Parquet file, which cannot be read", hint="decrypt it first"
        )
    raw.seek(0)
    if end == _MAGIC and size >= 12:
        return
    if not size:
        raise DataLossError(f"{path} is not a readable Parquet file: it is empty, of 0 bytes")
    reason = "it is cut off" if raw.read(4) == _MAGIC else "it does not begin and end with PAR1"
    raise DataLossError(f"{path} is not a readable Parquet file: {reason}")


def raise_unless_corrupt(error: BaseException) -> None:
    """Raise again what is about the storage and not about the content of the file."""
    if isinstance(error, DataflowError) or (isinstance(error, OSError) and error.errno is not None):
        raise error


class _StoppedError(Exception):
    """Bytes were asked for."""


class _NoBytes(io.RawIOBase):
    """A file of some size that has nothing to read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position."""
        self._at = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Refuse."""
        raise _StoppedError


def failure_of(
    metadata: pq.FileMetaData, size: int, group: int, columns: Sequence[str]
) -> BaseException | None:
    """Return the error that reading columns of a row group ends with before the first byte is read.

    Args:
        metadata: The footer.
        size: Bytes of the file.
        group: Number of the row group.
        columns: Their paths in the schema of the file.
    """
    file = pq.ParquetFile(_NoBytes(size), metadata=metadata, pre_buffer=False, buffer_size=1)
    try:
        next(file.iter_batches(1, row_groups=[group], columns=list(columns), use_threads=False), None)
    except _StoppedError:
        return None
    except READ_ERRORS as error:
        return error
    return None
