"""Rows in a random order, in bounded memory: each gets random bits by its number, and they are sorted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.seeds import SeedPair, words_at
from dataflow.storage.spill import Spill
from dataflow.store import Store
from dataflow.strings import Indices

BUCKETS = 256
"""Into how many parts rows are distributed at a time: one for each value of a byte of their bits."""
ROW_BYTES = 40
"""What a row takes beside its columns: its number, its bits, and its places while it is sorted."""


def random_order(pair: SeedPair, numbers: Indices) -> Indices:
    """Return how to gather rows so that they are in the order of their random bits.

    Row ``n`` has the bits of the n-th word of the pair's generator, followed by those of the n-th word of
    each further level: as many as it takes to tell rows apart. Independent bits without end are never
    alike, and no row is distinguished, so each order of the rows is as likely as any other.

    Args:
        pair: Starts the generator.
        numbers: All different.

    >>> random_order((87654321, 42), np.arange(5))
    array([4, 3, 2, 0, 1])
    """
    return _order(pair, numbers, 0)


def _order(pair: SeedPair, numbers: Indices, level: int) -> Indices:
    words = words_at(pair, numbers, level)
    order = _by_word(words)
    ranked = words[order]
    same = ranked[1:] == ranked[:-1]
    if same.any():
        tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
        rows = order[tied]
        rows = rows[_order(pair, numbers[rows], level + 1)]
        order[tied] = rows[_by_word(words[rows])]  # keeps the order of the further bits
    return order


def _by_word(words: npt.NDArray[np.uint32]) -> Indices:
    """Return the stable order of the words; NumPy has a radix sort for 16 bits."""
    low = np.argsort((words & np.uint32(0xFFFF)).astype(np.uint16), kind="stable")
    high = (words >> np.uint32(16)).astype(np.uint16)
    return low[np.argsort(high[low], kind="stable")]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows that come next, all of them before those that are still put aside.

    Attributes:
        block: The rows, in any order.
        numbers: The number of each.
        order: How to gather them.
    """

    block: Block
    numbers: Indices
    order: Indices


class RandomOrder:
    """Takes all rows, then gives them back in random order.

    What exceeds the memory is distributed by the first byte of its bits into parts of a temporary file,
    which are then sorted one after another; a part that is too large is distributed by the next byte. The
    order depends on the pair and the numbers of the rows alone, not on the memory.

    Source: Rao, "Generation of random permutations of given number of elements using random sampling
    numbers" (1961), and Sandelius, "A simple randomization procedure" (1962): to distribute at random and
    order each part at random gives every permutation with the same probability.

    Args:
        pair: Starts the generator.
        memory_bytes: About how much memory is used: rows are held up to a third, and copied once.

    >>> rows = RandomOrder((87654321, 42), 1000)
    >>> rows.append(Block((np.arange(100),), 100), np.arange(100))
    >>> parts = iter(rows.next, None)
    >>> sorted(int(n) for part in parts for n in part.block.columns[0]) == list(range(100))
    True
    """

    def __init__(self, pair: SeedPair, memory_bytes: int) -> None:
        self._pair = pair
        self._limit = memory_bytes // 3
        self._levels = [_Level(pair, 0, self._limit)]

    @property
    def held_bytes(self) -> int:
        """About how many bytes of rows are in memory now, not in files."""
        return sum(level.held for level in self._levels)

    def append(self, block: Block, numbers: Indices) -> None:
        """Add rows; not once `next` was called."""
        self._levels[0].append(block, numbers)

    def next(self) -> Rows | None:
        """Return the next rows, or None at the end."""
        while self._levels:
            level = self._levels[-1]
            part = level.next_part()
            if part is None:
                self._levels.pop().close()
            elif level.is_too_large(part):
                finer = _Level(self._pair, level.depth + 1, self._limit)
                self._levels.append(finer)
                level.move(part, finer)
            else:
                block, numbers = level.read(part)
                return Rows(block, numbers, random_order(self._pair, numbers))
        return None

    def close(self) -> None:
        """Forget all rows, and remove the temporary files."""
        while self._levels:
            self._levels.pop().close()


