"""Summaries of columns that are read once: moments, counts of values, quantiles. Memory is bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import InvalidArgumentError

Floats = npt.NDArray[np.float64]


class Moments:
    """Count, mean, variance and range of numbers; NaN is counted as missing.

    Blocks are joined by the formula of Chan, Golub and LeVeque (1979), which does not lose digits as a sum of
    squares does.

    >>> moments = Moments()
    >>> for block in ([1.0, np.nan, 2.0], [6.0]):
    ...     _ = moments.add(np.array(block))
    >>> moments.count, moments.missing, moments.mean, moments.variance
    (3, 1, 3.0, 4.666666666666667)
    """

    def __init__(self) -> None:
        self.count = 0
        self.missing = 0
        self.mean = 0.0
        self.min = np.inf
        self.max = -np.inf
        self._squares = 0.0

    @property
    def variance(self) -> float:
        """The mean square of the distance to the mean."""
        return self._squares / self.count if self.count else 0.0

    def add(self, values: npt.NDArray[Any]) -> Floats:
        """Add numbers of rank 1, and return those that are not missing."""
        numbers = values.astype(np.float64)
        there = numbers[~np.isnan(numbers)]
        self.missing += len(numbers) - len(there)
        if not len(there):
            return there
        mean = float(there.mean())
        squares = float(np.square(there - mean).sum())
        total = self.count + len(there)
        distance = mean - self.mean
        self._squares += squares + distance * distance * self.count * len(there) / total
        self.mean += distance * len(there) / total
        self.count = total
        self.min, self.max = min(self.min, float(there.min())), max(self.max, float(there.max()))
        return there


class Counts:
    """How often each value occurs, for the most frequent ones.

    All counts are exact up to `limit` different values. Beyond, this is the summary of Misra and Gries (1982)
    in the form of Agarwal et al. (2012): counts may be too small by at most `error`, which is below the
    number of values divided by `limit`, and each value that is more frequent than `error` is there.

    Args:
        limit: Different values to keep.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.missing = 0
        self.error = 0
        self._kept: pa.Table | None = None
        self._waiting: list[pa.Table] = []

    def add(self, values: pa.Array) -> None:
        """Add an Arrow array of text or int64; nulls, '' and -1 are missing."""
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode() if len(values.dictionary) > len(values) else values
        found = pc.value_counts(values)
        items, counts = found.field("values"), found.field("counts")
        if pa.types.is_dictionary(items.type):
            items = items.dictionary_decode()
        is_text = not pa.types.is_integer(items.type)
        items = items.cast(pa.large_string() if is_text else pa.int64())
        absent = pc.fill_null(pc.equal(items, "" if is_text else -1), True)
        self.missing += pc.sum(counts.filter(absent)).as_py() or 0
        there = pc.invert(absent)
        table = pa.table({"value": items.filter(there), "count": counts.filter(there)})
        self.count += pc.sum(table["count"]).as_py() or 0
        self._waiting.append(table)
        if sum(map(len, self._waiting)) > self.limit:
            self._join()

    def most_frequent(self) -> tuple[list[Any], list[int]]:
        """Return values, the most frequent first, equal ones in their own order, and their counts."""
        self._join()
        if self._kept is None:
            return [], []
        table = self._kept.sort_by([("count", "descending"), ("value", "ascending")])
        return table["value"].to_pylist(), table["count"].to_pylist()

    def _join(self) -> None:
        parts = [*([] if self._kept is None else [self._kept]), *self._waiting]
        self._waiting = []
        if not parts:
            return
        table = pa.concat_tables(parts).group_by("value").aggregate([("count", "sum")])
        table = table.rename_columns(["count" if n == "count_sum" else n for n in table.column_names])
        if len(table) > self.limit:
            counts = np.asarray(table["count"])
            cut = int(np.partition(counts, -self.limit - 1)[-self.limit - 1])
            self.error += cut
            left = pa.array(counts - cut)
            table = pa.table({"value": table["value"], "count": left}).filter(pc.greater(left, 0))
        self._kept = table.select(["value", "count"])


class Quantiles:
    """Quantiles of numbers, exact for the first `size` numbers.

    Beyond, it is the summary of Manku, Rajagopalan and Lindsay (1998): sorted buffers of `size` numbers, each
    of which stands for 2^level; two of a level become one of the next by leaving out every other number. The
    rank of a result is wrong by at most `error`, which is counted: about log2(n / size) / (2 size) of all n
    numbers (0.03 % of 10 million with the default size).

    Args:
        size: Numbers of a buffer.

    >>> quantiles = Quantiles()
    >>> quantiles.add(np.arange(101.0))
    >>> quantiles.at([0.25, 0.5]).tolist()
    [25.0, 50.0]
    """

    def __init__(self, size: int = 1 << 14) -> None:
        self.size = size
        self.count = 0
        self.error = 0
        """By how many places a rank may be wrong."""
        self._first: list[Floats] = []
        self._waiting = 0
        self._levels: list[Floats | None] = []
        self._odd: list[bool] = []

    def add(self, numbers: Floats) -> None:
        """Add numbers of rank 1 without NaN."""
        self.count += len(numbers)
        self._first.append(numbers)
        self._waiting += len(numbers)
        if self._waiting <= self.size:
            return
        joined = np.concatenate(self._first)
        full = (len(joined) - 1) // self.size
        for i in range(full):
            self._carry(np.sort(joined[i * self.size : (i + 1) * self.size]), 0)
        self._first = [joined[full * self.size :].copy()]
        self._waiting = len(self._first[0])

    def _carry(self, buffer: Floats, level: int) -> None:
        """Put a sorted buffer into its level, and two of them into the next."""
        while level < len(self._levels) and (other := self._levels[level]) is not None:
            self._levels[level] = None
            both = np.sort(np.concatenate([other, buffer]), kind="stable")
            buffer = both[int(self._odd[level]) :: 2]
            self._odd[level] = not self._odd[level]
            self.error += 1 << level
            level += 1
        if level == len(self._levels):
            self._levels.append(None)
            self._odd.append(False)
        self._levels[level] = buffer

    def at(self, fractions: npt.ArrayLike) -> Floats:
        """Return, for each fraction q, a number of rank q · n, rounded up; the first one for 0.

        Raises:
            InvalidArgumentError: There are no numbers.
        """
        if not self.count:
            raise InvalidArgumentError("there are no numbers to take quantiles of")
        parts = [np.concatenate(self._first), *(b for b in self._levels if b is not None)]
        heights = [0, *(level for level, b in enumerate(self._levels) if b is not None)]
        weights = np.repeat([1 << height for height in heights], [len(part) for part in parts])
        values = np.concatenate(parts)
        order = np.argsort(values, kind="stable")
        ranks = np.cumsum(weights[order])
        wanted = np.ceil(np.asarray(fractions, np.float64) * ranks[-1])
        places = np.searchsorted(ranks, np.maximum(wanted, 1), side="left")
        result: Floats = values[order][np.minimum(places, len(values) - 1)]
        return result
