"""JSON as it comes and goes: by orjson if it is installed, else by the standard library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from estimators.graph.variable import Array

try:
    import orjson
except ModuleNotFoundError:
    orjson = None  # type: ignore[assignment]


def loads(text: bytes) -> Any:
    """Return the value of a text; the tokens NaN, Infinity and -Infinity are floats.

    Raises:
        ValueError: It is no JSON.
    """
    if orjson is not None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            if b"NaN" not in text and b"Infinity" not in text:
                raise
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Return a value of dicts, lists, scalars and arrays of numbers as text; NaN and infinities are null."""
    if orjson is not None:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(
        value, default=lists, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def lists(array: Array) -> Any:
    """Return an array of numbers as nested lists, with as few digits as tell values of its dtype apart."""
    if array.dtype.kind != "f":
        return array.tolist()
    if orjson is not None:
        wide = array.astype(np.float32) if array.dtype == np.float16 else array
        return orjson.loads(orjson.dumps(np.ascontiguousarray(wide), option=orjson.OPT_SERIALIZE_NUMPY))
    short = np.array([float(str(item)) for item in array.ravel()], object).reshape(array.shape)
    short[~np.isfinite(array)] = None
    return short.tolist()
