"""Where the records of a file begin: near any byte, by number, and how many there are."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import IO

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.errors import DataLossError, Location
from dataflow.storage.files import is_url, last_change, open_binary
from dataflow.storage.shared import made_once

ENDLESS = 1 << 61
"""A number that no record has: a run up to it ends with the files."""
SHARED_BYTES = 1 << 26
"""A part of a file that is so much larger is counted by one process for all."""
_PIECE = 1 << 20
_FIRST_LOOK = 1 << 14
_SIGHT, _SIGHT_BACK = 1 << 20, 8 << 20
"""Bytes behind a border, and before it, that are looked at for a quote that tells whether it is quoted."""


@dataclasses.dataclass(frozen=True)
class TextRules:
    """How records of text are told apart: LF ends one; with `returns` CR and CRLF too.

    With `quoting`, not inside fields that begin with a quote.
    """

    delimiter: int = 0
    quoting: bool = False
    returns: bool = False

    def arguments(self) -> tuple[int, bool, bool]:
        """Return them as the kernels take them."""
        return self.delimiter, self.quoting, self.returns


@dataclasses.dataclass(frozen=True)
class Mark:
    """A byte of a file, the number of the first record that begins there or behind it, and a state."""

    byte: int
    record: int
    state: int


class RecordIndex(ABC):
    """Where the records of a part of a file begin."""

    @abstractmethod
    def count(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def find(self, record: int) -> int | None:
        """Return the byte where a record begins, counted from 0; None if there are not so many."""


class FixedLengthIndex(RecordIndex):
    """Records of one size, between two bytes."""

    def __init__(self, start: int, stop: int, size: int) -> None:
        self._places = range(start, max(stop, start), size)

    def count(self) -> int:
        """As many as fit."""
        return len(self._places)

    def find(self, record: int) -> int | None:
        """By multiplication."""
        return self._places[record] if record < len(self._places) else None


class ScannedIndex(RecordIndex):
    """The records of ``start … stop - 1`` of a file (stop None: to its end), found as far as anybody asks.

    Args:
        path: A file without compression.
        start: Where a record begins.
        stop: Where the last one ends.
    """

    first_state = 0
    rules: tuple[int | bool, ...] = ()

    def __init__(self, path: str, start: int, stop: int | None) -> None:
        self.path = path
        self._stop = file_size(path) if stop is None else stop
        # replaced as a whole: threads may ask at once
        self._marks: tuple[Mark, ...] = (Mark(start, 0, self.first_state),)

    def count(self) -> int:
        """Return the number of records; of a large file, one process of those that ask counts them."""
        marks = self._marks
        if marks[-1].byte + SHARED_BYTES < self._stop and not is_url(self.path):
            path = os.path.abspath(self.path)
            key = (type(self).__name__, path, last_change(path), self._stop, marks[0], self.rules)
            made = made_once(key, lambda: [dataclasses.astuple(m) for m in self._known_to(ENDLESS)])
            self._marks = tuple(Mark(*map(int, mark)) for mark in made)
        return self._known_to(ENDLESS)[-1].record

    def find(self, record: int) -> int | None:
        """Return the byte where a record begins, counted from 0; None if there are not so many."""
        marks = self._known_to(record)
        if marks[-1].record <= record:
            return None
        mark = marks[bisect.bisect_right(marks, record, key=lambda mark: mark.record) - 1]
        with open_binary(self.path) as file:
            data = read_piece(file, mark.byte, min(_PIECE, self._stop - mark.byte))
        return mark.byte + self.locate(data, mark.state, record - mark.record)

    def _known_to(self, record: int) -> tuple[Mark, ...]:
        """Return the marks up to one behind the record, or to the end."""
        marks = self._marks
        if marks[-1].record > record or marks[-1].byte >= self._stop:
            return marks
        found, buffer = list(marks), np.empty(_PIECE, np.uint8)
        with open_binary(self.path) as file:
            while found[-1].record <= record and found[-1].byte < self._stop:
                last = found[-1]
                data = read_piece(file, last.byte, min(_PIECE, self._stop - last.byte), buffer)
                records, length, state = self.scan(data, last)
                found.append(Mark(last.byte + length, last.record + records, state))
        self._marks = tuple(found)
        return self._marks

    @abstractmethod
    def scan(self, data: npt.NDArray[np.uint8], mark: Mark) -> tuple[int, int, int]:
        """Return how many records begin in `data`, how far behind its start to go on, and the state there."""

    @abstractmethod
    def locate(self, data: npt.NDArray[np.uint8], state: int, record: int) -> int:
        """Return where the record begins before which so many others do in `data`."""


class TextIndex(ScannedIndex):
    """Records that are text."""

    def __init__(self, path: str, start: int, stop: int | None, rules: TextRules) -> None:
        self.rules = rules.arguments()
        super().__init__(path, start, stop)

    def scan(self, data: npt.NDArray[np.uint8], mark: Mark) -> tuple[int, int, int]:
        """Go through all bytes."""
        records, state = kernels.ranges.count_starts(data, _words(data), mark.state, *self.rules)
        return int(records), len(data), int(state)

    def locate(self, data: npt.NDArray[np.uint8], state: int, record: int) -> int:
        """Go through all bytes up to there."""
        return int(kernels.ranges.find_start(data, state, record, *self.rules))


class FrameIndex(ScannedIndex):
    """Records of a TFRecord file."""

    def scan(self, data: npt.NDArray[np.uint8], mark: Mark) -> tuple[int, int, int]:
        """Go from header to header.

        Raises:
            DataLossError: A length does not match its checksum.
        """
        frames, behind, reason = kernels.records.hop(data, 0, ENDLESS)
        if reason != kernels.records.GOOD or not frames:
            raise DataLossError(
                f"the records cannot be counted: there is none at byte {mark.byte + behind}",
                location=Location(self.path, mark.record + frames, "record"),
                hint="the file is corrupt or truncated, or is no TFRecord file",
            )
        return int(frames), int(behind), 0

    def locate(self, data: npt.NDArray[np.uint8], state: int, record: int) -> int:
        """Go from header to header up to there."""
        return int(kernels.records.hop(data, 0, record)[1])


def read_piece(
    file: IO[bytes], offset: int, size: int, buffer: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """Return up to `size` bytes of a file from an offset on, in `buffer` if given; fewer only at its end."""
    data = np.empty(size, np.uint8) if buffer is None else buffer[:size]
    file.seek(offset)
    filled = 0
    while filled < size and (count := file.readinto(memoryview(data.data)[filled:])):  # type: ignore[attr-defined]
        filled += count
    return data[:filled]


def _words(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    return data[: len(data) & ~7].view(np.uint64)


def file_size(path: str) -> int:
    """Return the number of bytes of a file.

    Raises:
        NotFoundError: There is no such file.
    """
    with open_binary(path) as file:
        return file.seek(0, os.SEEK_END)


def text_index(path: str, start: int, stop: int | None, rules: TextRules) -> TextIndex:
    """Return the index of a part of a file, the same for all who ask while the file does not change."""
    return _text_index(path, start, stop, rules, (file_size(path), last_change(path)))


def frame_index(path: str, start: int, stop: int | None) -> FrameIndex:
    """Return the index of a part of a TFRecord file; as `text_index`."""
    return _frame_index(path, start, stop, (file_size(path), last_change(path)))


@functools.lru_cache(maxsize=1 << 16)
def _text_index(path: str, start: int, stop: int | None, rules: TextRules, _version: object) -> TextIndex:
    return TextIndex(path, start, stop, rules)


@functools.lru_cache(maxsize=1 << 16)
def _frame_index(path: str, start: int, stop: int | None, _version: object) -> FrameIndex:
    return FrameIndex(path, start, stop)


def text_start(path: str, byte: int, rules: TextRules) -> int:
    """Return where the first record begins at a byte of a file or behind it; its size if there is none.

    With quoting this is right if the byte is within the first 8 MiB, or a quote tells within the 8 MiB before
    it or the MiB behind it; otherwise if the byte is not inside a quoted field.
    """
    if byte == 0:
        return 0
    plain, every = [kernels.ranges.PLAIN], range(kernels.ranges.STATES)
    tried = byte - 1  # this byte tells whether a record begins at the next one
    if rules.quoting:
        found = _text_start(path, tried, every, byte, rules, byte + _SIGHT)
        if found < 0:
            before = max(tried - _SIGHT_BACK, 0)
            states = every if before else [kernels.ranges.RECORD]
            found = _text_start(path, before, states, byte, rules, byte + _SIGHT if before else ENDLESS)
        if found >= 0:
            return found
    return _text_start(path, tried, plain, byte, rules, ENDLESS)


def _text_start(
    path: str, offset: int, possible: Sequence[int], byte: int, rules: TextRules, sight: int
) -> int:
    """Return where a record begins at a byte or behind it, whichever state is right at the offset.

    The size of the file, if none does; -1 if there are several states and that is not clear before `sight`.
    """
    states = np.array(possible, np.int64)
    size = _FIRST_LOOK
    with open_binary(path) as file:
        while offset < sight:
            data = read_piece(file, offset, min(size, _PIECE))
            if not len(data):
                return offset if len(possible) == 1 else -1
            found = kernels.ranges.find_sure_start(
                data, _words(data), states, byte - offset, *rules.arguments()
            )
            if found >= 0:
                return offset + int(found)
            offset, size = offset + len(data), 2 * size
    return -1


def ends_with_record(data: npt.NDArray[np.uint8], rules: TextRules) -> bool:
    """Tell whether bytes that begin with a record end with one too."""
    data = np.array(data)
    _, state = kernels.ranges.count_starts(data, _words(data), kernels.ranges.RECORD, *rules.arguments())
    return bool(state <= kernels.ranges.RETURNED)


def frame_start(path: str, byte: int) -> int:
    """Return where the first record of a TFRecord file begins at a byte or behind it; its size if none does.

    It is told by the checksums of the lengths of two records.
    """
    size = file_size(path)
    with open_binary(path) as file:
        while byte < size:
            data = read_piece(file, byte, _PIECE)
            found = kernels.records.find_frame(data, 0, size - byte)
            if found >= 0:
                return byte + int(found)
            byte += max(len(data) - 11, 12)
    return size


@functools.lru_cache(maxsize=1 << 10)
def text_lines(path: str, stop: int, rules: TextRules) -> int:
    """Return how many lines begin before a byte of a file; quotes do not matter."""
    return TextIndex(path, 0, stop, dataclasses.replace(rules, quoting=False)).count()


@functools.lru_cache(maxsize=1 << 10)
def frames_before(path: str, stop: int) -> int:
    """Return how many records of a TFRecord file begin before a byte."""
    return FrameIndex(path, 0, stop).count()
