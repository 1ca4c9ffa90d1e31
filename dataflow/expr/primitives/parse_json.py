"""`parse_json`: JSON objects to typed columns."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.block import Ragged
from dataflow.errors import InvalidArgumentError, Location, SpecError, did_you_mean
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import BINARY, STRING, TensorSpec, dtype_name, is_text
from dataflow.strings import Strings


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """A value that is wanted of each object.

    Args:
        key: Its key.
        spec: Its shape and dtype.
        has_default: Whether an object may lack it.
        default: What it is then.
    """

    key: str
    spec: TensorSpec
    has_default: bool = False
    default: Any = None


class _BadValueError(Exception):
    """Why an object does not fit."""


_KINDS: dict[str, tuple[type, ...]] = {
    "b": (bool,), "i": (int,), "u": (int,), "f": (int, float), "U": (str,), "S": (str,),
}  # fmt: skip


def _infer(x: Tensor, *, fields: tuple[Field, ...]) -> tuple[TensorSpec, ...]:
    if not is_text(x.dtype):
        raise SpecError(f"parse_json takes text or bytes, and got {x.spec}")
    return tuple(field.spec.with_shape((*x.shape, *field.spec.shape)) for field in fields)


def _parse(lead: int, x: Strings, *, fields: tuple[Field, ...]) -> tuple[Any, ...]:
    texts = x.decoded().values.to_pylist()
    in_row = max(1, math.prod(x.shape[1:])) if lead else 0
    rows: list[list[Any]] = [[] for _ in fields]
    for number, text in enumerate(texts):
        try:
            record = _object(text)
            for field, values in zip(fields, rows, strict=True):
                values.append(_field_value(field, record))
        except _BadValueError as cause:
            raise _error(f"parse_json: {cause}", text, number, in_row) from None
    return tuple(
        _column(field, values, x.shape, texts, in_row) for field, values in zip(fields, rows, strict=True)
    )


def _error(message: str, text: Any, number: int, in_row: int) -> InvalidArgumentError:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    error = InvalidArgumentError(message, location=Location(value=shown))
    error.row = number // in_row if in_row else None
    return error


def _object(text: Any) -> dict[str, Any]:
    try:
        record = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise _BadValueError(f"the text is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise _BadValueError(f"the text is JSON of a {type(record).__name__}, and an object is needed")
    return record


def _field_value(field: Field, record: dict[str, Any]) -> Any:
    """Return what the object has for a field; null is as if it were missing."""
    value = record.get(field.key)
    if value is not None:
        return value
    if field.has_default:
        return field.default
    if field.key in record:
        raise _BadValueError(f"{field.key!r} is null, and has no default")
    raise _BadValueError(
        f"there is no {field.key!r}, and it has no default; {did_you_mean(field.key, record)}"
    )


def _column(field: Field, values: list[Any], shape: tuple[int, ...], texts: list[Any], in_row: int) -> Any:
    """Return the values of a field in one array, behind the dimensions of the texts."""
    arrays: list[Any] = []
    if _all_fit(field, values):
        arrays = values
    else:
        for number, value in enumerate(values):
            try:
                arrays.append(value if value is field.default else _fitting(field, value))
            except _BadValueError as cause:
                raise _error(f"parse_json: {cause}", texts[number], number, in_row) from None
            if np.shape(arrays[number]) != np.shape(arrays[0]) and in_row != 1:
                message = f"parse_json: {field.key!r} has values of different shapes"
                error = _error(message, texts[number], number, in_row)
                error.hint = "parse each text by itself, in Dataset.map, and use padded_batch then"
                error.row = 0 if number < in_row else None  # None: the block is cut
                raise error
        if any(np.shape(array) != np.shape(arrays[0]) for array in arrays):
            flat = np.concatenate([np.ravel(array) for array in arrays])
            shapes = np.array([np.shape(array) for array in arrays], np.int64)
            return Ragged(_as_column(flat, field.spec.dtype), shapes)
    inner = np.shape(arrays[0]) if arrays else tuple(size or 0 for size in field.spec.shape)
    whole = np.array(arrays, object if is_text(field.spec.dtype) else field.spec.dtype)
    return _as_column(whole.reshape((*shape, *inner)), field.spec.dtype)


def _as_column(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> Any:
    if dtype == BINARY:
        flat = [item.encode() if isinstance(item, str) else item for item in values.ravel()]
        return Strings.from_numpy(np.array(flat, object).reshape(values.shape), BINARY)
    return Strings.from_numpy(values, STRING) if dtype == STRING else values


def _all_fit(field: Field, values: list[Any]) -> bool:
    """Tell quickly whether all values are scalars as wanted; False may also mean that it is not known."""
    kinds = {*_KINDS[field.spec.dtype.kind], type(field.default)}
    if field.spec.shape or not set(map(type, values)) <= kinds or (None in values):
        return False
    try:
        return is_text(field.spec.dtype) or len(np.array(values, field.spec.dtype)) == len(values)
    except OverflowError:
        return False


def _fitting(field: Field, value: Any) -> Any:
    """Return a value as an array of the field's dtype, if it has its shape and kind."""
    spec = field.spec
    allowed = _KINDS[spec.dtype.kind]
    leaves, sizes = _leaves(value, spec.rank)
    fits = sizes is not None and all(want in (None, got) for want, got in zip(spec.shape, sizes, strict=True))
    if not fits or not all(type(leaf) in allowed for leaf in leaves):
        wanted = dtype_name(spec.dtype) + (f" of shape {spec.shape}" if spec.shape else "")
        raise _BadValueError(f"{field.key!r} is {_shown(value)}, and a {wanted} is needed")
    if is_text(spec.dtype):
        return np.array(leaves, object).reshape(sizes)
    try:
        return np.array(leaves, spec.dtype).reshape(sizes)
    except OverflowError:
        raise _BadValueError(
            f"{field.key!r} is {_shown(value)}, which is out of the range of {dtype_name(spec.dtype)}"
        ) from None


def _leaves(value: Any, rank: int) -> tuple[list[Any], tuple[int, ...] | None]:
    """Return the items of nested lists, and their shape, or None if they have no shape of that rank."""
    sizes: tuple[int, ...] = ()
    items = [value]
    for _ in range(rank):
        lengths = {len(item) if isinstance(item, list) else None for item in items}
        if None in lengths or len(lengths) > 1:
            return items, None
        sizes += (lengths.pop() if lengths else 0,)  # type: ignore[operator]
        items = [inner for item in items for inner in item]
    return items, sizes


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:100] + "…"


def _samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    fields = (
        Field("a", TensorSpec((), np.int64)),
        Field("b", TensorSpec((2,), np.float32), True, np.zeros(2, np.float32)),
        Field("c", TensorSpec((), str), True, ""),
    )
    texts = np.array(['{"a": 1, "b": [1, 2.5], "c": "x"}', '{"a": -7, "c": null}'], object)
    return [((texts,), {"fields": fields}), ((texts[0],), {"fields": fields[:1]})]


parse_json_primitive = Primitive("parse_json", _infer, _parse, _samples)
"""One tensor per field, behind the dimensions of the texts."""
