"""What sources over files share to read parts of them: runs by number, and borders by bytes."""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from dataflow.block import Origin
from dataflow.errors import InvalidArgumentError, Location
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.plan.parts import Extent, Place
from dataflow.storage.files import as_paths, compression_of
from dataflow.storage.record_index import ENDLESS, RecordIndex, file_size

ByteRange: TypeAlias = tuple[int, int | None]
"""The records that begin in these bytes of a file; None is its end."""
WHOLE: ByteRange = (0, None)


class DividedFiles(Node):
    """A source of the records of files, or, with `ranges`, of a part of each of them.

    A subclass is a dataclass with the fields below, and says where records begin.
    """

    paths: tuple[str, ...] | Tensor
    ranges: tuple[ByteRange, ...] | None

    @abstractmethod
    def record_start(self, path: str, byte: int) -> int:
        """Return where the first record begins at a byte of a plain file or behind it, or its size."""

    @abstractmethod
    def divisible(self, path: str) -> bool:
        """Tell whether reading may begin amid the file."""

    @functools.cached_property
    def _parts(self) -> list[tuple[str, ByteRange]]:
        return [(path, range_of(self.ranges, i)) for i, path in enumerate(as_paths(self.paths))]

    def _with(self, kept: Sequence[tuple[str, ByteRange]]) -> Self:
        paths, ranges = tuple(path for path, _ in kept), tuple(span for _, span in kept)
        changes: dict[str, Any] = {"paths": paths, "ranges": ranges}
        return dataclasses.replace(self, **changes)

    def extents(self) -> Sequence[Extent] | None:
        """The files."""
        if isinstance(self.paths, Tensor):
            return None
        return self._extents

    @functools.cached_property
    def _extents(self) -> list[Extent]:
        return [
            Extent((file_size(path) if stop is None else stop) - start, self.divisible(path))
            for path, (start, stop) in self._parts
        ]

    def between(self, start: Place, stop: Place) -> Self:
        """Parts that begin and end at the first records behind these places."""
        kept = []
        for i in range(start.extent, min(stop.extent + 1, len(self._parts))):
            path, (low, high) = self._parts[i]
            end = low + self._extents[i].size
            begin = self._border(path, low, start.byte, end) if i == start.extent else low
            if i == stop.extent and (border := self._border(path, low, stop.byte, end)) < end:
                high = end = border
            if begin < end:
                kept.append((path, (begin, high)))
        return self._with(kept)

    def _border(self, path: str, low: int, byte: int, end: int) -> int:
        return min(self.record_start(path, low + byte), end) if byte else low


class RangedFiles(DividedFiles):
    """Divided files of which records can be counted; those that are compressed are read as a whole."""

    compression_type: str | None

    @abstractmethod
    def index_of(self, path: str, span: ByteRange) -> RecordIndex:
        """Return what knows the places of the records of a part of a plain file."""

    def divisible(self, path: str) -> bool:
        """Tell whether reading may begin amid the file."""
        return compression_of(path, self.compression_type) is None

    @property
    def _countable(self) -> bool:
        return not isinstance(self.paths, Tensor) and all(self.divisible(path) for path, _ in self._parts)

    def count_elements(self) -> int | None:
        """Count the records of plain files."""
        if not self._countable:
            return None
        return sum(self.index_of(*part).count() for part in self._parts)

    def take_run(self, start: int, stop: int) -> Self | None:
        """Parts that begin and end at these records of plain files."""
        if not self._countable:
            return None
        kept: list[tuple[str, ByteRange]] = []
        before = 0
        for path, span in self._parts:
            if before >= stop:
                break
            low, high = span
            index = self.index_of(path, span)
            if before < start:
                found = index.find(start - before)
                if found is None:
                    before += index.count()
                    continue
                low = found
            if stop < ENDLESS:
                high = index.find(stop - before)
                before = before + index.count() if high is None else stop
                high = span[1] if high is None else high
            else:
                before = start
            if low != high:
                kept.append((path, (low, high)))
        return self._with(kept)


def range_of(ranges: tuple[ByteRange, ...] | None, file: int) -> ByteRange:
    """Return the part of a file that is read."""
    return WHOLE if ranges is None or file >= len(ranges) else ranges[file]


@dataclasses.dataclass(frozen=True)
class RangeOrigin(Origin):
    """Where a run of elements of a part of a file came from; what is before the part is counted when asked.

    Args:
        start: Where the part begins.
        before: Returns how many records come before a byte of a file.
    """

    start: int = dataclasses.field(kw_only=True)
    before: Callable[[str, int], int] = dataclasses.field(kw_only=True)

    def location(self, row: int, column: str | None = None, value: str | None = None) -> Location:
        """Return the place of the row-th element of the run in the whole file."""
        assert self.path is not None
        first = self.first + self.before(self.path, self.start)
        return Location(self.path, first + row, self.kind, column, value)


def origin_at(
    path: str, first: int, start: int, before: Callable[[str, int], int], kind: str = "line"
) -> Origin:
    """Return the origin of records that are numbered from the start of a part of a file."""
    return RangeOrigin(path, first, kind, start=start, before=before) if start else Origin(path, first, kind)


def bad_cut(path: str, byte: int, what: str, hint: str) -> InvalidArgumentError:
    """Return the error of a part that ends amid a record, so that the next one began at a wrong byte."""
    return InvalidArgumentError(
        f"byte {byte} of {path}, where the next shard begins, is inside a {what}", hint=hint
    )
