"""Sums, means and extremes over axes of an element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.expr.primitives.indexing import normalize_axis
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, require_numeric
from dataflow.spec import TensorSpec


def normalize_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Return non-negative axes; None means all of them."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    return tuple(sorted(normalize_axis(item, rank) for item in axes))


def _record(function: Callable[..., Any], *, single_axis: bool = False) -> Primitive:
    name = function.__name__

    def infer(x: Tensor, *, axis: tuple[int, ...], keepdims: bool, **_: float) -> TensorSpec:
        require_numeric(f"np.{name}", x)
        axes = normalize_axes(axis, x.ndim)
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        return TensorSpec(shape, function(np.ones((1,) * max(x.ndim, 1), x.dtype)).dtype)

    def compute(lead: int, x: Any, *, axis: tuple[int, ...], keepdims: bool, **options: float) -> Any:
        axes = tuple(a + lead for a in normalize_axes(axis, np.ndim(x) - lead))
        if not single_axis:
            return function(x, axis=axes, keepdims=keepdims, **options)
        if len(axes) == np.ndim(x) - lead and len(axes) != 1:
            shape = np.shape(x)
            flat = np.reshape(x, (*shape[:lead], math.prod(shape[lead:])))
            result = function(flat, axis=lead)
            return result.reshape((*result.shape, *(1,) * len(axes))) if keepdims else result
        return function(x, axis=axes[0], keepdims=keepdims)

    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        x = np.array([[1.0, 4.0, 2.5], [3.0, -1.0, 0.5]])
        return [((x,), {"axis": (0, 1), "keepdims": False}), ((x,), {"axis": (1,), "keepdims": True})]

    return Primitive(name, infer, compute, samples)


REDUCTIONS: dict[str, Primitive] = {
    record.name: record
    for record in (
        *(_record(f) for f in (np.sum, np.mean, np.prod, np.max, np.min, np.any, np.all, np.std, np.var)),
        *(_record(f, single_axis=True) for f in (np.argmax, np.argmin)),
    )
}
"""Primitive by NumPy's name."""


def _function(name: str) -> Callable[..., Any]:
    def reduce(
        x: Any, axis: Any = None, dtype: npt.DTypeLike | None = None, *, keepdims: bool = False
    ) -> Any:
        tensor = as_tensor(x) if dtype is None else as_tensor(x).astype(dtype)
        return REDUCTIONS[name](tensor, axis=normalize_axes(axis, tensor.ndim), keepdims=keepdims)

    return reduce


def _extreme(name: str) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        tensor = as_tensor(x)
        return REDUCTIONS[name](tensor, axis=normalize_axes(axis, tensor.ndim), keepdims=keepdims)

    return reduce


def _spread(name: str) -> Callable[..., Any]:
    def reduce(
        x: Any,
        axis: Any = None,
        dtype: npt.DTypeLike | None = None,
        *,
        ddof: float = 0,
        correction: float = 0,
        keepdims: bool = False,
    ) -> Any:
        tensor = as_tensor(x) if dtype is None else as_tensor(x).astype(dtype)
        options = {"ddof": ddof or correction} if ddof or correction else {}
        return REDUCTIONS[name](tensor, axis=normalize_axes(axis, tensor.ndim), keepdims=keepdims, **options)

    return reduce


def _average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """The mean, each value with its weight; weights have the shape of the values, or of the one axis."""
    x = as_tensor(a)
    if weights is None:
        return np.mean(x, axis=axis, keepdims=keepdims)
    factor = as_tensor(weights)
    if factor.ndim == 1 and x.ndim > 1 and isinstance(axis, int):
        factor = factor[(slice(None), *(None,) * (x.ndim - 1 - normalize_axis(axis, x.ndim)))]
    whole = factor + np.zeros_like(x, dtype=factor.dtype)
    return np.sum(x * factor, axis=axis, keepdims=keepdims) / np.sum(whole, axis=axis, keepdims=keepdims)


for _name in REDUCTIONS:
    _make = (
        _function if _name in ("sum", "mean", "prod") else _spread if _name in ("std", "var") else _extreme
    )
    METHODS[_name] = NUMPY_FUNCTIONS[getattr(np, _name)] = _make(_name)
NUMPY_FUNCTIONS.update({
    np.amax: METHODS["max"], np.amin: METHODS["min"], np.average: _average,
    np.ptp: lambda a, axis=None: np.max(a, axis=axis) - np.min(a, axis=axis),
    np.count_nonzero: lambda a, axis=None: np.sum(as_tensor(a) != 0, axis=axis),
})  # fmt: skip
