"""Blocks: runs of consecutive elements, stored by column. The only physical element type.

A column holds one component of `n` elements:

* a NumPy array ``[n, *shape]`` for numbers,
* `Strings` for text and bytes: an Arrow array with a shape, nulls allowed,
* `Ragged` where the elements differ in shape,
* a NumPy array ``[n]`` of objects where the spec is an `ObjectSpec`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.errors import Location
from dataflow.spec import BINARY, STRING, TensorSpec
from dataflow.strings import Coded, Indices, Strings


class Ragged:
    """A column whose elements have one rank and dtype but different shapes.

    Args:
        values: All values in one flat column (rank 1), element after element, row-major.
        shapes: Shape of each element, int64 ``[n, rank]``.
    """

    __slots__ = ("shapes", "splits", "values")

    def __init__(self, values: Column, shapes: npt.NDArray[np.int64]) -> None:
        self.values = values
        self.shapes = shapes
        self.splits = np.concatenate(([0], np.cumsum(shapes.prod(axis=1))))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of values and shapes."""
        return int(self.values.nbytes + self.shapes.nbytes)

    def __len__(self) -> int:
        return len(self.shapes)

    def slice(self, start: int, stop: int) -> Ragged:
        """Return elements ``start:stop``, without a copy of the values."""
        stop = max(start, stop)
        return Ragged(
            slice_column(self.values, int(self.splits[start]), int(self.splits[stop])),
            self.shapes[start:stop],
        )

    def take(self, indices: Indices) -> Ragged:
        """Return the elements at the indices."""
        starts, sizes = self.splits[:-1][indices], np.diff(self.splits)[indices]
        ends = np.cumsum(sizes)
        flat = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - sizes), sizes)
        return Ragged(take_column(self.values, flat), self.shapes[indices])

    def item(self, index: int) -> Any:
        """Return one element as an array."""
        return edge_array(self.dense(index, index + 1))[0]

    def dense(self, start: int, stop: int) -> Dense:
        """Return elements of equal shape as a dense column."""
        shape = (stop - start, *(int(size) for size in self.shapes[start]))
        return slice_column(self.values, int(self.splits[start]), int(self.splits[stop])).reshape(shape)  # type: ignore[union-attr]


Dense: TypeAlias = npt.NDArray[Any] | Strings
Column: TypeAlias = npt.NDArray[Any] | Strings | Ragged


def slice_column(column: Column, start: int, stop: int) -> Column:
    """Return rows ``start:stop`` as a view."""
    return column[start:stop] if isinstance(column, np.ndarray) else column.slice(start, stop)


def take_column(column: Column, indices: Indices) -> Column:
    """Gather rows."""
    return np.take(column, indices, axis=0) if isinstance(column, np.ndarray) else column.take(indices)


def concat_columns(columns: Sequence[Column]) -> Column:
    """Join columns of one component; the result is `Ragged` where element shapes differ."""
    first = columns[0]
    if len(columns) == 1:
        return first
    if any(isinstance(c, Ragged) for c in columns) or len({c.shape[1:] for c in columns}) > 1:  # type: ignore[union-attr]
        ragged = [as_ragged(column) for column in columns]
        return Ragged(concat_columns([r.values for r in ragged]), np.concatenate([r.shapes for r in ragged]))
    if isinstance(first, np.ndarray):
        return np.concatenate(columns)  # type: ignore[arg-type]
    if isinstance(first, Coded):
        coded = Coded.joined([column for column in columns if isinstance(column, Coded)])
        if coded is not None and len(coded) == sum(len(column) for column in columns):
            return coded
        columns = [column.decoded() for column in columns if isinstance(column, Strings)]  # mostly few rows
    arrays = [c.values for c in columns]  # type: ignore[union-attr]
    return Strings(concat_arrow(arrays), (sum(len(c) for c in columns), *first.shape[1:]))  # type: ignore[union-attr]


def concat_arrow(arrays: Sequence[pa.Array]) -> pa.Array:
    """Join Arrow text arrays; dictionaries that differ are unified, offsets widened when needed."""
    kinds = {array.type for array in arrays}
    if len(kinds) > 1:
        arrays = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in arrays]
        kinds = {array.type for array in arrays}
    kind = next(iter(kinds))
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    if len(kinds) > 1 or (kind in large and sum(a.nbytes for a in arrays) > 2**31 - 2**20):
        arrays = [a.cast(large.get(a.type, a.type)) for a in arrays]
    if pa.types.is_dictionary(kind):
        return pa.chunked_array(arrays).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(arrays)


