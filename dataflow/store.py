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
    """Return the array, or a copy of twice the capacity if `more` rows do not fit behind `used`."""
    if used + more <= len(array):
        return array
    larger = np.empty((max(2 * len(array), used + more), *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger


class _Growing(Protocol):
    """One column of the store."""

    def fits(self, column: Column) -> bool: ...
    def append(self, column: Column) -> None: ...
    def take(self, rows: Indices) -> Column: ...
    def keep(self, rows: Indices) -> None: ...


class _Numbers:
    """Rows behind each other in one array, and the newest ones still where they came from."""

    def __init__(self, like: npt.NDArray[Any]) -> None:
        self._data = np.empty((0, *like.shape[1:]), like.dtype)
        self._used = 0
        self._recent: npt.NDArray[Any] = self._data

    def fits(self, column: Column) -> bool:
        return isinstance(column, np.ndarray) and column.shape[1:] == self._data.shape[1:]

    def append(self, column: Column) -> None:
        assert isinstance(column, np.ndarray)
        recent, self._recent = self._recent, column
        if len(recent):
            self._data = grown(self._data, self._used, len(recent))
            self._data[self._used : self._used + len(recent)] = recent
            self._used += len(recent)

    def take(self, rows: Indices) -> Column:
        first, second = self._data[: self._used], self._recent
        if first.ndim > 1 or second.dtype.itemsize > 8 or not second.flags.c_contiguous:
            return np.take(np.concatenate((first, second)), rows, axis=0)
        out = np.empty(len(rows), first.dtype)
        word = f"u{first.dtype.itemsize}"  # few kernels: by size, not by kind
        kernels.text.gather_rows(first.view(word), second.view(word), rows, out.view(word))
        return out

    def keep(self, rows: Indices) -> None:
        kept = np.asarray(self.take(rows))
        self._data, self._used = kept, len(kept)
        self._recent = kept[:0]


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

    def __init__(self, like: Coded) -> None:
        self._codes = _Numbers(like.codes)
        self._parts: list[Dictionary] = [like.dictionary]
        self._firsts = [0]
        self._joined: Dictionary | None = like.dictionary
        self._rows = 0

    def fits(self, column: Column) -> bool:
        if not isinstance(column, Coded) or not self._codes.fits(column.codes):
            return False
        same_kind = column.dictionary.values.type == self._parts[0].values.type
        few = self._entries < max(1 << 20, self.MAX_ENTRIES_PER_ROW * self._rows)
        return same_kind and (few or column.dictionary is self._parts[-1])

    @property
    def _entries(self) -> int:
        return self._firsts[-1] + len(self._parts[-1])

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
        self._rows += len(column.codes)

    def take(self, rows: Indices) -> Column:
        if self._joined is None:
            self._joined = Dictionary.joined(self._parts)
        return Coded(np.asarray(self._codes.take(rows)), self._joined)

    def keep(self, rows: Indices) -> None:
        self._codes.keep(rows)
        self._rows = len(rows)
        if len(self._parts) > 1:
            self._drop_parts(self._codes.take(np.arange(len(rows))))

    def _drop_parts(self, column: Column) -> None:
        """Forget the dictionaries that no code stands for."""
        codes = np.asarray(column)
        firsts = np.array(self._firsts)
        part = np.searchsorted(firsts, codes, side="right") - 1  # -1 where the code is
        used = sorted({*np.unique(part).tolist(), len(firsts) - 1} - {-1})
        if len(used) == len(firsts):
            return
        self._parts = [self._parts[number] for number in used]
        self._firsts = np.cumsum([0, *(len(dictionary) for dictionary in self._parts[:-1])]).tolist()
        moved = np.zeros(len(firsts) + 1, np.int64)  # the last one is what -1 finds
        moved[used] = firsts[used] - self._firsts
        self._codes = _Numbers(codes)
        self._codes.append((codes - moved[part]).astype(np.int32))
        self._joined = self._parts[0] if len(self._parts) == 1 else None


class _Any:
    """What fits nowhere else: elements of different shapes."""

    def __init__(self) -> None:
        self._column: Column | None = None

    def fits(self, column: Column) -> bool:
        return True

    def append(self, column: Column) -> None:
        self._column = column if self._column is None else concat_columns([self._column, column])

    def take(self, rows: Indices) -> Column:
        assert self._column is not None
        return take_column(self._column, rows)

    def keep(self, rows: Indices) -> None:
        self._column = self.take(rows)


def _growing(column: Column) -> _Growing:
    if isinstance(column, np.ndarray):
        return _Numbers(column)
    if isinstance(column, Coded):
        return _Codes(column)
    return _Text(column) if isinstance(column, Strings) else _Any()


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

    def append(self, block: Block) -> None:
        """Add elements at the end."""
        if not self._columns:
            self._columns = [_growing(column) for column in block.columns]
        for i, column in enumerate(block.columns):
            if not self._columns[i].fits(column):
                self._columns[i] = self._widened(self._columns[i], column)
            self._columns[i].append(column)
        self.length += block.length

    def _widened(self, old: _Growing, column: Column) -> _Growing:
        """Move a column to a form that takes the new elements too."""
        held = old.take(np.arange(self.length))
        text = (
            isinstance(held, Strings) and isinstance(column, Strings) and held.shape[1:] == column.shape[1:]
        )
        new: _Growing = _Text(held) if text and isinstance(held, Strings) else _Any()
        new.append(held)
        return new if new.fits(column) else self._widened(new, column)

    def take(self, rows: Indices) -> Block:
        """Gather elements."""
        return Block(tuple(column.take(rows) for column in self._columns), len(rows))

    def keep(self, rows: Indices) -> None:
        """Forget all other elements; `rows` ascend."""
        for column in self._columns:
            column.keep(rows)
        self.length = len(rows)
