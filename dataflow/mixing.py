"""How well a shuffle buffer mixes an input that comes sorted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from dataflow import kernels
from dataflow.errors import InvalidArgumentError
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.seeds import epoch_pair, seed_pair, words
from dataflow.strings import Indices

BATCH = 128
DRAWS = 1 << 16


@dataclasses.dataclass(frozen=True)
class Mixing:
    """What a shuffle buffer makes of rows that come sorted, beside a uniform shuffle.

    Attributes:
        rows: Number of rows.
        buffer_size: Rows in the buffer.
        rank_correlation: Spearman's, of the places before and after: 1 if the order is kept, 0 on average
            for a uniform shuffle.
        displacement: How far rows move on average, over the same of a uniform shuffle: a third of the rows.
        label_spread: For a label that is 0 in the first half of the rows and 1 in the second: the standard
            deviation of its share in batches of 128, over that of a uniform shuffle. 1 is perfect; sorted
            rows have about 11.
    """

    rows: int
    buffer_size: int
    rank_correlation: float
    displacement: float
    label_spread: float

    def __str__(self) -> str:
        return "\n".join((
            f"{self.rows} sorted rows through a shuffle buffer of {self.buffer_size}:",
            f"  rank correlation, before and after  {self.rank_correlation:.3f}  (0: mixed, 1: order kept)",
            f"  mean displacement                   {self.displacement:.3f}  (1: as of a uniform shuffle)",
            f"  spread of a label over batches      {self.label_spread:.2f}  (1: as of a uniform shuffle)",
        ))  # fmt: skip


def shuffle_mixing(rows: int, buffer_size: int, seed: int = 0) -> Mixing:
    """Tell how well ``shuffle(buffer_size, seed)`` mixes rows that come sorted, by drawing as it does.

    A buffer spreads a row over about `buffer_size` places, so rows that are sorted, by time or by label,
    stay so if it holds but a part of them. ``shuffle("global")`` mixes them whatever their number.

    Args:
        rows: Number of rows, at least 2.
        buffer_size: Rows in the buffer; UNKNOWN_CARDINALITY for all.
        seed: That of the shuffle.

    Raises:
        InvalidArgumentError: There are fewer than two rows, or no row in the buffer.

    >>> print(shuffle_mixing(100_000, 1000))
    100000 sorted rows through a shuffle buffer of 1000:
      rank correlation, before and after  0.999  (0: mixed, 1: order kept)
      mean displacement                   0.022  (1: as of a uniform shuffle)
      spread of a label over batches      11.21  (1: as of a uniform shuffle)
    """
    size = rows if buffer_size == UNKNOWN_CARDINALITY else buffer_size
    if rows < 2 or size < 1:
        raise InvalidArgumentError(
            f"rows must be at least 2 and buffer_size at least 1, not {rows} and {buffer_size}"
        )
    squares = moved = spread = 0.0
    place = 0
    share = (rows - rows // 2) / rows
    for came in _draws(rows, min(size, rows), seed):
        shift = (came - np.arange(place, place + len(came))).astype(np.float64)
        place += len(came)
        squares += float(np.square(shift).sum())
        moved += float(np.abs(shift).sum())
        labels = (came >= rows // 2).astype(np.float64)
        starts = np.arange(0, len(came), BATCH)
        sizes = np.diff(np.append(starts, len(came)))
        spread += float((sizes * np.square(np.add.reduceat(labels, starts) / sizes - share)).sum())
    correlation = 1 - 6 * squares / (rows * (rows**2 - 1.0))
    batch = min(BATCH, rows)
    uniform = share * (1 - share) / batch * (rows - batch) / (rows - 1)
    return Mixing(
        rows=rows,
        buffer_size=buffer_size,
        rank_correlation=correlation,
        displacement=moved / rows / ((rows**2 - 1) / (3 * rows)),
        label_spread=float(np.sqrt(spread / rows / uniform)) if uniform else 1.0,
    )


def _draws(rows: int, size: int, seed: int) -> Iterator[Indices]:
    """Yield the numbers of the rows in the order in which the buffer gives them."""
    pair = epoch_pair(seed_pair(seed), 0)
    slots = np.arange(size, dtype=np.int64)
    entered = size
    for drawn in range(0, rows, DRAWS):
        draws = min(DRAWS, rows - drawn)
        entering = np.arange(entered, min(entered + draws, rows), dtype=np.int64)
        entered += len(entering)
        slots = np.concatenate((slots, entering))
        out = np.empty(draws, np.int64)
        kernels.shuffle.draw(slots, 0, min(size, len(slots)), words(pair, drawn, draws), out)
        slots = slots[draws:].copy()
        yield out