class _Level:
    """Rows that are distributed by one byte of their bits, or held in memory while they are few."""

    def __init__(self, pair: SeedPair, depth: int, limit: int) -> None:
        self.depth = depth
        self._pair = pair
        self._limit = limit
        self._spill: Spill | None = None
        self._bounds: list[Indices] = []  # for each time rows were put aside: where buckets begin in the file
        self._rows = np.zeros(BUCKETS, np.int64)
        self._bytes = np.zeros(BUCKETS, np.int64)
        self._next = 0
        self._hold_nothing()

    def _hold_nothing(self) -> None:
        self._store, self._numbers, self.held = Store(), list[Indices](), 0

    def append(self, block: Block, numbers: Indices) -> None:
        self._store.append(block)
        self._numbers.append(numbers)
        self.held += block.nbytes + ROW_BYTES * block.length
        if self.held > self._limit:
            self._put_aside()

    def _put_aside(self) -> None:
        """Append what is held to the file, bucket by bucket."""
        numbers = np.concatenate(self._numbers)
        words = words_at(self._pair, numbers, self.depth // 4)
        bucket = (words >> np.uint32(24 - 8 * (self.depth % 4))).astype(np.uint8)
        order = np.argsort(bucket, kind="stable")
        block = self._store.take(order)
        block = Block((numbers[order], *block.columns), block.length)
        self._hold_nothing()
        counts = np.bincount(bucket, minlength=BUCKETS)
        stops = np.cumsum(counts)
        if self._spill is None:
            self._spill = Spill()
        bounds = np.full(BUCKETS + 1, self._spill.size)
        for i in np.flatnonzero(counts):
            bounds[i + 1 :] = self._spill.append(block.slice(int(stops[i] - counts[i]), int(stops[i])))
        self._bounds.append(bounds)
        self._rows += counts
        self._bytes += np.diff(bounds)

    def next_part(self) -> slice | None:
        """Return the next buckets that memory has room for, at least one; None at the end."""
        if self._spill is not None and self._numbers:
            self._put_aside()
        if self._spill is None:
            return slice(0, BUCKETS) if self._numbers else None
        left = np.flatnonzero(self._rows[self._next :])
        if not len(left):
            return None
        first = self._next + int(left[0])
        sizes = np.cumsum((self._bytes + ROW_BYTES * self._rows)[first:])
        self._next = first + max(int(np.searchsorted(sizes, self._limit, side="right")), 1)
        return slice(first, self._next)

    def is_too_large(self, part: slice) -> bool:
        """Tell whether memory has no room for the part, and it has rows to distribute."""
        size = self._bytes[part].sum() + ROW_BYTES * self._rows[part].sum()
        return bool(size > self._limit and self._rows[part].sum() > 1 and self._spill is not None)

    def move(self, part: slice, finer: _Level) -> None:
        """Give the rows of the part to another level."""
        for block in self._blocks(part):
            finer.append(*_without_numbers(block))

    def read(self, part: slice) -> tuple[Block, Indices]:
        """Return the rows of the part, and their numbers."""
        if self._spill is not None:
            return _without_numbers(Block.concat(list(self._blocks(part))))
        numbers = np.concatenate(self._numbers)
        block = self._store.take(np.arange(len(numbers)))
        self._hold_nothing()
        return block, numbers

    def _blocks(self, part: slice) -> Iterator[Block]:
        assert self._spill is not None
        for bounds in self._bounds:
            yield from self._spill.read(int(bounds[part.start]), int(bounds[part.stop]))

    def close(self) -> None:
        if self._spill is not None:
            self._spill.close()
            self._spill = None


def _without_numbers(block: Block) -> tuple[Block, Indices]:
    numbers = block.columns[0]
    assert isinstance(numbers, np.ndarray)
    return Block(block.columns[1:], block.length), numbers
