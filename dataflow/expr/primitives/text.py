"""Primitives on text, computed by Arrow on whole columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import METHODS, Primitive, Tensor, broadcast_shapes
from dataflow.spec import STRING, TensorSpec, as_dtype, dtype_name, is_text
from dataflow.strings import Coded, Dictionary, Strings, by_value


def _text(name: str, *tensors: Tensor) -> None:
    for tensor in tensors:
        if not is_text(tensor.dtype):
            raise SpecError(f"{name} needs text, and got {tensor.spec}")


def require_utf8(name: str, *tensors: Tensor) -> None:
    """Raise `SpecError` unless the tensors hold text, not bytes."""
    _text(name, *tensors)
    for tensor in tensors:
        if tensor.dtype != STRING:
            raise SpecError(
                f"{name} needs text, and got {tensor.spec}", hint="decode bytes with text.decode first"
            )


def broadcast_text(value: Strings, shape: tuple[int, ...]) -> Strings:
    """Repeat text to a shape, by NumPy's rules."""
    if value.shape == shape:
        return value
    positions = np.arange(len(value.values)).reshape(value.shape)
    return Strings(value.values.take(pa.array(np.broadcast_to(positions, shape).ravel())), shape)


def _equal_infer(a: Tensor, b: Tensor) -> TensorSpec:
    _text("comparison with text", a, b)
    return TensorSpec(broadcast_shapes(a.shape, b.shape), bool)


def _equal(_: int, a: Strings, b: Strings) -> Any:
    shape = np.broadcast_shapes(a.shape, b.shape)
    left = a if a.shape == shape else broadcast_text(a, shape)
    if len(b.values) != 1:
        right = broadcast_text(b, shape).decoded().values
        return np.asarray(pc.fill_null(pc.equal(left.decoded().values, right), False)).reshape(shape)
    value = b.values[0].as_py()

    def equal(values: pa.Array) -> npt.NDArray[np.bool_]:
        return np.asarray(pc.fill_null(pc.equal(values, pa.scalar(value, values.type)), False))

    return by_value(left, ("equal", value), equal, False)


string_equal = Primitive(
    "string_equal",
    _equal_infer,
    _equal,
    lambda: [
        ((np.array(["a", "b", "a"], object), "a"), {}),
        ((np.array(["a"], object), np.array(["b"], object)), {}),
    ],
    elementwise=True,
    total=True,
)


def _unary(
    name: str, function: Callable[[pa.Array], Any], dtype: Any, methods: tuple[str, ...] = ()
) -> Primitive:
    def infer(x: Tensor) -> TensorSpec:
        (_text if name == "bytes_length" else require_utf8)(name, x)
        return TensorSpec(x.shape, x.dtype if dtype is None else dtype)

    def compute(_: int, x: Strings) -> Any:
        if dtype is not None:
            return by_value(x, name, lambda values: np.asarray(function(values)), dtype(0))
        if isinstance(x, Coded):
            return Coded(x.codes, Dictionary(function(x.dictionary.values)))
        return Strings(function(x.decoded().values), x.shape)

    record = Primitive(
        name, infer, compute, lambda: [((np.array([" Ab", "c "], object),), {})], elementwise=True
    )
    METHODS.update(dict.fromkeys(methods, record))
    return record


UNARY: dict[str, Primitive] = {
    record.name: record
    for record in (
        _unary("string_lower", pc.utf8_lower, None, ("lower",)),
        _unary("string_upper", pc.utf8_upper, None, ("upper",)),
        _unary("string_strip", pc.utf8_trim_whitespace, None, ("strip",)),
        _unary("string_length", lambda a: pc.fill_null(pc.utf8_length(a), 0).cast(pa.int32()), np.int32),
        _unary("bytes_length", lambda a: pc.fill_null(pc.binary_length(a), 0).cast(pa.int32()), np.int32),
    )
}
"""``text.lower()``, ``.upper()``, ``.strip()`` and lengths in characters and in bytes."""


def _number_infer(x: Tensor, *, dtype: str) -> TensorSpec:
    _text("to_number", x)
    return TensorSpec(x.shape, as_dtype(dtype))


def _to_number(lead: int, x: Strings, *, dtype: str) -> Any:
    values = x.decoded().values
    for candidate in (values, pc.utf8_trim_whitespace(values) if x.dtype == STRING else values):
        try:
            return np.asarray(pc.cast(candidate, pa.from_numpy_dtype(np.dtype(dtype)))).reshape(x.shape)
        except pa.ArrowInvalid:
            continue
    for i, value in enumerate(values.to_pylist()):
        try:
            pc.cast(pa.array([value.strip()]), pa.from_numpy_dtype(np.dtype(dtype)))
        except pa.ArrowInvalid:
            error = InvalidArgumentError(
                f"{value!r} is not a {dtype_name(np.dtype(dtype))}",
                hint="clean the value first, or filter the row out",
            )
            error.row = i // max(1, len(values) // len(x)) if lead else None
            raise error from None
    raise AssertionError("the column failed to convert, but none of its values did")


to_number = Primitive(
    "to_number",
    _number_infer,
    _to_number,
    lambda: [((np.array(["1.5", "2"], object),), {"dtype": "float32"})],
    elementwise=True,
)


def _is_missing(_: int, x: Strings) -> Any:
    def missing(values: pa.Array) -> npt.NDArray[np.bool_]:
        return np.asarray(pc.fill_null(pc.equal(pc.binary_length(values), 0), True))

    return by_value(x, "is_missing", missing, True)


is_missing = Primitive(
    "is_missing",
    lambda x: TensorSpec(x.shape, bool),
    _is_missing,
    lambda: [((np.array(["", "a"], object),), {})],
    elementwise=True,
)
"""True where text is null or empty."""

__all__ = ["STRING", "UNARY", "is_missing", "string_equal", "to_number"]
