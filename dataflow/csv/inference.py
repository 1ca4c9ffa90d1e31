"""Which dtype the texts of a CSV column ask for, as ``make_csv_dataset`` infers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.spec import STRING

KINDS: tuple[np.dtype[Any], ...] = (
    np.dtype(np.int32),
    np.dtype(np.int64),
    np.dtype(np.float32),
    np.dtype(np.float64),
    STRING,
)
"""What columns may become, from narrow to wide."""

_INT32, _INT64, _FLOAT32, _FLOAT64, _STRING = range(5)
_INTEGER = r"^-?[0-9]+$"
_NUMBER = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|-[iI][nN][fF])$"


def widened(kind: int | None, texts: pa.Array) -> int | None:
    """Return the kind that holds what was seen before and these texts; None if all was missing.

    Args:
        kind: Position in `KINDS` of what was seen before, None if nothing was.
        texts: Fields without quotes; empty ones are missing, and change nothing.

    >>> KINDS[widened(None, pa.array(["7", "", "3000000000"]))]
    dtype('int64')
    """
    seen = texts.filter(pc.not_equal(texts, ""))
    if not len(seen) or kind == _STRING:
        return kind
    return max(_INT32 if kind is None else kind, _narrowest(pc.ascii_trim_whitespace(seen)))


def _narrowest(texts: pa.Array) -> int:
    """Return the narrowest kind for all texts: one in which `CsvFormat` reads each of them.

    As in tf.data, hexadecimal numbers, "nan" and "inf" are text, though a float column reads them.
    """
    if _all_match(texts, _INTEGER):
        try:
            numbers = texts.cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:  # too large
            pass
        else:
            limits = np.iinfo(np.int32)
            small = numbers.min() >= limits.min and numbers.max() <= limits.max
            return _INT32 if small else _INT64
    if not _all_match(texts, _NUMBER):
        return _STRING
    floats = texts.cast(pa.float64()).to_numpy()
    with np.errstate(over="ignore"):
        single = floats.astype(np.float32)
    if not np.isposinf(single).any():
        return _FLOAT32
    return _STRING if np.isposinf(floats).any() else _FLOAT64


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())
