"""`RaggedTensor`: rows of different lengths, as `ragged_batch` makes them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dataflow.block import (
    Column,
    Dense,
    Ragged,
    as_column,
    as_ragged,
    edge_array,
    object_column,
    slice_column,
)
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.leaves import RaggedTensorSpec, splits_dtype
from dataflow.spec import BINARY, STRING, ObjectValue, Shape, TensorSpec, as_dtype
from dataflow.strings import Strings

_SHOWN = 1000


class RaggedTensor(ObjectValue):
    """An immutable array whose rows have different lengths: values, and where each row ends.

    Row i has the values from ``row_splits[i]`` to ``row_splits[i + 1]``. The values may be a
    `RaggedTensor` themselves: then two dimensions vary. Make one with `from_row_splits` or
    `from_row_lengths`.

    >>> RaggedTensor.from_row_lengths([3, 1, 4, 1], [2, 0, 2])
    <RaggedTensor [[3, 1], [], [4, 1]]>
    """

    def __init__(
        self, inner: Dense | RaggedTensor, row_splits: npt.NDArray[Any], uniform: int | None = None
    ) -> None:
        self._inner = inner
        self._splits = _frozen(row_splits)
        self._uniform = uniform

    @classmethod
    def from_row_splits(cls, values: Any, row_splits: npt.ArrayLike) -> Self:
        """Make rows of values, given where each row begins and the last one ends.

        Args:
            values: An array, a list of numbers or texts, or a `RaggedTensor`; rows lie along its first
                axis.
            row_splits: int64 or int32, one number more than there are rows: 0, then the end of each row.

        Raises:
            InvalidArgumentError: The splits do not start at 0, fall, or do not end where the values do.

        >>> RaggedTensor.from_row_splits(["a", "b", "c"], [0, 1, 3]).to_list()
        [['a'], ['b', 'c']]
        """
        splits = np.asarray(row_splits)
        if splits.dtype != np.int32:
            if splits.size and splits.dtype.kind not in "iu":
                raise SpecError(f"row_splits must be integers, not {splits.dtype}")
            splits = splits.astype(np.int64)
        inner = values if isinstance(values, RaggedTensor) else _values(values)
        if splits.ndim != 1 or not len(splits) or splits[0] != 0 or (np.diff(splits) < 0).any():
            raise InvalidArgumentError(
                f"row_splits must be a vector that starts at 0 and does not fall, not {splits}"
            )
        if splits[-1] != len(inner):
            raise InvalidArgumentError(f"row_splits end at {splits[-1]}, and there are {len(inner)} values")
        return cls(inner, splits)

    @classmethod
    def from_row_lengths(cls, values: Any, row_lengths: npt.ArrayLike) -> Self:
        """Make rows of values, given the length of each.

        Raises:
            InvalidArgumentError: A length is negative, or the lengths are not as many as the values.

        >>> RaggedTensor.from_row_lengths(np.arange(4), [1, 3]).row_splits
        array([0, 1, 4])
        """
        lengths = np.asarray(row_lengths)
        kind = np.int32 if lengths.dtype == np.int32 else np.int64
        return cls.from_row_splits(values, np.concatenate(([0], np.cumsum(lengths))).astype(kind))

    # What it is ------------------------------------------------------------------------------------

    @functools.cached_property
    def values(self) -> npt.NDArray[Any] | RaggedTensor:
        """All rows joined: an array, read-only, or a `RaggedTensor` where `ragged_rank` is above 1."""
        inner = self._inner
        return inner if isinstance(inner, RaggedTensor) else _frozen(edge_array(inner))

    @property
    def flat_values(self) -> npt.NDArray[Any]:
        """The innermost values, without any rows."""
        values = self.values
        return values.flat_values if isinstance(values, RaggedTensor) else values

    @property
    def row_splits(self) -> npt.NDArray[Any]:
        """Where each row begins, and the last one ends."""
        return self._splits

    @property
    def nested_row_splits(self) -> tuple[npt.NDArray[Any], ...]:
        """The row splits of each level, the outermost first."""
        inner = self._inner
        return (self._splits, *(inner.nested_row_splits if isinstance(inner, RaggedTensor) else ()))

    @property
    def uniform_row_length(self) -> int | None:
        """The length of all rows, where it is known that they have one."""
        return self._uniform

    @property
    def ragged_rank(self) -> int:
        """How many levels of rows there are."""
        return len(self.nested_row_splits)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._inner.dtype

    @property
    def shape(self) -> Shape:
        """Sizes of the dimensions, None where rows may differ."""
        return (len(self), self._uniform, *self._inner.shape[1:])

    @property
    def value_spec(self) -> RaggedTensorSpec:
        """The spec of the value as a component of an element."""
        return RaggedTensorSpec(self.shape, self.dtype, self.ragged_rank, self._splits.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the values and the row splits."""
        return int(self._inner.nbytes + self._splits.nbytes)

    def nrows(self) -> int:
        """Return the number of rows."""
        return len(self)

    def row_lengths(self) -> npt.NDArray[Any]:
        """Return the length of each row."""
        return np.diff(self._splits)

    def bounding_shape(self) -> tuple[int, ...]:
        """Return the smallest shape that holds all rows.

        >>> RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]).bounding_shape()
        (2, 2)
        """
        inner = self._inner
        sizes = inner.bounding_shape() if isinstance(inner, RaggedTensor) else tuple(inner.shape)
        widest = int(self.row_lengths().max(initial=0)) if self._uniform is None else self._uniform
        return (len(self), widest, *sizes[1:])

    # Its rows --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._splits) - 1

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return a row for a number, rows for a slice; further keys of a tuple go to the row."""
        if isinstance(key, tuple):
            if not key:
                return self
            if len(key) > 1 and isinstance(key[0], slice):
                raise SpecError("a RaggedTensor takes a slice only as the last key", hint="index row by row")
            row = self[key[0]]
            return row[key[1:] if len(key) > 2 else key[1]] if len(key) > 1 else row
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                raise SpecError(f"a RaggedTensor takes slices of step 1, not {step}")
            return self._rows(start, max(start, stop))
        row = int(key)
        if not -len(self) <= row < len(self):
            raise IndexError(f"there are {len(self)} rows, and none of number {row}")
        row %= len(self)
        return self.values[int(self._splits[row]) : int(self._splits[row + 1])]

    def _rows(self, start: int, stop: int) -> RaggedTensor:
        first, last = int(self._splits[start]), int(self._splits[stop])
        inner = self._inner
        part: Any = inner[first:last] if isinstance(inner, RaggedTensor) else slice_column(inner, first, last)
        return RaggedTensor(part, self._splits[start : stop + 1] - self._splits[start], self._uniform)

    def as_column(self) -> Column:
        """Return the rows as a column of elements, without a copy of the values."""
        inner = self._inner
        if isinstance(inner, RaggedTensor):
            return object_column(list(self))
        sizes = np.broadcast_to(np.array(inner.shape[1:], np.int64), (len(self), inner.ndim - 1))
        shapes = np.concatenate((self.row_lengths()[:, None], sizes), axis=1).astype(np.int64)
        return Ragged(inner.reshape((-1,)), shapes)

    # As something else -----------------------------------------------------------------------------

    def to_list(self) -> list[Any]:
        """Return nested lists of Python values."""
        inner, bounds = self._inner, self._splits.tolist()
        items = inner.to_list() if isinstance(inner, RaggedTensor) else edge_array(inner).tolist()
        return [items[start:stop] for start, stop in itertools.pairwise(bounds)]

    def numpy(self) -> npt.NDArray[Any]:
        """Return an array of all, if the rows are of one length, else an object array of rows.

        >>> RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]).numpy()
        array([array([1]), array([2, 3])], dtype=object)
        """
        rows = [np.asarray(row) for row in self]
        if rows and len({row.shape for row in rows}) == 1 and len({row.dtype for row in rows}) == 1:
            return np.stack(rows)
        array = np.empty(len(rows), object)
        for i, row in enumerate(rows):
            array[i] = row
        return array

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return what `numpy` returns."""
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __array_function__(self, function: Any, *_: Any) -> Any:
        """Refuse functions of NumPy: on rows of different lengths they would give something else."""
        return self._refuse(function)

    def __array_ufunc__(self, function: Any, *_: Any, **__: Any) -> Any:
        """Refuse operators of NumPy."""
        return self._refuse(function)

    def _refuse(self, function: Any) -> Any:
        raise SpecError(
            f"np.{function.__name__} does not take ragged tensors",
            hint="use it on .values (all items behind each other), or on .to_tensor() (padded)",
        )

    def to_tensor(
        self, default_value: Any = None, shape: Sequence[int | None] | None = None
    ) -> npt.NDArray[Any]:
        """Return one array, the ends of short rows filled up.

        Args:
            default_value: What to fill with. Default: zero, or empty text.
            shape: Sizes of the result, None for the largest; what does not fit is cut off. Default: the
                bounding shape.

        >>> RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]).to_tensor()
        array([[1, 0],
               [2, 3]])
        """
        flat = self.flat_values
        if default_value is None:
            default_value = {STRING: "", BINARY: b""}.get(self.dtype, 0)
        bounds = self.bounding_shape()
        wanted = (None,) * len(bounds) if shape is None else tuple(shape)
        if len(wanted) != len(bounds):
            raise InvalidArgumentError(f"the shape {wanted} does not have {len(bounds)} dimensions")
        sizes = [most if want is None else want for most, want in zip(bounds, wanted, strict=True)]
        places = self._places()
        inside = np.logical_and.reduce(
            [place < size for place, size in zip(places, sizes, strict=False)], axis=0
        )
        out = np.full(sizes, default_value, flat.dtype)
        inner = tuple(slice(0, min(a, b)) for a, b in zip(flat.shape[1:], sizes[len(places) :], strict=True))
        target: Any = (*(place[inside] for place in places), *inner)
        out[target] = flat[inside][(slice(None), *inner)]
        return out

    def _places(self) -> list[npt.NDArray[np.int64]]:
        """Return, for each of the innermost values, its position along each dimension."""
        levels = self.nested_row_splits
        index = np.arange(len(self.flat_values))
        places: list[npt.NDArray[np.int64]] = []
        for splits in reversed(levels):
            row = np.searchsorted(splits, index, side="right") - 1
            places.insert(0, index - splits[row])
            index = row
        return [index, *places]

    def equals(self, other: object) -> bool:
        """Tell whether the other is a RaggedTensor of the same dtype, with the same rows."""
        return (
            isinstance(other, RaggedTensor)
            and self.dtype == other.dtype
            and self.ragged_rank == other.ragged_rank
            and all(map(np.array_equal, self.nested_row_splits, other.nested_row_splits))
            and np.array_equal(self.flat_values, other.flat_values, equal_nan=self.dtype.kind in "fc")
        )

    def __repr__(self) -> str:
        if len(self.flat_values) + len(self) > _SHOWN:
            return f"<RaggedTensor shape={self.shape}, dtype={self.dtype.name}>"
        return f"<RaggedTensor {self.to_list()}>"


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _values(values: Any) -> Dense:
    """Return user values as a column."""
    array = np.asarray(values)
    if not array.ndim:
        raise InvalidArgumentError(f"the values must have a first axis, and {values!r} has none")
    if array.dtype.kind == "O":
        binary = any(isinstance(item, bytes) for item in array.flat)
        return Strings.from_numpy(array, BINARY if binary else STRING)
    return as_column(array, TensorSpec(array.shape, as_dtype(array.dtype)))


