"""Columns of text and bytes: over an Arrow array, as pieces of a buffer, or as codes of a dictionary."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataflow import kernels
from dataflow.errors import SpecError
from dataflow.spec import BINARY, STRING

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
            for item in values.flat:
                if not isinstance(item, str | bytes | int | float | None):
                    what = type(item).__name__
                    raise SpecError(f"a {what} is neither a number nor text: {item!r}") from error
            raise SpecError(f"values of a {kind} component must be {kind}: {error}") from error

    @property
    def dtype(self) -> np.dtype[Any]:
        """`STRING` or `BINARY`."""
        kind = self.values.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        return text_dtype(kind)

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
        width, shape = math.prod(self.shape[1:]), (len(indices), *self.shape[1:])
        if width != 1:
            indices = (indices[:, None] * width + np.arange(width)).ravel()
        return Strings(self.values.take(pa.array(indices)), shape)

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


class Dictionary:
    """The strings that codes stand for, and their Python objects, which are made once.

    Args:
        values: Arrow text or binary array.
        parts: Dictionaries whose entries these are, behind each other.
    """

    __slots__ = ("__weakref__", "_derived", "_given", "_objects", "_parts", "values")
    _known: ClassVar[weakref.WeakValueDictionary[tuple[Any, ...], Dictionary]] = weakref.WeakValueDictionary()

    def __init__(self, values: pa.Array, parts: Sequence[Dictionary] = ()) -> None:
        self.values = values
        self._parts = parts
        self._objects: npt.NDArray[Any] | None = None
        self._given = 0
        self._derived: dict[Any, npt.NDArray[Any]] = {}

    @classmethod
    def of(cls, values: pa.Array) -> Dictionary:
        """Return the dictionary over these very buffers, so that slices of one array share it."""
        buffers = [buffer.address for buffer in values.buffers()[1:] if buffer is not None]
        key = (values.type, *buffers, values.offset, len(values))
        found = cls._known.get(key)  # it keeps its buffers, so nothing else lies at their addresses
        if found is None:
            found = cls._known[key] = cls(values)
        return found

    @classmethod
    def joined(cls, parts: Sequence[Dictionary]) -> Dictionary:
        """Return the entries of all parts behind each other; some may be there several times."""
        leaves = [leaf for part in parts for leaf in part._parts or (part,)]
        return cls(pa.concat_arrays([part.values for part in parts]), tuple(leaves))

    def __len__(self) -> int:
        return len(self.values)

    def objects(self, codes: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        """Return what the codes stand for as an object array; -1 is None."""
        self._given += codes.size
        if self._objects is None and not self._parts and self._given < len(self.values) // 2:
            flat = pa.array(codes.ravel(), mask=codes.ravel() < 0)  # few of many entries
            found = np.asarray(self.values.take(flat).to_numpy(zero_copy_only=False), object)
            return found.reshape(codes.shape)
        return self._entries()[codes]

    def derived(
        self, key: Any, function: Callable[[pa.Array], npt.NDArray[Any]], missing: Any
    ) -> npt.NDArray[Any]:
        """Return what the function makes of each entry, computed once for a key; at -1, `missing`."""
        found = self._derived.get(key)
        if found is None:
            found = self._derived[key] = np.append(function(self.values), missing)
        return found

    def _entries(self) -> npt.NDArray[Any]:
        """Return all entries as objects, and a None behind them, which -1 finds."""
        if self._objects is None:
            whole = [part._entries()[:-1] for part in self._parts]
            whole = whole or [self.values.to_numpy(zero_copy_only=False)]
            self._objects = np.concatenate((*whole, np.array([None])))
        return self._objects


class Coded(Strings):
    """Dictionary-encoded text: to gather it is to gather integers.

    Args:
        codes: int32 of any rank: numbers of entries, -1 for a null.
        dictionary: The entries.

    >>> column = Coded.from_arrow(pa.array(["a", "b", None, "a"]).dictionary_encode())
    >>> column.codes, column.to_numpy()
    (array([ 0,  1, -1,  0], dtype=int32), array(['a', 'b', None, 'a'], dtype=object))
    """

    __slots__ = ("_values", "codes", "dictionary")

    def __init__(self, codes: npt.NDArray[np.int32], dictionary: Dictionary) -> None:
        self.codes = codes
        self.dictionary = dictionary
        self.shape = codes.shape
        self._values: pa.Array | None = None

    @classmethod
    def from_arrow(cls, array: pa.Array, dictionary: Dictionary | None = None) -> Coded:
        """Make a column of a dictionary array; `dictionary` if its entries are at hand already."""
        indices = array.indices.fill_null(-1) if array.indices.null_count else array.indices
        codes = np.asarray(indices).astype(np.int32, copy=False)
        if array.dictionary.null_count:  # a null may be an entry too
            entry_null = np.asarray(array.dictionary.is_null())
            codes = np.where((codes >= 0) & ~entry_null[codes], codes, np.int32(-1))
        return cls(codes, Dictionary.of(array.dictionary) if dictionary is None else dictionary)

    @classmethod
    def joined(cls, columns: Sequence[Coded]) -> Coded | None:
        """Join columns of one shape of rows; None if they have more entries than strings, or of two types."""
        dictionaries = list(dict.fromkeys(column.dictionary for column in columns))
        if len(dictionaries) == 1:
            return cls(np.concatenate([column.codes for column in columns]), dictionaries[0])
        firsts = np.cumsum([0, *(len(dictionary) for dictionary in dictionaries)])
        size = sum(dictionary.values.nbytes for dictionary in dictionaries)
        one_type = len({dictionary.values.type for dictionary in dictionaries}) == 1
        if firsts[-1] > sum(column.codes.size for column in columns) or not one_type or size > 2**30:
            return None
        first = dict(zip(dictionaries, firsts.astype(np.int32), strict=False))
        moved = [np.where(c.codes < 0, c.codes, c.codes + first[c.dictionary]) for c in columns]
        return cls(np.concatenate(moved), Dictionary.joined(dictionaries))

    @property
    def values(self) -> pa.Array:
        """The text as an Arrow dictionary array."""
        if self._values is None:
            flat = self.codes.ravel()
            null = flat < 0
            indices = pa.array(flat, mask=null) if null.any() else pa.array(flat)
            self._values = pa.DictionaryArray.from_arrays(indices, self.dictionary.values)
        return self._values

    @property
    def nbytes(self) -> int:
        """Bytes of the codes."""
        return self.codes.nbytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """`STRING` or `BINARY`."""
        return text_dtype(self.dictionary.values.type)

    def reshape(self, shape: Sequence[int]) -> Strings:
        """Return the same values in another shape, without a copy; one size may be -1."""
        return Coded(self.codes.reshape(tuple(shape)), self.dictionary)

    def slice(self, start: int, stop: int) -> Strings:
        """Return rows ``start:stop`` of the leading axis, without a copy."""
        return Coded(self.codes[start : max(start, stop)], self.dictionary)

    def take(self, indices: Indices) -> Strings:
        """Return the rows at the indices of the leading axis."""
        return Coded(np.take(self.codes, indices, axis=0), self.dictionary)

    def to_numpy(self) -> npt.NDArray[Any]:
        """Return an object array of `str` or `bytes`, None for nulls."""
        return self.dictionary.objects(self.codes)

    def item(self, index: int) -> Any:
        """Return one row of the leading axis: `str`, `bytes`, None, or an object array."""
        return self.dictionary.objects(self.codes[index : index + 1])[0]


def by_value(
    column: Strings, key: Any, function: Callable[[pa.Array], npt.NDArray[Any]], missing: Any
) -> npt.NDArray[Any]:
    """Return what a function makes of each value by itself; of coded text, it is computed once per entry.

    Args:
        column: Text of any shape.
        key: Names the function, with all that its results depend on.
        function: From an Arrow array to a NumPy array of its length, of the dtype of `missing`; sees nulls
            where the text is not coded.
        missing: The result for a null.
    """
    if not isinstance(column, Coded) and pa.types.is_dictionary(column.values.type):
        column = Coded.from_arrow(column.values).reshape(column.shape)
    if isinstance(column, Coded):
        return column.dictionary.derived(key, function, missing)[column.codes]
    return function(column.values).reshape(column.shape)


def text_dtype(kind: pa.DataType) -> np.dtype[Any]:
    """Return `BINARY` for the Arrow types of bytes, else `STRING`."""
    return BINARY if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else STRING


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