def as_ragged(column: Column) -> Ragged:
    """Return the column with the shape of each element said anew, without a copy of the values."""
    if isinstance(column, Ragged):
        return column
    shapes = np.broadcast_to(np.array(column.shape[1:], np.int64), (len(column), column.ndim - 1))
    return Ragged(column.reshape((-1,)), shapes)


def object_column(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return a column of Python objects, one for each element, whatever they look like to NumPy."""
    column = np.empty(len(values), object)
    for i, value in enumerate(values):
        column[i] = value
    return column


def edge_array(column: Dense) -> npt.NDArray[Any]:
    """Return the column as users see it: text becomes an object array."""
    return column if isinstance(column, np.ndarray) else column.to_numpy()


def as_column(values: Any, spec: TensorSpec) -> Dense:
    """Convert stacked user values ``[n, *shape]`` to a column of the spec's dtype."""
    if spec.dtype in (STRING, BINARY):
        return values if isinstance(values, Strings) else Strings.from_numpy(values, spec.dtype)
    return np.asarray(values, dtype=spec.dtype, order="C")  # ascontiguousarray would make arrays of scalars


def _bytes_of(column: Column) -> int:
    """Return the bytes of a column, and of its objects where they know."""
    inside = column if isinstance(column, np.ndarray) and column.dtype.kind == "O" else ()
    return int(column.nbytes) + sum(getattr(value, "nbytes", 0) for value in inside)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a run of elements came from: consecutive records of one file, or rows of a table (path None)."""

    path: str | None
    first: int
    """Number of the first record: 1-based for lines, 0-based for Parquet rows."""
    kind: str = "line"
    row_group: int | None = None

    def location(self, row: int, column: str | None = None, value: str | None = None) -> Location:
        """Return the place of the row-th element of the run."""
        return Location(self.path, self.first + row, self.kind, column, value, self.row_group)


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """`length` consecutive elements; one column per component, in `flatten` order."""

    columns: tuple[Column, ...]
    length: int
    origin: Origin | None = None

    def __len__(self) -> int:
        return self.length

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(_bytes_of(column) for column in self.columns)

    def slice(self, start: int, stop: int | None = None) -> Block:
        """Return elements ``start:stop`` as views."""
        stop = self.length if stop is None else min(stop, self.length)
        if start == 0 and stop == self.length:
            return self
        origin = self.origin and dataclasses.replace(self.origin, first=self.origin.first + start)
        return Block(tuple(slice_column(c, start, stop) for c in self.columns), max(stop - start, 0), origin)

    def take(self, indices: Indices) -> Block:
        """Gather elements."""
        return Block(tuple(take_column(c, indices) for c in self.columns), len(indices))

    @staticmethod
    def concat(blocks: Sequence[Block]) -> Block:
        """Join blocks of one element spec."""
        if len(blocks) == 1:
            return blocks[0]
        columns = tuple(concat_columns(parts) for parts in zip(*(b.columns for b in blocks), strict=True))
        return Block(columns, sum(b.length for b in blocks))

    def row(self, index: int) -> list[Any]:
        """Return the component values of one element, as users see them."""
        return [c[index] if isinstance(c, np.ndarray) else c.item(index) for c in self.columns]

    def dense_runs(self) -> Iterator[Block]:
        """Yield the block cut where element shapes change, so that each part has dense columns."""
        ragged = [column for column in self.columns if isinstance(column, Ragged)]
        if not ragged:
            yield self
            return
        changes = np.zeros(max(self.length - 1, 0), bool)
        for column in ragged:
            changes |= (column.shapes[1:] != column.shapes[:-1]).any(axis=1)
        bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), self.length]
        for start, stop in itertools.pairwise(bounds):
            if stop > start:
                part = self.slice(start, stop)
                columns = tuple(c.dense(0, len(c)) if isinstance(c, Ragged) else c for c in part.columns)
                yield Block(columns, part.length, part.origin)