def ragged_rank_of(shape: Shape) -> int:
    """Return how many dimensions of stacked elements are rows: all up to the last that is unknown."""
    return max((axis + 1 for axis, size in enumerate(shape) if size is None), default=0)


def stack_ragged(elements: Dense | Ragged, shape: Shape, row_splits_dtype: npt.DTypeLike) -> RaggedTensor:
    """Return elements as one RaggedTensor with a row for each; the values are not copied.

    Args:
        elements: A column.
        shape: The shape in its spec, with at least one None.
        row_splits_dtype: int64 or int32.
    """
    ragged, rank, kind = as_ragged(elements), ragged_rank_of(shape), splits_dtype(row_splits_dtype)
    sizes = ragged.shapes
    rows = np.ones(len(ragged), np.int64)  # of each element, at the level that is being made
    levels: list[npt.NDArray[Any]] = []
    for axis in range(rank):
        lengths = np.repeat(sizes[:, axis], rows)
        levels.append(np.concatenate(([0], np.cumsum(lengths))).astype(kind))
        rows = rows * sizes[:, axis]
    values: Any = ragged.values
    inner: Any = values.reshape((int(rows.sum()), *shape[rank:]))
    for splits, size in zip(reversed(levels), reversed(shape[:rank]), strict=True):
        inner = RaggedTensor(inner, splits, size)
    made: RaggedTensor = inner
    return made
