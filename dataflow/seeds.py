"""Seeds: from what the user gives to the pair of numbers that starts a generator, as tf does."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import kernels

MAX_SEED = 2**31 - 1
DEFAULT_GRAPH_SEED = 87654321

SeedPair = tuple[int, int]


@dataclasses.dataclass
class _Global:
    seed: int | None = None
    draws: random.Random = dataclasses.field(default_factory=random.Random)
    run: random.Random | None = None
    """Draws the seeds of stages that have none, where there is no global seed but one of the run."""


_global = _Global()


def set_random_seed(seed: int | None) -> None:
    """Set the seed of all stages that are built afterwards, as ``tf.random.set_seed`` does.

    Args:
        seed: The global seed, or None to go back to seeds from the operating system.

    >>> set_random_seed(1234); pair = seed_pair(5); set_random_seed(None); pair
    (1234, 5)
    """
    _global.seed = seed
    _global.draws = random.Random(seed)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Give stages that are built inside without any seed one that is drawn from this, if it is one."""
    before, _global.run = _global.run, None if seed is None else random.Random(seed)
    try:
        yield
    finally:
        _global.run = before


def seed_pair(seed: int | None) -> SeedPair:
    """Return the pair that starts a stage's generator.

    Without any seed the pair comes from the operating system: runs differ, but the pair is part of
    the iterator's state, so a resumed run is exact.
    """
    if _global.seed is None and seed is not None:
        pair = DEFAULT_GRAPH_SEED, seed
    elif _global.seed is None:
        draw = secrets.randbelow if _global.run is None else _global.run.randrange
        pair = draw(MAX_SEED), draw(MAX_SEED)
    else:
        pair = (_global.seed, _global.draws.randint(0, MAX_SEED) if seed is None else seed)
    first, second = (value % MAX_SEED for value in pair)
    return (first, MAX_SEED) if (first, second) == (0, 0) else (first, second)


def words(pair: SeedPair, start: int, count: int) -> npt.NDArray[np.uint32]:
    """Return `count` 32-bit words of the generator, from position `start`.

    >>> words((87654321, 42), 0, 2)
    array([2985944072, 4132877644], dtype=uint32)
    """
    out = np.empty(count, np.uint32)
    kernels.shuffle.philox(np.uint64(pair[0]), np.uint64(pair[1]), start, out)
    return out


def words_at(pair: SeedPair, positions: npt.NDArray[np.int64], level: int = 0) -> npt.NDArray[np.uint32]:
    """Return the words at any positions; each level is a generator of its own, level 0 that of `words`.

    >>> words_at((87654321, 42), np.array([1, 0, 1]))
    array([4132877644, 2985944072, 4132877644], dtype=uint32)
    """
    out = np.empty(len(positions), np.uint32)
    kernels.shuffle.philox_at(np.uint64(pair[0]), np.uint64(pair[1] + (level << 32)), positions, out)
    return out


class Epochs:
    """Counts the iterators that a random stage has started: each gets the next pair of words."""

    def __init__(self) -> None:
        self.upcoming = 0
        """Number of the next epoch."""

    def next(self) -> int:
        """Return the number of the next epoch, from 0."""
        self.upcoming += 1
        return self.upcoming - 1


def epoch_pair(pair: SeedPair, epoch: int) -> SeedPair:
    """Return the pair of the epoch's generator: words 2k and 2k+1 of the stage's generator."""
    a, b = words(pair, 2 * epoch, 2)
    return int(a), int(b)


class EpochGenerator:
    """The generator of a random stage in the epoch that runs.

    Args:
        seeds: The stage's pair; after a resume, that of the run that was saved takes its place.
        epochs: Counts the stage's starts.
        again: Whether each epoch has a generator of its own.
    """

    def __init__(self, seeds: SeedPair, epochs: Epochs, *, again: bool) -> None:
        self._seeds = seeds
        self._epochs = epochs
        self._again = again
        self._epoch = 0

    def start(self, own: dict[str, Any] | None) -> SeedPair:
        """Go to the next epoch, or to that of a saved state, and return the generator's pair."""
        if own is None:
            self._epoch = self._epochs.next()
        else:
            self._seeds = (own["seeds"][0], own["seeds"][1])
            self._epoch, self._epochs.upcoming = own["epoch"], own["next_epoch"]
        return epoch_pair(self._seeds, self._epoch) if self._again else self._seeds

    def own_state(self) -> dict[str, Any]:
        """Return the part of a stage's state that `start` reads."""
        return {"seeds": list(self._seeds), "epoch": self._epoch, "next_epoch": self._epochs.upcoming}


_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

_Words = list[npt.NDArray[np.uint64]]


def stateless_uniforms(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) per pair of seeds, as tf's stateless random functions draw it.

    The seeds are mixed by one block of the generator into the key and counter of another one, of which
    two words make 52 bits of a fraction.

    >>> stateless_uniforms([1, 2], [3, 3]).round(4)
    array([...])
    """
    one, two = np.broadcast_arrays(np.asarray(first, np.uint64), np.asarray(second, np.uint64))
    zero = np.zeros_like(one)
    key = [np.full_like(one, 0x3EC8F720), np.full_like(one, 0x02461E29)]
    mixed = _philox_blocks([one & _MASK, one >> _HALF, two & _MASK, two >> _HALF], key)
    low, high = _philox_blocks([zero, zero, mixed[2], mixed[3]], mixed[:2])[:2]
    fraction = ((low & np.uint64(0xFFFFF)) << _HALF) | high
    return fraction.astype(np.float64) / 2.0**52


def _philox_blocks(counter: _Words, key: _Words) -> _Words:
    """Return the four words of Philox4x32-10 for each counter and key, as `kernels.shuffle.philox` does."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _MASK, (p0 >> _HALF) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & _MASK, (k1 + np.uint64(0xBB67AE85)) & _MASK
    return [c0, c1, c2, c3]
