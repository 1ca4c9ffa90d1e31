"""Blocks: runs of consecutive elements, stored by column. The only physical element type.

A column holds one component of `n` elements:

* a NumPy array ``[n, *shape]`` for numbers,
* `Strings` for text and bytes: an Arrow array with a shape, nulls allowed,
* `Ragged` where the elements differ in shape.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import kernels
from dataflow.errors import Location, SpecError
from dataflow.spec import BINARY, STRING, TensorSpec

Indices: TypeAlias = npt.NDArray[np.int64]


class Strings:
    """An array of text or bytes of any rank over one flat Arrow array.

    Args:
        values: Arrow string, binary (also the large kinds) or a dictionary of these; row-major.
        shape: The shape; its product is ``len(values)``. Default ``(len(values),)``.

    >>> Strings(pa.array(["a", "b", "c", "d"]), (2, 2)).to_numpy()
    array([['a', 'b'],
           ['c', 'd']], dtype=object)
    """

    __slots__ = ("shape", "values")

    def __init__(self, values: pa.Array, shape: Sequence[int] | None = None) -> None:
        self.values = values
        self.shape: tuple[int, ...] = (len(values),) if shape is None else tuple(shape)
        if math.prod(self.shape) != len(values):
            raise SpecError(f"{len(values)} strings do not fill the shape {self.shape}")

    @classmethod
    def from_numpy(cls, array: npt.ArrayLike, dtype: np.dtype[Any] = STRING) -> Strings:
        """Make a column from `str` or `bytes` values (None is a null) in an array of any rank."""
        values = np.asarray(array, dtype=object)
        kind = pa.binary() if dtype == BINARY else pa.string()
        try:
            return cls(pa.array(values.ravel().tolist(), kind), values.shape)
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise SpecError(f"values of a {kind} component must be {kind}: {error}") from error

    @property
    def dtype(self) -> np.dtype[Any]:
        """`STRING` or `BINARY`."""
        kind = self.values.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return BINARY if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else STRING

    @property
    def ndim(self) -> int:
        """Number of dimensions, the leading one included."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the slice of the Arrow buffers takes."""
        return int(self.values.nbytes)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, shape: Sequence[int]) -> Strings:
        """Return the same values in another shape, without a copy; one size may be -1."""
        sizes = list(shape)
        if -1 in sizes:
            known = math.prod(size for size in sizes if size != -1)
            sizes[sizes.index(-1)] = len(self.values) // max(known, 1)
        return Strings(self.values, sizes)

    def slice(self, start: int, stop: int) -> Strings:
        """Return rows ``start:stop`` of the leading axis, without a copy."""
        width = math.prod(self.shape[1:])
        values = self.values.slice(start * width, max(stop - start, 0) * width)
        return Strings(values, (max(stop - start, 0), *self.shape[1:]))

    def take(self, indices: Indices) -> Strings:
        """Return the rows at the indices of the leading axis."""
        width = math.prod(self.shape[1:])
        if width != 1:
            indices = (indices[:, None] * width + np.arange(width)).ravel()
        return Strings(self.values.take(pa.array(indices)), (len(indices) // max(width, 1), *self.shape[1:]))

    def decoded(self) -> Strings:
        """Return the values without dictionary encoding."""
        if pa.types.is_dictionary(self.values.type):
            return Strings(self.values.dictionary_decode(), self.shape)
        return self

    def to_numpy(self) -> npt.NDArray[Any]:
        """Return an object array of `str` or `bytes`, None for nulls."""
        array: npt.NDArray[Any] = self.values.to_numpy(zero_copy_only=False)
        return array.astype(object, copy=False).reshape(self.shape)

    def item(self, index: int) -> Any:
        """Return one row of the leading axis: `str`, `bytes`, None, or an object array."""
        if len(self.shape) == 1:
            return self.values[index].as_py()
        return self.slice(index, index + 1).to_numpy()[0]

    def __repr__(self) -> str:
        return f"Strings({self.values.type}, shape={self.shape})"


class Lines(Strings):
    """Text that still lies in the buffer it was read into: pieces by start and stop.

    What can work on pieces of a buffer, such as `decode_csv`, saves the copy into an Arrow array, which
    `values` makes for everything else.

    Args:
        buffer: uint8 ``[m]``, valid UTF-8.
        starts: int64 ``[n]``, increasing.
        stops: int64 ``[n]``, none before its start.
    """

    __slots__ = ("_values", "buffer", "starts", "stops")

    def __init__(
        self, buffer: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]
    ) -> None:
        self.buffer = buffer
        self.starts = starts
        self.stops = stops
        self.shape = (len(starts),)
        self._values: pa.Array | None = None

    @property
    def values(self) -> pa.Array:
        """The text as an Arrow array."""
        if self._values is None:
            offsets = np.zeros(len(self.starts) + 1, np.int64)
            np.cumsum(self.stops - self.starts, out=offsets[1:])
            data = np.empty(int(offsets[-1]), np.uint8)
            rows = np.arange(len(self.starts))
            kernels.text.gather(self.buffer, self.starts, rows, offsets, data)
            self._values = text_array(pa.string(), data, offsets)
        return self._values

    @property
    def dtype(self) -> np.dtype[Any]:
        """`STRING`."""
        return STRING

    @property
    def nbytes(self) -> int:
        """Bytes of the pieces and of their bounds."""
        return int((self.stops - self.starts).sum()) + self.starts.nbytes + self.stops.nbytes

    def slice(self, start: int, stop: int) -> Strings:
        """Return rows ``start:stop``, without a copy."""
        return Lines(self.buffer, self.starts[start:stop], self.stops[start:stop])

    def decoded(self) -> Strings:
        """Return the values: they are not dictionary-encoded."""
        return self


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


def edge_array(column: Dense) -> npt.NDArray[Any]:
    """Return the column as users see it: text becomes an object array."""
    return column if isinstance(column, np.ndarray) else column.to_numpy()


def as_column(values: Any, spec: TensorSpec) -> Dense:
    """Convert stacked user values ``[n, *shape]`` to a column of the spec's dtype."""
    if spec.dtype in (STRING, BINARY):
        return values if isinstance(values, Strings) else Strings.from_numpy(values, spec.dtype)
    return np.asarray(values, dtype=spec.dtype, order="C")  # ascontiguousarray would make arrays of scalars


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a run of elements came from: consecutive records of one file."""

    path: str
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
        return sum(int(column.nbytes) for column in self.columns)

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


def text_parts(array: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (bytes, start of each string, length of each string or -1 for null) of an Arrow text array."""
    large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offset_buffer, data_buffer = array.buffers()
    n = len(array)
    if not n:
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    offsets = np.frombuffer(offset_buffer, np.int64 if large else np.int32)
    offsets = offsets[array.offset : array.offset + n + 1].astype(np.int64)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    sizes = np.diff(offsets)
    if array.null_count:
        sizes = np.where(np.asarray(array.is_null()), -1, sizes)
    return data[offsets[0] : offsets[-1]], offsets[:-1] - offsets[0], sizes


def text_array(
    kind: pa.DataType,
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    null: npt.NDArray[np.bool_] | None = None,
) -> pa.Array:
    """Make an Arrow text array from bytes, ``n + 1`` offsets, and where nulls are."""
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    if kind in large and int(offsets[-1]) > 2**31 - 1:
        kind = large[kind]
    is_large = kind in large.values()
    buffer = pa.py_buffer(np.ascontiguousarray(offsets, np.int64 if is_large else np.int32))
    validity = None
    if null is not None and null.any():
        validity = pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(kind, len(offsets) - 1, [validity, buffer, pa.py_buffer(data)])
