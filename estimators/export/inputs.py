"""What requests give, converted to what a signature takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from dataflow.spec import BINARY, STRING, TensorSpec, dtype_name, is_text
from dataflow.strings import Strings


def as_input(value: Any, spec: TensorSpec, name: str) -> Any:
    """Return a value as a column of the spec's dtype.

    Raises:
        InvalidArgumentError: It has another shape, or values of another kind or out of range.
    """
    if is_text(spec.dtype):
        column: Any = _as_text(value, spec, name)
    else:
        column = _as_numbers(value, spec, name)
    shape = tuple(column.shape)
    fits = len(shape) == spec.rank and all(
        want in (None, size) for want, size in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        raise InvalidArgumentError(
            f"input {name!r} must have the shape {list(spec.shape)}, and has {list(shape)}",
            hint="the first axis is that of the rows of the batch" if spec.rank > len(shape) else None,
        )
    return column


def _as_text(value: Any, spec: TensorSpec, name: str) -> Strings:
    if isinstance(value, Strings) and value.dtype == spec.dtype:
        return value
    array = value.to_numpy() if isinstance(value, Strings) else np.asarray(value, object)
    wanted = bytes if spec.dtype == BINARY else str
    for item in array.flat:
        if item is not None and not isinstance(item, wanted):
            raise InvalidArgumentError(
                f"input {name!r} must be {dtype_name(spec.dtype)}, and holds {_shown(item)}"
            )
    return Strings.from_numpy(array, spec.dtype)


def _as_numbers(value: Any, spec: TensorSpec, name: str) -> Any:
    dtype = spec.dtype
    if isinstance(value, np.ndarray) and value.dtype == dtype:
        return np.asarray(value, order="C")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidArgumentError(f"input {name!r} is no array: its rows have different sizes") from error
    if array.size == 0 and array.dtype == np.float64:  # of an empty list
        return array.astype(dtype)
    if array.dtype.kind not in "biuf" or not (
        np.can_cast(array.dtype, dtype, "same_kind") or (array.dtype.kind in "iu" and dtype.kind in "iu")
    ):
        flat = array.ravel()[:1]
        shown = f", such as {_shown(flat[0])}" if flat.size else ""
        kind = "text or other objects" if array.dtype.kind in "OUS" else str(array.dtype)
        raise InvalidArgumentError(f"input {name!r} must be {dtype_name(dtype)}, and is {kind}{shown}")
    if dtype.kind in "iu" and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            wrong = low if low < limits.min else high
            raise InvalidArgumentError(f"input {name!r} holds {wrong}, which is out of the range of {dtype}")
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype, order="C")


def as_wanted(tensor: Tensor, spec: TensorSpec, name: str) -> Tensor:
    """Return a column of a dataset as a tensor of the spec's dtype and rank.

    Raises:
        InvalidArgumentError: It has another shape, or values of another kind.
    """
    found = tensor
    if found.dtype != spec.dtype:
        numbers = found.dtype.kind in "biuf" and spec.dtype.kind in "biuf"
        both_integers = found.dtype.kind in "iu" and spec.dtype.kind in "iu"
        fits = np.can_cast(found.dtype, spec.dtype, "safe" if both_integers else "same_kind")
        if not numbers or not fits:
            hint = "text is str, binary data are bytes" if spec.dtype in (STRING, BINARY) else None
            raise InvalidArgumentError(
                f"input {name!r} must be {dtype_name(spec.dtype)}, and is {found.spec}", hint=hint
            )
        found = found.astype(spec.dtype)
    if found.ndim == spec.rank - 1 >= 1 and spec.shape[-1] == 1:
        found = found[..., None]
    if not found.spec.is_compatible_with(spec):
        raise InvalidArgumentError(
            f"input {name!r} must have the shape {list(spec.shape)}, and has {list(tensor.shape)}",
            hint="batch the dataset first" if tensor.ndim < spec.rank else None,
        )
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
