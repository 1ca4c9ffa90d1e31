"""Sums, means and extremes over axes of an element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, require_numeric
from dataflow.spec import TensorSpec


def normalize_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Return non-negative axes; None means all of them."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for item in axes:
        if not -rank <= item < rank:
            raise SpecError(f"axis {item} is out of range for rank {rank}")
    return tuple(sorted(item % rank for item in axes))


def _record(function: Callable[..., Any], *, single_axis: bool = False) -> Primitive:
    name = function.__name__

    def infer(x: Tensor, *, axis: tuple[int, ...], keepdims: bool) -> TensorSpec:
        require_numeric(f"np.{name}", x)
        axes = normalize_axes(axis, x.ndim)
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        return TensorSpec(shape, function(np.ones((1,) * max(x.ndim, 1), x.dtype)).dtype)

    def compute(lead: int, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
        axes = tuple(a + lead for a in normalize_axes(axis, np.ndim(x) - lead))
        if not single_axis:
            return function(x, axis=axes, keepdims=keepdims)
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
    def reduce(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        tensor = as_tensor(x)
        axes = normalize_axes(axis, tensor.ndim)
        return REDUCTIONS[name](tensor, axis=axes, keepdims=keepdims)

    return reduce


for _name in REDUCTIONS:
    METHODS[_name] = NUMPY_FUNCTIONS[getattr(np, _name)] = _function(_name)
NUMPY_FUNCTIONS[np.amax], NUMPY_FUNCTIONS[np.amin] = METHODS["max"], METHODS["min"]
