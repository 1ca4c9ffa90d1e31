"""A growing set of elements from which rows are gathered: what a shuffle buffer holds.

Appending copies only the new rows, and gathering needs no concatenation, whatever the size.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.block import Block, Column, concat_columns, take_column
from dataflow.strings import Coded, Dictionary, Indices, Strings, text_array, text_parts


def grown(array: npt.NDArray[Any], used: int, more: int) -> npt.NDArray[Any]:
    """Return the array, or a copy of half as much capacity again if `more` rows do not fit behind `used`."""
    if used + more <= len(array):
        return array
    larger = np.empty((max(len(array) * 3 // 2, used + more), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger


class _Table:
    """Scalars of one width in bytes, a row of words for each column, gathered all at once."""

    def __init__(self, width: int) -> None:
        self._words = np.empty((0, 0), f"u{width}")
        self._used = 0
        self._gathered = self._words

    @property
    def nbytes(self) -> int:
        """Bytes in use, with the room for more."""
        return self._words.nbytes

    def add(self) -> int:
        """Make room for one more column, and return its number."""
        columns, capacity = self._words.shape
        wider = np.empty((columns + 1, capacity), self._words.dtype)
        wider[:columns] = self._words
        self._words = wider
        return columns

    def reserve(self, more: int) -> None:
        """Make room for more elements; each column is written next."""
        columns, capacity = self._words.shape
        if self._used + more > capacity:
            larger = np.empty((columns, max(capacity * 3 // 2, self._used + more)), self._words.dtype)
            larger[:, : self._used] = self._words[:, : self._used]
            self._words = larger
        self._used += more

    def held(self, number: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return the elements of a column, as a view."""
        column: npt.NDArray[Any] = self._words[number, : self._used].view(dtype)
        return column

    def gather(self, rows: Indices) -> None:
        """Gather elements of all columns."""
        self._gathered = np.empty((len(self._words), len(rows)), self._words.dtype)
        kernels.text.gather_columns(self._words, rows, self._gathered)

    def gathered(self, number: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return what was gathered last of a column."""
        column: npt.NDArray[Any] = self._gathered[number].view(dtype)
        return column

    def keep(self, rows: Indices) -> None:
        """Forget all other elements."""
        self.gather(rows)
        self._words, self._used = self._gathered, len(rows)


class _Growing(Protocol):
    """One column of the store. Tables have made room before `append`, and have gathered before `take`."""

    @property
    def nbytes(self) -> int: ...
    def fits(self, column: Column) -> bool: ...
    def append(self, column: Column) -> None: ...
    def take(self, rows: Indices) -> Column: ...
    def keep(self, rows: Indices) -> None: ...


class _Scalars:
    """A column of a table."""

    def __init__(self, dtype: np.dtype[Any], table: _Table) -> None:
        self._dtype = dtype
        self._table = table
        self._number = table.add()

    @property
    def nbytes(self) -> int:
        """None beside the table's."""
        return 0

    def fits(self, column: Column) -> bool:
        return isinstance(column, np.ndarray) and column.ndim == 1

    def append(self, column: Column) -> None:
        assert isinstance(column, np.ndarray)
        held = self._table.held(self._number, self._dtype)
        held[len(held) - len(column) :] = column

    def take(self, rows: Indices) -> npt.NDArray[Any]:
        return self._table.gathered(self._number, self._dtype)

    def keep(self, rows: Indices) -> None:
        """The table has kept them."""

    def held(self) -> npt.NDArray[Any]:
        """Return all elements, as a view."""
        return self._table.held(self._number, self._dtype)


class _Arrays:
    """Elements of one shape behind each other."""

    def __init__(self, like: npt.NDArray[Any]) -> None:
        self._data = np.empty((0, *like.shape[1:]), like.dtype)
        self._used = 0

    @property
    def nbytes(self) -> int:
        return self._data.nbytes

    def fits(self, column: Column) -> bool:
        return isinstance(column, np.ndarray) and column.shape[1:] == self._data.shape[1:]

    def append(self, column: Column) -> None:
        assert isinstance(column, np.ndarray)
        self._data = grown(self._data, self._used, len(column))
        self._data[self._used : self._used + len(column)] = column
        self._used += len(column)

    def take(self, rows: Indices) -> Column:
        return np.take(self._data[: self._used], rows, axis=0)

    def keep(self, rows: Indices) -> None:
        self._data, self._used = np.take(self._data[: self._used], rows, axis=0), len(rows)


class _Text:
    """Strings as bytes with a start and a length each (-1: null); several for one element of rank 1+."""

    def __init__(self, like: Strings) -> None:
        self._kind = like.decoded().values.type
        self._shape = like.shape[1:]
        self._width = math.prod(self._shape)
        self._data, self._used = np.empty(0, np.uint8), 0
        self._starts = np.empty(0, np.int64)
        self._sizes = np.empty(0, np.int64)
        self._count = 0

    @property
    def nbytes(self) -> int:
        return self._data.nbytes + self._starts.nbytes + self._sizes.nbytes

    def fits(self, column: Column) -> bool:
        return isinstance(column, Strings) and column.shape[1:] == self._shape and self._width > 0

    def append(self, column: Column) -> None:
        assert isinstance(column, Strings)
        data, starts, sizes = text_parts(column.decoded().values)
        self._data = grown(self._data, self._used, len(data))
        self._data[self._used : self._used + len(data)] = data
        self._starts = grown(self._starts, self._count, len(starts))
        self._starts[self._count : self._count + len(starts)] = starts + self._used
        self._sizes = grown(self._sizes, self._count, len(sizes))
        self._sizes[self._count : self._count + len(sizes)] = sizes
        self._used += len(data)
        self._count += len(starts)

    def _gather(self, rows: Indices) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], Indices]:
        if self._width != 1:
            rows = (rows[:, None] * self._width + np.arange(self._width)).ravel()
        sizes = self._sizes[rows]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(np.maximum(sizes, 0), out=offsets[1:])
        out = np.empty(int(offsets[-1]), np.uint8)
        kernels.text.gather(self._data, self._starts, rows, offsets, out)
        return out, offsets, sizes

    def take(self, rows: Indices) -> Column:
        data, offsets, sizes = self._gather(rows)
        return Strings(text_array(self._kind, data, offsets, sizes < 0), (len(rows), *self._shape))

    def keep(self, rows: Indices) -> None:
        data, offsets, sizes = self._gather(rows)
        self._data, self._used = data, len(data)
        self._starts, self._sizes, self._count = offsets[:-1].copy(), sizes, len(sizes)


