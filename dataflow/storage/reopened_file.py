"""A file of any fsspec file system, opened again at the byte where reading failed."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

from dataflow.errors import DataLossError
from dataflow.storage.faults import Fault, delays, fault_of, given_up, raise_final
from dataflow.storage.settings import Settings


class ReopenedFile(io.RawIOBase):
    """Reads through the file system's own file object.

    Args:
        url: Where it is.
        call: Calls a function of the file system and the path in it, again where that may help.
        limits: How often reading is tried.
    """

    def __init__(self, url: str, call: Callable[[Callable[[Any, str], Any]], Any], limits: Settings) -> None:
        super().__init__()
        self.name = url
        self._call = call
        self._limits = limits
        self._file = call(lambda system, path: system.open(path, "rb"))
        self._mark = self._version()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position."""
        return int(self._file.seek(offset, whence))

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, or all; fewer only at the end."""
        if size is None or size < 0:
            return self.readall()
        data = bytearray(size)
        return bytes(data[: self.readinto(data)])

    def readinto(self, target: Any, /) -> int:
        """Fill a buffer and return how many bytes were read."""
        view = memoryview(target).cast("B")
        waits = delays(self.name, self._limits)
        filled = 0
        while filled < len(view):
            at = self._file.tell()
            try:
                part = self._file.read(len(view) - filled)
            except Exception as error:
                fault = fault_of(error)
                raise_final(self.name, error, fault)
                if fault is not Fault.AGAIN:
                    raise
                wait = next(waits, None)
                if wait is None:
                    raise given_up(self.name, error, self._limits) from error
                time.sleep(wait)
                self._reopen(at)
                continue
            if not part:
                break
            view[filled : filled + len(part)] = part
            filled += len(part)
            waits = delays(self.name, self._limits)
        return filled

    def _version(self) -> tuple[Any, ...]:
        """Return what the file system tells of the content."""
        details = getattr(self._file, "details", None)
        known = details if isinstance(details, dict) else {}
        return tuple(str(known.get(key)) for key in ("size", "ETag", "etag", "mtime", "last_modified"))

    def _reopen(self, at: int) -> None:
        self._file.close()
        self._file = self._call(lambda system, path: system.open(path, "rb"))
        if self._version() != self._mark:
            raise DataLossError(
                f"{self.name} changed while it was read", hint="write new data under a new name"
            )
        self._file.seek(at)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            file = getattr(self, "_file", None)  # none if it could not be opened
            if file is not None:
                file.close()
        super().close()
