"""Opening, listing and writing files on any storage: local paths, and every fsspec URL."""

from __future__ import annotations

import contextlib
import glob as local_glob
import gzip
import lzma
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import DataflowError, DataLossError, InvalidArgumentError, NotFoundError
from dataflow.storage import listing, remote

_BY_SUFFIX = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".br": "brotli", ".xz": "xz"}
_BY_NAME = {"": None, "GZIP": "gzip", "ZLIB": "gzip", "BZ2": "bz2", "ZSTD": "zstd", "LZ4": "lz4", "XZ": "xz"}
_PIECE = 1 << 16
"""Bytes that are decompressed at a time."""


def is_url(path: str) -> bool:
    """Tell whether the path names a file system other than the local one."""
    return "://" in path


def check_compression(compression_type: str | None) -> None:
    """Raise `InvalidArgumentError` for a name that is none of ours.

    None means by suffix, '' means none, else GZIP, ZLIB, BZ2, ZSTD, LZ4 or XZ.
    """
    if compression_type is not None and compression_type not in _BY_NAME:
        names = ", ".join(repr(name) for name in _BY_NAME)
        raise InvalidArgumentError(
            f"compression_type must be None (by suffix) or one of {names}, not {compression_type!r}"
        )


def compression_of(path: str, compression_type: str | None = None) -> str | None:
    """Return the codec of a file, or None for plain bytes."""
    if compression_type is None:
        return _BY_SUFFIX.get(os.path.splitext(path)[1])
    check_compression(compression_type)
    return _BY_NAME[compression_type]


def list_matches(pattern: str) -> list[str]:
    """Return the files that match a glob pattern, in no particular order; URLs keep their protocol."""
    if not is_url(pattern):
        return [path for path in local_glob.glob(os.fspath(pattern)) if not os.path.isdir(path)]
    return listing.list_matches(pattern)


def open_binary(path: str) -> IO[bytes]:
    """Open a file for reading, without decompression.

    Raises:
        NotFoundError: There is no such file.
        PermissionDeniedError, UnavailableError: A remote storage refuses, or does not answer.
    """
    try:
        return remote.open_remote(path) if is_url(path) else open(path, "rb")
    except FileNotFoundError as error:
        pattern = "*" in path or "[" in path or ("?" in path and not is_url(path))
        if isinstance(error, NotFoundError) and not pattern:
            raise
        hint = "patterns go through Dataset.list_files" if pattern else "check the path, or list the folder"
        raise NotFoundError(f"file not found: {path}", hint=hint) from error
    except IsADirectoryError as error:
        raise NotFoundError(f"{path} is a directory, not a file") from error


