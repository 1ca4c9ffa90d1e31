"""A temporary file of blocks: what a stage that outgrows its memory puts aside and reads again."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, TypeVar

import numpy as np

from dataflow.block import Block
from dataflow.block_bytes import ALIGNMENT, Known, Packed, padded, unpack
from dataflow.errors import DataLossError, FailedPreconditionError

T = TypeVar("T")


class Spill:
    """Appends blocks to a file that has no name where the system allows that, so it never stays behind.

    It lies where `tempfile` puts files: in the directory that the environment variable ``TMPDIR`` names,
    else in the system's. A range of the file that begins and ends between blocks is read in one go.

    >>> spill = Spill()
    >>> stop = spill.append(Block((np.array([1, 2]),), 2))
    >>> [block.columns for block in spill.read(0, stop)]
    [(array([1, 2]),)]
    >>> spill.close()
    """

    def __init__(self) -> None:
        self.size = 0
        """Bytes that were appended."""
        self._known: Known = {}
        self._file: IO[bytes] = _written(
            lambda: tempfile.TemporaryFile(prefix="dataflow-", buffering=1 << 20)  # noqa: SIM115  (see close)
        )

    def append(self, block: Block) -> int:
        """Write a block at the end; return where it ends.

        Raises:
            FailedPreconditionError: The disk is full, or the directory cannot be written to.
            InvalidArgumentError: A column holds Python objects.
        """
        packed = Packed(block)
        header = json.dumps(packed.form).encode()
        front = np.array([len(header), packed.size], np.int64).tobytes() + header
        front += bytes(-len(front) % ALIGNMENT)

        def write() -> None:
            self._file.write(front)
            packed.write_to(self._file)

        _written(write)
        self.size += len(front) + packed.size
        return self.size

    def read(self, start: int, stop: int) -> Iterator[Block]:
        """Yield the blocks of a range."""
        _written(self._file.flush)
        buffer = np.empty(stop - start, np.uint8)
        self._file.seek(start)
        if self._file.readinto(buffer) != len(buffer):  # type: ignore[attr-defined]
            raise DataLossError("a temporary file ended early", hint="another program must have cut it")
        self._file.seek(self.size)
        place = 0
        while place < len(buffer):
            sizes = buffer[place : place + 16].view(np.int64)
            header, first = place + 16 + int(sizes[0]), place + padded(16 + int(sizes[0]))
            form = json.loads(buffer[place + 16 : header].tobytes())
            place = first + int(sizes[1])
            yield unpack(form, buffer[first:place], self._known)

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # of writing what nobody reads any more
            self._file.close()


def _written(write: Callable[[], T]) -> T:
    try:
        return write()
    except OSError as error:
        raise FailedPreconditionError(
            f"a temporary file in {tempfile.gettempdir()} cannot be written: {error}",
            hint="set the environment variable TMPDIR to a directory with room for the data, "
            "or raise Options(memory_bytes=...)",
        ) from error
