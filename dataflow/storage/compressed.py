"""Compressing what is written."""

from __future__ import annotations

import bz2
import contextlib
import lzma
import zlib
from collections.abc import Iterator
from typing import IO, Any, Protocol

import pyarrow as pa

from dataflow.storage.files import compression_of

_WINDOW = {"gzip": 31, "zlib": 15}
"""``wbits`` of zlib: with a header and trailer of gzip, and with those of zlib."""


class Writer(Protocol):
    """What takes bytes."""

    def write(self, data: Any, /) -> Any:
        """Take bytes."""

    def flush(self) -> Any:
        """Pass on all that was taken."""


@contextlib.contextmanager
def compressed_writer(file: IO[bytes], path: str, compression_type: str | None = None) -> Iterator[Writer]:
    """Return a writer that compresses into an open file; equal data gives equal files.

    The file is complete when the context is left, and stays open.

    Args:
        file: Where to.
        path: Its name, whose suffix says the compression if `compression_type` is None.
        compression_type: As `compression_of` takes it; other than when reading, 'ZLIB' differs from 'GZIP'.
    """
    codec = "zlib" if compression_type == "ZLIB" else compression_of(path, compression_type)
    if codec is None:
        yield file
        return
    writer: Any
    if codec in _WINDOW:
        writer = _Deflating(file, _WINDOW[codec])
    elif codec == "bz2":
        writer = bz2.BZ2File(file, "wb")
    elif codec == "xz":
        writer = lzma.LZMAFile(file, "wb")  # noqa: SIM115  (closed below)
    else:
        writer = pa.CompressedOutputStream(pa.PythonFile(_LeftOpen(file), "w"), codec)
    try:
        yield writer
    finally:
        writer.close()


class _Deflating:
    """Compresses with zlib; in contrast to `gzip.GzipFile`, no time is written."""

    def __init__(self, file: IO[bytes], window: int) -> None:
        self._file = file
        self._compressor = zlib.compressobj(wbits=window)

    def write(self, data: Any) -> None:
        self._file.write(self._compressor.compress(data))

    def flush(self) -> None:
        self._file.write(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        self._file.write(self._compressor.flush())


class _LeftOpen:
    """A file that Arrow does not close."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write
        self.flush = file.flush

    def close(self) -> None:
        """Leave it open."""
