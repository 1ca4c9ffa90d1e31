"""Blocks as runs of bytes, for files and for memory that processes share.

A block becomes a form, which is plain lists, numbers and names that JSON can hold, and pieces of memory that
lie behind each other: numbers as they are, text as the offsets, bytes and validity bits of Arrow, or as codes
and a dictionary. Nothing is copied before the pieces are written, and `unpack` makes views.

>>> packed = Packed(Block((np.array([1, 2]), Strings(pa.array(["a", None]))), 2))
>>> data = np.empty(packed.size, np.uint8)
>>> packed.write(data)
>>> unpack(packed.form, data).columns
(array([1, 2]), Strings(string, shape=(2,)))
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow.block import Block, Column, Ragged
from dataflow.errors import InvalidArgumentError
from dataflow.strings import Coded, Dictionary, Strings

Bytes: TypeAlias = npt.NDArray[np.uint8]
Form: TypeAlias = Sequence[Any]
"""What a block or column is, and where its bytes lie."""
Known: TypeAlias = dict[int, Dictionary]
"""The dictionary that was last seen of each column."""

ALIGNMENT = 64
"""Pieces begin at multiples of it, so that they can be used where they are."""

_TEXT = {str(kind): kind for kind in (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())}
_DTYPE = re.compile(r"[<>|][biufcmM]\d+(\[\w+\])?")


class Packed:
    """The bytes of a block, not yet joined, and the form to read them by.

    Raises:
        InvalidArgumentError: A column holds Python objects.
    """

    def __init__(self, block: Block) -> None:
        self.size = 0
        """How many bytes are written."""
        self._pieces: list[Bytes] = []
        self.form: Form = [int(block.length), [self._column(column) for column in block.columns]]

    def write(self, target: Bytes) -> None:
        """Copy the bytes to the start of `target`."""
        start = 0
        for piece in self._pieces:
            stop, end = start + len(piece), start + padded(len(piece))
            target[start:stop] = piece
            target[stop:end] = 0
            start = end

    def write_to(self, file: IO[bytes]) -> None:
        """Write the bytes to a file."""
        for piece in self._pieces:
            file.write(piece.data)
            file.write(bytes(-len(piece) % ALIGNMENT))

    def _place(self, piece: npt.NDArray[Any]) -> int:
        """Append a piece, and return where it begins."""
        start = self.size
        data = np.ascontiguousarray(piece).reshape(-1).view(np.uint8)
        self._pieces.append(data)
        self.size += padded(len(data))
        return start

    def _column(self, column: Column) -> Form:
        if isinstance(column, Ragged):
            return ["ragged", self._column(column.values), self._array(column.shapes)]
        if isinstance(column, np.ndarray):
            return self._array(column)
        if not isinstance(column, Coded) and pa.types.is_dictionary(column.values.type):
            column = Coded.from_arrow(column.values).reshape(column.shape)
        if isinstance(column, Coded) and len(column.dictionary) <= column.codes.size:
            entries = column.dictionary.values
            return ["coded", self._array(column.codes), self._text(entries, [len(entries)])]
        return self._text(column.decoded().values, column.shape)

    def _array(self, array: npt.NDArray[Any]) -> Form:
        if array.dtype.kind == "O":
            raise InvalidArgumentError(
                "components that are Python objects can neither be written to files nor sent to processes",
                hint="convert them to tensors with a map before",
            )
        return ["array", array.dtype.str, _plain(array.shape), self._place(array)]

    def _text(self, values: pa.Array, shape: Sequence[int]) -> Form:
        valid_buffer, offset_buffer, data_buffer = values.buffers()
        offsets = np.zeros(1, _offset_dtype(values.type))
        if len(values):
            offsets = np.frombuffer(offset_buffer, offsets.dtype)[values.offset :][: len(values) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        data = np.empty(0, np.uint8)
        if first < last:
            data = np.frombuffer(data_buffer, np.uint8)[first:last]
        form = ["text", str(values.type), _plain(shape), self._place(offsets - first if first else offsets)]
        form += [self._place(data), len(data)]
        if values.null_count:
            if values.offset % 8:
                valid = np.packbits(np.asarray(values.is_valid()), bitorder="little")
            else:
                valid = np.frombuffer(valid_buffer, np.uint8)[values.offset // 8 :][: (len(values) + 7) // 8]
            form.append(self._place(valid))
        return form


def unpack(form: Form, data: Any, known: Known | None = None) -> Block:
    """Return the block that a `Packed` has written; it is made of views of `data`.

    Args:
        form: The packed form; JSON may have made lists of its tuples.
        data: A buffer of bytes.
        known: Kept from block to block, it lets the same dictionaries be one, apart from `data`.

    Raises:
        ValueError: The form is none, or does not fit the bytes.
    """
    try:
        reader = _Reader(np.frombuffer(data, np.uint8), known)
        length, forms = form
        columns = tuple(reader.column(column, number) for number, column in enumerate(forms))
        _expect(type(length) is int and length >= 0, "its length")
        _expect(all(len(column) == length for column in columns), "the length of a column")
    except (ValueError, TypeError, LookupError, OverflowError, pa.ArrowException) as error:
        raise ValueError(f"the form of a block is wrong: {error}") from error
    return Block(columns, length)


class _Reader:
    """Takes columns out of bytes, without trust in their forms."""

    def __init__(self, data: Bytes, known: Known | None) -> None:
        self._data = data
        self._known = known

    def column(self, form: Form, number: int) -> Column:
        if form[0] != "ragged":
            return self._dense(form, number)
        _, inner, outer = form
        values, shapes = self._dense(inner, number), self._array(outer)
        _expect(shapes.dtype == np.int64 and shapes.ndim == 2, "the shapes of elements")
        _expect(values.ndim == 1 and not (shapes < 0).any(), "the shapes of elements")
        ragged = Ragged(values, shapes)
        _expect(
            bool((np.diff(ragged.splits) >= 0).all()) and ragged.splits[-1] == len(values),
            "the shapes of elements",
        )
        return ragged

    def _dense(self, form: Form, number: int) -> npt.NDArray[Any] | Strings:
        if form[0] == "text":
            return Strings(self._text(form), form[2])
        if form[0] != "coded":
            return self._array(form)
        _, inner, entries = form
        codes, dictionary = self._array(inner), self._dictionary(entries, number)
        _expect(codes.dtype == np.int32 and codes.ndim > 0, "a code")
        _expect(not codes.size or (codes.min() >= -1 and codes.max() < len(dictionary)), "a code")
        return Coded(codes, dictionary)

    def _array(self, form: Form) -> npt.NDArray[Any]:
        kind, dtype, shape, start = form
        _expect(kind == "array" and _DTYPE.fullmatch(dtype) is not None, "a dtype")
        return self._view(np.dtype(dtype), shape, start)

    def _view(self, dtype: np.dtype[Any], shape: Sequence[int], start: int) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self._piece(start, _count(shape) * dtype.itemsize).view(dtype)
        return array.reshape(tuple(shape))

    def _piece(self, start: int, size: int) -> Bytes:
        _expect(type(start) is int and start % ALIGNMENT == 0, "the start of a piece")
        _expect(0 <= start <= start + size <= len(self._data), "the end of a piece")
        return self._data[start : start + size]

    def _text(self, form: Form) -> pa.Array:
        word, name, shape, offsets_start, start, size, *valid_start = form
        _expect(word == "text" and type(size) is int and size >= 0, "the size of text")
        kind, count = _TEXT[name], _count(shape)
        offsets = self._view(_offset_dtype(kind), [count + 1], offsets_start)
        _expect(bool((offsets[1:] >= offsets[:-1]).all()), "the order of offsets")
        _expect(offsets[0] == 0 and offsets[-1] == size, "the range of offsets")
        pieces = [offsets, self._piece(start, size)]
        valid = pa.py_buffer(self._piece(valid_start[0], (count + 7) // 8)) if valid_start else None
        return pa.Array.from_buffers(kind, count, [valid, *(pa.py_buffer(piece) for piece in pieces)])

    def _dictionary(self, form: Form, number: int) -> Dictionary:
        values = self._text(form)
        if self._known is None:
            return Dictionary.of(values)
        last = self._known.get(number)
        if last is None or not last.values.equals(values):
            # not views, which would keep the memory of this block while any later one is in use
            apart = [buffer and pa.py_buffer(bytes(buffer)) for buffer in values.buffers()]
            last = Dictionary(pa.Array.from_buffers(values.type, len(values), apart))
            self._known[number] = last
        return last


def padded(size: int) -> int:
    """Return the size with what is left free behind it, up to the next piece."""
    return size + -size % ALIGNMENT


def _plain(shape: Sequence[int]) -> list[int]:
    return [int(size) for size in shape]


def _count(shape: Sequence[int]) -> int:
    _expect(all(type(size) is int and size >= 0 for size in shape), "a shape")
    return math.prod(shape)


def _offset_dtype(kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(np.int64 if kind in (pa.large_string(), pa.large_binary()) else np.int32)


def _expect(is_right: bool | np.bool_, what: str) -> None:
    if not is_right:
        raise ValueError(f"{what} is not as it must be")
