"""Rows of a pipeline in exact numbers, and by partition: for writers of files."""

from __future__ import annotations

import collections
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import InvalidArgumentError
from dataflow.export import arrow_schema, column_names, record_batches
from dataflow.runtime.iterate import BlockIterator
from dataflow.runtime.operator import State, forward
from dataflow.spec import Structure

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
MAX_PARTITIONS = 10_000
"""Partitions that rows may have that are written together."""
_ALL = 1 << 62


def cumulative_bytes(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return the bytes of the values of elements 0 to i, for each i; batches do not matter."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        sizes = pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)
        return np.cumsum(sizes, dtype=np.int64) + np.arange(4, 4 * len(array) + 4, 4)
    if pa.types.is_fixed_size_list(kind):
        return cumulative_bytes(array.flatten())[kind.list_size - 1 :: kind.list_size]
    if pa.types.is_list(kind):
        inner = np.concatenate(([0], cumulative_bytes(array.flatten())))
        ends = np.cumsum(array.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)
        return inner[ends] + np.arange(4, 4 * len(array) + 4, 4)
    width = max(1, kind.bit_width // 8)
    return np.arange(width, width * len(array) + width, width)


class Rows:
    """The rows of an iterator, taken in numbers that do not depend on how they come in blocks.

    Args:
        blocks: The elements.
        spec: Their structure.
        taken: Is told the number of rows each time that some are taken.
    """

    def __init__(
        self, blocks: BlockIterator, spec: Structure, taken: Callable[[int], None] = lambda rows: None
    ) -> None:
        self._blocks = blocks
        self._tell = taken
        self.schema = arrow_schema(spec)
        self._order = list(column_names(spec).values())
        self._batches: collections.deque[pa.RecordBatch] = collections.deque()  # what is left of a block
        self._origin: State = {}  # the position before that block
        self._passed = 0  # rows taken of that block

    def state(self) -> State:
        """Return the position behind the last row that was taken."""
        if not self._batches:
            return self._blocks.state()
        return {**self._origin, "position": forward(self._origin["position"], self._passed)}

    def more(self) -> bool:
        """Tell whether there is another row."""
        while not self._batches:
            self._origin, self._passed = self._blocks.state(), 0
            block = self._blocks.read(_ALL)
            if block is None:
                return False
            self._batches.extend(record_batches(block, self.schema, self._order))
        return True

    def take(self, rows: int, budget: int, row_bytes: int = 0, seconds: float = float("inf")) -> pa.Table:
        """Return the next rows: so many at most, and no more bytes than the budget, but at least one.

        Args:
            rows: How many.
            budget: Bytes.
            row_bytes: What a row costs beside its values.
            seconds: How long to collect, at least one row.
        """
        taken: list[pa.RecordBatch] = []
        began = time.monotonic()
        while rows and budget > 0 and self.more():
            batch = self._batches.popleft()
            ends = np.arange(1, batch.num_rows + 1) * row_bytes
            ends = sum((cumulative_bytes(column) for column in batch.columns), start=ends)
            count = min(rows, int(np.searchsorted(ends, budget, side="right")))
            count = count or int(not taken)
            if count < batch.num_rows:
                self._batches.appendleft(batch.slice(count))
            if not count:
                break
            taken.append(batch.slice(0, count))
            self._passed += count
            self._tell(count)
            rows, budget = rows - count, budget - int(ends[count - 1])
            if time.monotonic() - began > seconds:
                break
        return pa.Table.from_batches(taken, self.schema)


def split_by(table: pa.Table, columns: Sequence[str]) -> Iterator[tuple[dict[str, str | None], pa.Table]]:
    """Yield the text of the columns, and the rows that have it, without these columns, in their order.

    Raises:
        InvalidArgumentError: There are too many.
    """
    codes = np.zeros(table.num_rows, np.int64)
    for name in columns:
        coded = pa.concat_arrays(table[name].chunks).dictionary_encode("encode")
        _, codes = np.unique(codes * len(coded.dictionary) + np.asarray(coded.indices), return_inverse=True)
        if int(codes.max()) >= MAX_PARTITIONS:
            raise InvalidArgumentError(
                f"the columns {list(columns)} have more than {MAX_PARTITIONS} different values, "
                "and each would be a directory",
                hint="partition by columns with few values, such as a date or a group of ids",
            )
    order = np.argsort(codes, kind="stable")
    rest = table.drop_columns(list(columns))
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    for start, stop in itertools.pairwise(bounds):
        rows = order[start:stop]
        first = table.slice(int(rows[0]), 1)
        values = {name: pc.cast(first[name], pa.string())[0].as_py() for name in columns}
        yield values, rest.take(pa.array(rows))


def directory_of(values: dict[str, str | None]) -> str:
    """Return the path of a partition, as Hive names it.

    >>> directory_of({"year": "2024", "kind": "a/b", "who": None})
    'year=2024/kind=a%2Fb/who=__HIVE_DEFAULT_PARTITION__/'
    """
    names = [
        f"{quote(key, safe='')}={HIVE_NULL if text is None else quote(text, safe='')}/"
        for key, text in values.items()
    ]
    return "".join(names)