class _Codes:
    """Codes, and the dictionaries that came with them behind each other: codes count from the first."""

    MAX_ENTRIES_PER_ROW = 8
    MAX_PARTS = 3

    def __init__(self, like: Coded, table: _Table) -> None:
        self._codes = _Scalars(like.codes.dtype, table)
        self._parts: list[Dictionary] = [like.dictionary]
        self._firsts = [0]
        self._joined: Dictionary | None = like.dictionary

    @property
    def nbytes(self) -> int:
        """Those of the dictionaries: the codes are in the table."""
        return sum(int(part.values.nbytes) for part in self._parts)

    @property
    def _entries(self) -> int:
        return self._firsts[-1] + len(self._parts[-1])

    def fits(self, column: Column) -> bool:
        if not isinstance(column, Coded) or column.ndim > 1:
            return False
        if column.dictionary is self._parts[-1]:
            return True
        few = self._entries < max(1 << 20, self.MAX_ENTRIES_PER_ROW * len(self._codes.held()))
        return few and column.dictionary.values.type == self._parts[0].values.type

    def append(self, column: Column) -> None:
        assert isinstance(column, Coded)
        if column.dictionary is not self._parts[-1]:
            self._firsts.append(self._entries)
            self._parts.append(column.dictionary)
            self._joined = None
        first = np.int32(self._firsts[-1])
        self._codes.append(
            np.where(column.codes < 0, column.codes, column.codes + first) if first else column.codes
        )

    def take(self, rows: Indices) -> Column:
        if self._joined is None:
            self._joined = Dictionary.joined(self._parts)
        return Coded(self._codes.take(rows), self._joined)

    def keep(self, rows: Indices) -> None:
        if len(self._parts) > self.MAX_PARTS:
            self._drop_parts(self._codes.held())

    def _drop_parts(self, codes: npt.NDArray[np.int32]) -> None:
        """Forget the dictionaries that no code stands for, and count the codes anew."""
        firsts = np.array(self._firsts, np.int32)
        part = np.searchsorted(firsts, codes, side="right") - 1  # -1 where the code is
        counts = np.bincount(part[part >= 0], minlength=len(firsts))
        counts[-1] = 1  # the next rows come with the newest
        used = np.flatnonzero(counts)
        self._parts = [self._parts[number] for number in used]
        self._firsts = np.cumsum([0, *(len(dictionary) for dictionary in self._parts[:-1])]).tolist()
        moved = np.zeros(len(firsts) + 1, np.int32)  # the last one is what -1 finds
        moved[used] = firsts[used] - np.array(self._firsts, np.int32)
        codes -= moved[part]
        self._joined = self._parts[0] if len(self._parts) == 1 else None


