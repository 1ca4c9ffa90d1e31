"""Where consecutive parts of about equal size begin in what a plan reads."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

from dataflow.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class Extent:
    """A file, or a part of one: how many bytes there are to read, and whether reading may begin amid them."""

    size: int
    divisible: bool = True


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """A place in a sequence of extents: number of one, and byte in it. Their number is that of the end."""

    extent: int
    byte: int = 0


def places(extents: Sequence[Extent], number: int) -> list[Place]:
    """Return where `number` parts begin, and where the last one ends.

    Parts are of equal size as far as extents may be divided: a border in one that may not moves to its
    nearer end. If none may be, each part has at least one.

    Raises:
        InvalidArgumentError: No extent may be divided, and there are fewer extents than parts.
    """
    if not extents:
        return [Place(0)] * (number + 1)
    starts = list(itertools.accumulate((extent.size for extent in extents), initial=0))
    borders = [starts[-1] * i // number for i in range(number + 1)]
    if not any(extent.divisible for extent in extents):
        return _whole(starts, borders)
    found = [_place(extents, starts, border) for border in borders[1:-1]]
    return [Place(0), *found, Place(len(extents))]


def _place(extents: Sequence[Extent], starts: Sequence[int], border: int) -> Place:
    i = min(bisect.bisect_right(starts, border), len(extents)) - 1
    byte = border - starts[i]
    if not extents[i].divisible:
        return Place(i + (2 * byte >= extents[i].size))
    return Place(i, byte)


def _whole(starts: Sequence[int], borders: Sequence[int]) -> list[Place]:
    count, parts = len(starts) - 1, len(borders) - 1
    if count < parts:
        raise InvalidArgumentError(
            f"{count} files that are compressed, or that can only be read from their first byte on, "
            f"cannot be divided among {parts} shards",
            hint=f"use at most {count} shards, write more files, or leave them uncompressed",
        )
    found = [0]
    for i, border in enumerate(borders[1:-1], start=1):
        above = bisect.bisect_left(starts, border)
        nearest = above if starts[above] - border <= border - starts[above - 1] else above - 1
        found.append(min(max(nearest, found[-1] + 1), count - (parts - i)))
    return [Place(i) for i in (*found, count)]