class ByteStream:
    """Reads the decompressed bytes of a file from an offset on.

    Args:
        path: Local path or URL.
        compression: What `compression_of` returned.
        offset: First byte to read; a compressed file is decompressed up to there.

    Attributes:
        ended: Whether a read has met the end of the file.
    """

    def __init__(self, path: str, compression: str | None = None, offset: int = 0) -> None:
        self._path = path
        self._raw = open_binary(path)
        self._stream: Any = self._raw
        self._rest = memoryview(b"")
        self._error: DataLossError | None = None
        self._compressed = compression is not None
        self.ended = False
        if compression == "xz":
            self._stream = lzma.LZMAFile(self._raw)  # noqa: SIM115  (closed with the raw file)
        elif compression is not None:
            self._stream = pa.CompressedInputStream(pa.PythonFile(self._raw, "r"), compression)
        if not self._compressed:
            self._raw.seek(offset)
        while self._compressed and offset > 0 and (skipped := len(self.read(min(offset, 1 << 22)))):
            offset -= skipped

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; as `read_after`."""
        return self.read_after(b"", size).tobytes()

    def read_after(self, head: bytes, size: int) -> npt.NDArray[np.uint8]:
        """Return the head and up to `size` bytes behind it as one array.

        There are fewer bytes when the file has ended (`ended` is true then), or when the next read will
        raise: what comes before corrupt data is returned first, the same for all sizes of reads.

        Raises:
            DataLossError: The file is truncated or corrupt.
        """
        buffer = np.empty(len(head) + size, np.uint8)
        buffer[: len(head)] = np.frombuffer(head, np.uint8)
        filled = len(head)
        while filled < len(buffer) and not self.ended:
            if self._compressed and not self._rest:
                self._decompress()
            if self._error is not None:
                if filled > len(head):
                    break
                raise self._error
            filled += self._fill(memoryview(buffer.data)[filled:])
        return buffer[:filled]

    def _fill(self, target: memoryview) -> int:
        if not self._compressed:
            count = int(self._stream.readinto(target))  # some remote streams return what they have at hand
            self.ended = not count
            return count
        part, self._rest = self._rest[: len(target)], self._rest[len(target) :]
        target[: len(part)] = part
        self.ended = not part
        return len(part)

    def _decompress(self) -> None:
        """Decompress the next piece; what fails is kept for the read that comes to it."""
        try:
            self._rest = memoryview(self._stream.read(_PIECE))
        except DataflowError:
            raise
        except (OSError, EOFError, lzma.LZMAError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            self._error = DataLossError(
                f"{self._path} cannot be decompressed: {error}", hint="the file is truncated or corrupt"
            )

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


@contextlib.contextmanager
def atomic_writer(path: str) -> Iterator[IO[bytes]]:
    """Write a file that becomes visible complete, or not at all.

    Local files are written beside, flushed to the disk and renamed; for others, the temporary folder needs
    room for one file, which is put in its place in one step.
    """
    if is_url(path):
        with tempfile.NamedTemporaryFile(prefix="dataflow-") as copy:
            yield cast("IO[bytes]", copy)
            copy.flush()
            remote.upload(copy.name, path)
        return
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(parent(path))


def append(path: str, data: bytes) -> None:
    """Put bytes at the end of a local file; it is made if it is not there."""
    with open(path, "ab", buffering=0) as file:
        file.write(data)


def write_example(directory: str, name: str, data: bytes, compression: str | None = None) -> str:
    """Write a small file for the examples of a source, compressed if asked for, and return its path."""
    path = join(directory, name)
    with atomic_writer(path) as file:
        file.write(gzip.compress(data, mtime=0) if compression == "gzip" else data)
    return path


def sync_directory(path: str) -> None:
    """Flush a local directory, so that a rename in it survives a power cut."""
    with contextlib.suppress(OSError, AttributeError):  # not every system can
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_bytes(path: str) -> bytes:
    """Return the whole content of a file."""
    with open_binary(path) as file:
        return file.read()


def exists(path: str) -> bool:
    """Tell whether there is a file at the path."""
    return listing.exists(path) if is_url(path) else os.path.exists(path)


def remove(path: str) -> None:
    """Remove a file; one that is not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        if is_url(path):
            remote.call(path, lambda system, target: system.rm(target))
        else:
            os.unlink(path)


def make_directory(path: str) -> None:
    """Create a directory and its parents; object stores need none."""
    if not is_url(path):
        os.makedirs(path, exist_ok=True)
    elif not remote.is_store(path):
        remote.call(path, lambda system, target: system.makedirs(target, exist_ok=True))


def list_directory(path: str) -> list[str]:
    """Return the names in a directory, sorted; none if it is not there."""
    if not is_url(path):
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def names(system: Any, target: str) -> list[str]:
        system.invalidate_cache()
        return list(system.ls(target, detail=False))

    try:
        return sorted({name.rstrip("/").rpartition("/")[2] for name in remote.call(path, names)})
    except FileNotFoundError:
        return []


def last_change(path: str) -> float | None:
    """Return when a file was written, in seconds since 1970; None where the storage does not say."""
    if not is_url(path):
        return os.path.getmtime(path)
    try:
        return float(remote.call(path, lambda system, target: system.modified(target)).timestamp())
    except (NotImplementedError, AttributeError, FileNotFoundError):
        return None


def remove_directory(path: str) -> None:
    """Remove a directory that holds files only; one that is not there is fine."""
    for name in list_directory(path):
        remove(join(path, name))
    with contextlib.suppress(OSError):  # object stores have no directories
        if is_url(path):
            if not remote.is_store(path):
                remote.call(path, lambda system, target: system.rmdir(target))
        else:
            os.rmdir(path)


def join(directory: str, *names: str) -> str:
    """Join a directory and names, for paths and URLs."""
    return "/".join((directory.rstrip("/"), *names)) if is_url(directory) else os.path.join(directory, *names)


def parent(path: str) -> str:
    """Return the directory of a path or URL."""
    return path.rpartition("/")[0] if is_url(path) else os.path.dirname(os.path.abspath(path))


def as_paths(filenames: Any) -> tuple[str, ...]:
    """Return paths from one path, or a (nested) sequence or array of paths."""
    if isinstance(filenames, str | os.PathLike):
        return (os.fspath(filenames),)
    if isinstance(filenames, bytes):
        return (os.fsdecode(filenames),)
    items: Sequence[Any] = filenames.tolist() if hasattr(filenames, "tolist") else filenames
    return as_paths(items) if isinstance(items, str) else tuple(p for item in items for p in as_paths(item))