class _Any:
    """What fits nowhere else: elements of different shapes."""

    def __init__(self) -> None:
        self._column: Column | None = None

    @property
    def nbytes(self) -> int:
        return 0 if self._column is None else int(self._column.nbytes)

    def fits(self, column: Column) -> bool:
        return True

    def append(self, column: Column) -> None:
        self._column = column if self._column is None else concat_columns([self._column, column])

    def take(self, rows: Indices) -> Column:
        assert self._column is not None
        return take_column(self._column, rows)

    def keep(self, rows: Indices) -> None:
        self._column = self.take(rows)


class Store:
    """Elements by number of arrival; `keep` drops the others and renumbers from 0.

    >>> store = Store()
    >>> store.append(Block((np.array([10, 20, 30]),), 3))
    >>> store.take(np.array([2, 0])).columns[0]
    array([30, 10])
    """

    def __init__(self) -> None:
        self.length = 0
        self._columns: list[_Growing] = []
        self._tables: dict[int, _Table] = {}

    @property
    def nbytes(self) -> int:
        """Bytes in use, with the room for more elements."""
        tables = sum(table.nbytes for table in self._tables.values())
        return tables + sum(column.nbytes for column in self._columns)

    def append(self, block: Block) -> None:
        """Add elements at the end."""
        for i, column in enumerate(block.columns):
            if i == len(self._columns):
                self._columns.append(self._growing(column))
            elif not self._columns[i].fits(column):
                self._columns[i] = self._widened(self._columns[i], column)
        for table in self._tables.values():
            table.reserve(block.length)
        for growing, column in zip(self._columns, block.columns, strict=True):
            growing.append(column)
        self.length += block.length

    def _growing(self, column: Column) -> _Growing:
        if isinstance(column, np.ndarray):
            width = column.dtype.itemsize
            table = column.ndim == 1 and width <= 8 and column.dtype != object
            return _Scalars(column.dtype, self._table(width)) if table else _Arrays(column)
        if isinstance(column, Coded) and column.ndim == 1:
            return _Codes(column, self._table(column.codes.dtype.itemsize))
        return _Text(column.decoded()) if isinstance(column, Strings) else _Any()

    def _table(self, width: int) -> _Table:
        return self._tables.setdefault(width, _Table(width))

    def _widened(self, old: _Growing, column: Column) -> _Growing:
        """Move a column to a form that takes the new elements too."""
        rows = np.arange(self.length)
        for table in self._tables.values():
            table.gather(rows)
        held = old.take(rows)
        text = (
            isinstance(held, Strings) and isinstance(column, Strings) and held.shape[1:] == column.shape[1:]
        )
        new: _Growing = _Text(held) if text and isinstance(held, Strings) else _Any()
        new.append(held)
        return new if new.fits(column) else self._widened(new, column)

    def take(self, rows: Indices) -> Block:
        """Gather elements."""
        for table in self._tables.values():
            table.gather(rows)
        return Block(tuple(column.take(rows) for column in self._columns), len(rows))

    def keep(self, rows: Indices) -> None:
        """Forget all other elements; `rows` ascend."""
        for table in self._tables.values():
            table.keep(rows)
        for column in self._columns:
            column.keep(rows)
        self.length = len(rows)
