"""Files of rejected rows that are right however often their writer is interrupted, resumed or repeated."""

from __future__ import annotations

import os
from typing import IO

from dataflow.errors import FailedPreconditionError, InvalidArgumentError
from dataflow.storage.files import is_url


class RejectedFile:
    """A local file whose content at a position follows from the input, so that it may be written again.

    What is there already and the same stays; what differs is cut off. So readers that begin anew, resume,
    or run beside each other leave the same file, with each line once.

    Args:
        path: Of the file; it is created if it is not there.

    Raises:
        InvalidArgumentError: The path is a URL.
    """

    def __init__(self, path: str) -> None:
        if is_url(path):
            raise InvalidArgumentError(
                f"quarantine must be a local path, not {path}", hint="copy the file when the run has ended"
            )
        self._path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._file: IO[bytes] = open(handle, "r+b", buffering=0)  # noqa: SIM115

    def put(self, position: int, data: bytes) -> int:
        """Have the data at a position, and return the position behind it.

        Raises:
            FailedPreconditionError: The file ends before the position.
        """
        size = os.fstat(self._file.fileno()).st_size
        if size < position:
            raise FailedPreconditionError(
                f"{self._path} has {size} bytes, and the run that is resumed had written {position}",
                hint="put the file back, or start anew",
            )
        end = position + len(data)
        self._file.seek(position)
        if size >= end and self._file.read(len(data)) == data:
            return end
        self._file.seek(position)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._file.truncate(end)
        return end

    def end(self, position: int) -> None:
        """Cut off what is behind the position: all rows are there."""
        if os.fstat(self._file.fileno()).st_size > position:
            self._file.truncate(position)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
