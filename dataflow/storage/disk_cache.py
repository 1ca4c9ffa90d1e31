"""A local folder that keeps pieces of remote objects, up to a size, for all processes that use it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import warnings
import zlib
from collections.abc import Sequence

_SUFFIX = ".piece"
_CHECKSUM_BYTES = 4


class DiskCache:
    """Pieces of bytes by key, each in a file of its own that appears complete, with a checksum.

    A hit renews the time of the file; when the folder has grown beyond its limit, the oldest go. What fails
    here, such as a full disk, is told once and never stops the reading.

    Args:
        directory: The folder, made if it is not there.
        limit: Its bytes.
    """

    def __init__(self, directory: str, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._unchecked = limit  # bytes written since the folder was measured: it is at the first write

    def get(self, key: Sequence[str] | None, size: int) -> memoryview | None:
        """Return the piece, None if it is not there or is damaged."""
        if key is None:
            return None
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
            os.utime(path)
        except OSError:
            return None
        content = memoryview(data)[_CHECKSUM_BYTES:]
        if (
            len(content) == size
            and zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "big") == data[:_CHECKSUM_BYTES]
        ):
            return content
        with contextlib.suppress(OSError):
            os.unlink(path)
        return None

    def put(self, key: Sequence[str] | None, data: memoryview) -> None:
        """Keep a piece."""
        size = len(data) + _CHECKSUM_BYTES
        if key is None or size > self._limit:
            return
        temporary = os.path.join(self._directory, f"{secrets.token_hex(8)}.tmp")
        try:
            os.makedirs(self._directory, exist_ok=True)
            self._unchecked += size
            if self._unchecked > self._limit // 64:
                self._make_room(size)
                self._unchecked = 0
            with open(temporary, "wb") as file:
                file.write(zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big"))
                file.write(data)
            os.replace(temporary, self._path(key))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            warnings.warn(f"the disk cache cannot be written: {error}", RuntimeWarning, stacklevel=2)

    def _path(self, key: Sequence[str]) -> str:
        name = hashlib.sha256("\0".join(key).encode()).hexdigest()[:40]
        return os.path.join(self._directory, name + _SUFFIX)

    def _make_room(self, size: int) -> None:
        """Remove what was not used for longest until one piece and some more fit in."""
        with os.scandir(self._directory) as entries:
            found = []
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(entry[1] for entry in found) + size + self._limit // 64
        for _, length, path in sorted(found):
            if total <= self._limit:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= length
