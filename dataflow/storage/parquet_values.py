"""Values of Parquet files: columns of one value, and which value it is that is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from dataflow.arrow_columns import is_plain_number, is_tensor, without_extension
from dataflow.block import Column
from dataflow.storage.parquet_schema import depth
from dataflow.strings import Coded, Dictionary

Constant: TypeAlias = Callable[[int], Column]
"""Makes a column of so many rows that are all the same."""


def constant(value: Any, dtype: np.dtype[Any]) -> Constant:
    """Return what makes columns of one value, None for a null, without a copy of it for each row."""
    if dtype.kind in "US":
        entries = [] if value is None else [value]
        dictionary = Dictionary(pa.array(entries, pa.binary() if dtype.kind == "S" else pa.string()))
        code = np.int32(len(entries) - 1)
        return lambda rows: Coded(np.broadcast_to(code, (rows,)), dictionary)
    if value is None:
        value = np.datetime64("NaT") if dtype.kind in "mM" else np.nan
    item = np.asarray(value, dtype)
    return lambda rows: np.broadcast_to(item, (rows,))


def checked(array: pa.Array) -> pa.Array:
    """Return what an array is stored as, in which each code has an entry in its dictionary.

    Raises:
        pyarrow.ArrowInvalid: One has not, which Arrow does not look at while it reads.
    """
    if is_plain_number(array.type):
        return array
    if not is_tensor(array.type):
        array = without_extension(array)
    inner = _innermost(array)
    if pa.types.is_dictionary(inner.type) and inner.null_count < len(inner):
        size, codes = len(inner.dictionary), np.asarray(inner.indices.drop_null())
        if codes.min() < 0 or codes.max() >= size:
            raise pa.ArrowInvalid(f"a code is not in the dictionary of {size} entries")
    return array


def validate(array: pa.Array) -> None:
    """Raise ArrowInvalid unless all text in an array, or in lists, is UTF-8."""
    array = _innermost(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary
    array.validate(full=True)


def _innermost(array: pa.Array) -> pa.Array:
    """Return what is in all lists."""
    array = without_extension(array)
    while (depth(array.type) and not is_tensor(array.type)) or pa.types.is_large_list(array.type):
        array = without_extension(array.flatten())
    return array


def first_refused(array: pa.Array, convert: Callable[[pa.Array], Any]) -> int:
    """Return the first row on which a conversion fails that fails on all of them."""
    low, high = 0, len(array)  # array[:low] is fine, array[:high] is not
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low
