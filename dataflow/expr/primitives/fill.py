"""Tensors of known values: zeros_like and its kin, one_hot; and the identity that stops gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.indexing import normalize_axis
from dataflow.expr.tensor import NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor
from dataflow.spec import TensorSpec, as_dtype, is_text

full_like = Primitive(
    "full_like",
    lambda x, *, value, dtype: TensorSpec(x.shape, dtype),
    lambda _, x, *, value, dtype: np.full(np.shape(x), value, dtype),
    lambda: [((np.ones((2, 3)),), {"value": 2, "dtype": "int64"})],
    elementwise=True,
    total=True,
)
"""One value in the shape of x."""


def filled(x: Any, value: Any, dtype: npt.DTypeLike | None = None) -> Any:
    """Return a tensor of the shape of x; a constant where that is known."""
    tensor = as_tensor(x)
    kind = tensor.dtype if dtype is None else as_dtype(dtype)
    if is_text(kind):
        raise SpecError(
            f"a tensor of numbers in the shape of {tensor.spec} needs a dtype", hint="give dtype="
        )
    if isinstance(value, Tensor):
        return filled(tensor, 1, kind) * value.astype(kind)
    if None not in tensor.shape:
        return as_tensor(np.full(tensor.shape, value, kind))
    if np.ndim(value):
        return filled(tensor, 1, kind) * np.asarray(value, kind)
    return full_like(tensor, value=np.asarray(value, kind).item(), dtype=kind.name)


def _one_hot_infer(
    ids: Tensor, *, depth: int, on_value: float, off_value: float, axis: int, dtype: str
) -> TensorSpec:
    if ids.dtype.kind not in "iu":
        raise SpecError(f"one_hot takes integers, not {ids.spec}", hint="use .astype(np.int64)")
    if depth < 0:
        raise InvalidArgumentError(f"one_hot with depth {depth}")
    place = normalize_axis(axis, ids.ndim + 1)
    return TensorSpec((*ids.shape[:place], depth, *ids.shape[place:]), dtype)


def _one_hot(
    lead: int, ids: Any, *, depth: int, on_value: float, off_value: float, axis: int, dtype: str
) -> Any:
    flat = np.ravel(ids)
    out = np.full((flat.size, depth), off_value, dtype)
    rows = np.flatnonzero((flat >= 0) & (flat < depth))
    out[rows, flat[rows]] = on_value
    place = normalize_axis(axis, np.ndim(ids) - lead + 1) + lead
    return np.moveaxis(out.reshape((*np.shape(ids), depth)), -1, place)


one_hot = Primitive(
    "one_hot",
    _one_hot_infer,
    _one_hot,
    lambda: [
        (
            (np.array([[1, -1], [3, 0]]),),
            {"depth": 3, "on_value": 1, "off_value": 0, "axis": axis, "dtype": "float32"},
        )
        for axis in (-1, 0, 1)
    ],
    total=True,
)
"""One value at the position that an id says, another elsewhere; see `dataflow.tensors`."""

stop_gradient = Primitive(
    "stop_gradient",
    lambda x: x.spec,
    lambda _, x: x,
    lambda: [((np.array([1.5, -2.0]),), {}), ((np.array(["a"], object),), {})],
    elementwise=True,
    total=True,
)
"""The tensor itself, through which no gradient flows."""

NUMPY_FUNCTIONS.update({
    np.zeros_like: lambda a, dtype=None: filled(a, 0, dtype),
    np.ones_like: lambda a, dtype=None: filled(a, 1, dtype),
    np.full_like: lambda a, fill_value, dtype=None: filled(a, fill_value, dtype),
})  # fmt: skip
