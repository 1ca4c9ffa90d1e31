"""Inputs of requests: nested lists, checked against their specs, and joined to arrays."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.spec import BINARY, TensorSpec, dtype_name, is_text
from dataflow.strings import Strings
from estimators.serving.errors import RequestError, bad

_JSON_TYPES: dict[type, str] = {
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    bool: "Bool",
}
_TYPES: dict[str, set[type]] = {
    "f": {int, float},
    "i": {int},
    "u": {int},
    "b": {bool},
    "U": {str, dict},
    "S": {str, dict},
}
_NONE: set[type] = set()
B64 = "b64"


@dataclasses.dataclass(slots=True)  # frozen ones take twice the time to make
class Column:
    """One input of a request.

    Args:
        values: Leaves in order, of the spec's kind and range.
        shape: How they were nested.
    """

    values: list[Any]
    shape: tuple[int, ...]


def column(value: Any, spec: TensorSpec, name: str) -> Column:
    """Return a JSON value as a column.

    Args:
        value: A nested list; a scalar if the spec has no axes. A text may be ``{"b64": ...}``.
        spec: What the input takes.
        name: Of the input, for messages.

    Raises:
        RequestError: It has another shape or kind, or loses by the spec's dtype.
    """
    level: list[Any] = [value]
    shape: tuple[int, ...] = ()
    for wanted in spec.shape:
        first = level[0]
        if len(level) == 1 and type(first) is list:
            level, size = first, len(first)
        else:
            level, size = _opened(level, spec, name)
        if not size or (wanted is not None and wanted != size):
            raise bad(
                f"input {name!r} has size {size} at axis {len(shape)}, and must have the shape {_shown(spec)}"
            )
        shape = (*shape, size)
    kind = spec.dtype.kind
    if kind == "f" and len(level) == 1 and type(level[0]) is float:  # the short way of what is asked most
        low, high, _ = _limits(spec.dtype)
        if low <= level[0] <= high:
            return Column(level, shape)
    types = set(map(type, level))
    if not types <= _TYPES.get(kind, _NONE):
        if list in types:
            raise bad(f"input {name!r} is nested too deeply: it must have the shape {_shown(spec)}")
        raise _wrong_kind(level, spec, name)
    if kind in "US":
        level = _texts(level, spec, name, types)
    elif kind != "b":
        low, high, exact = _limits(spec.dtype)
        if not (min(level) >= low and max(level) <= high):
            _check_range(level, spec.dtype, name)
        elif exact and int in types:
            _check_exact(level, spec.dtype, name, exact)
    return Column(level, shape)


def _opened(level: list[Any], spec: TensorSpec, name: str) -> tuple[list[Any], int]:
    """Return the items of all lists of a level behind each other, and how many each has."""
    if set(map(type, level)) != {list}:
        raise _wrong_shape(level, spec, name)
    sizes = set(map(len, level))
    if len(sizes) > 1:
        raise bad(f"input {name!r}: rows have different sizes, such as {min(sizes)} and {max(sizes)}")
    return list(chain.from_iterable(level)), len(level[0])


def joined(columns: Sequence[Column], spec: TensorSpec, size: int | None) -> Any:
    """Return the rows of several columns as one array.

    Args:
        columns: Of the same shapes, but for the first axis.
        spec: What the input takes.
        size: How many rows to give: those behind the last are as it; None: as many as there are.
    """
    first = columns[0]
    values, shape = first.values, first.shape
    if size is not None and (len(columns) > 1 or shape[0] != size):
        rows = sum([c.shape[0] for c in columns])
        if len(columns) > 1:
            values = list(chain.from_iterable([c.values for c in columns]))
        if rows < size:
            values = values + values[-(len(values) // rows) :] * (size - rows)
        shape = (size, *shape[1:])
    if is_text(spec.dtype):
        return Strings(pa.array(values, pa.binary() if spec.dtype == BINARY else pa.string()), shape)
    array = np.array(values, spec.dtype)
    return array if len(shape) == 1 else array.reshape(shape)


def _shown(spec: TensorSpec) -> str:
    return str([-1 if size is None else size for size in spec.shape])


def _wrong_shape(level: Sequence[Any], spec: TensorSpec, name: str) -> RequestError:
    other = next(item for item in level if type(item) is not list)
    return bad(
        f"input {name!r} must have the shape {_shown(spec)}: {_text(other)} is found where a list must be"
    )


def _wrong_kind(level: Sequence[Any], spec: TensorSpec, name: str) -> RequestError:
    allowed = _TYPES.get(spec.dtype.kind, set())
    other = next(item for item in level if type(item) not in allowed)
    kind = _JSON_TYPES.get(type(other), "Null")
    return bad(
        f"input {name!r}: JSON Value: {_text(other)} Type: {kind} is not of expected type: "
        f"{dtype_name(spec.dtype)}"
    )


def _text(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"


@functools.cache
def _limits(dtype: np.dtype[Any]) -> tuple[float, float, int | None]:
    """Return the least and the greatest value, and for floats the integer up to which all are exact."""
    if dtype.kind in "iu":
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max), None
    largest = float(np.finfo(dtype).max)
    return -largest, largest, 1 << (np.finfo(dtype).nmant + 1)


def _check_range(level: Sequence[Any], dtype: np.dtype[Any], name: str) -> None:
    """Refuse numbers that the dtype cannot hold; NaN and infinities it can, if it is of floats."""
    low, high, _ = _limits(dtype)
    for item in level:
        if (item < low or item > high) and item not in (math.inf, -math.inf):
            raise bad(f"input {name!r}: {_text(item)} is out of the range of {dtype}")


def _check_exact(level: Sequence[Any], dtype: np.dtype[Any], name: str, exact: int) -> None:
    """Refuse integers that the dtype would round."""
    for item in level:
        if type(item) is int and abs(item) > exact and int(dtype.type(item)) != item:
            raise bad(f"input {name!r}: cannot convert {_text(item)} to {dtype} without loss of precision")


def _texts(level: list[Any], spec: TensorSpec, name: str, types: set[type]) -> list[Any]:
    """Return text or bytes with base64 decoded."""
    binary = spec.dtype == BINARY
    try:
        if dict in types or binary:
            level = [decoded(item, name) if type(item) is dict else item.encode() for item in level]
            return level if binary else [item.decode() for item in level]
        "".join(level).encode()
    except UnicodeError as error:
        raise bad(f"input {name!r} holds text that is no Unicode: {error}") from None
    return level


def is_b64(value: Any) -> bool:
    """Tell whether a JSON value is base64 of bytes."""
    return type(value) is dict and len(value) == 1 and type(value.get(B64)) is str


def decoded(value: dict[str, Any], name: str) -> bytes:
    """Return the bytes of ``{"b64": ...}``; `name` is of the input, for messages."""
    if not is_b64(value):
        raise bad(
            f"input {name!r}: JSON Value: {_text(value)} not formatted correctly for base64 data: "
            '{"b64": "..."}'
        )
    text = "".join(value[B64].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad(f"input {name!r}: unable to base64 decode: {error}") from None
