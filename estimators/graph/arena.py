"""One piece of memory for all buffers of a program: places are used again when nobody needs them."""

from __future__ import annotations

import dataclasses

ALIGNMENT = 64
"""Bytes: a cache line."""


@dataclasses.dataclass
class Arena:
    """Gives out places in a piece of memory, and takes them back.

    >>> arena = Arena()
    >>> first, second = arena.take(100), arena.take(10)
    >>> arena.give(first)
    >>> first, second, arena.take(64), arena.size
    (0, 128, 0, 192)
    """

    size: int = 0
    _free: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """Start and end of the gaps, in order."""
    _taken: dict[int, int] = dataclasses.field(default_factory=dict)
    """End by start."""

    def take(self, count: int) -> int:
        """Return the first byte of a place for `count` bytes: the smallest gap that holds them."""
        count = -(-max(count, 1) // ALIGNMENT) * ALIGNMENT
        fitting = [gap for gap in self._free if gap[1] - gap[0] >= count]
        if fitting:
            start, end = min(fitting, key=lambda gap: gap[1] - gap[0])
            self._free.remove((start, end))
            if end - start > count:
                self._free.append((start + count, end))
        elif self._free and max(self._free)[1] == self.size:  # the last gap grows
            start = max(self._free)[0]
            self._free.remove(max(self._free))
            self.size = start + count
        else:
            start = self.size
            self.size += count
        self._taken[start] = start + count
        return start

    def give(self, start: int) -> None:
        """Take a place back, and join it with the gaps around it."""
        end = self._taken.pop(start)
        for gap in list(self._free):
            if gap[1] == start or gap[0] == end:
                self._free.remove(gap)
                start, end = min(start, gap[0]), max(end, gap[1])
        self._free.append((start, end))
