"""Gradient rules of what reduces axes, of running sums and products, and of what changes shapes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.expr.primitives.reduction import normalize_axes
from dataflow.expr.primitives.scan import cumprod, cumsum
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.primitives.shapes import expand_like, size_of, sum_to
from estimators.graph.registry import RULES, output
from estimators.graph.rules.fitting import fitted


def _keepdims(call: Call, g: Tensor) -> Tensor:
    """Give the reduced axes back with size 1."""
    if call.attributes["keepdims"]:
        return g
    axes = normalize_axes(call.attributes["axis"], call.inputs[0].ndim)
    key = tuple(None if i in axes else slice(None) for i in range(call.inputs[0].ndim))
    result: Tensor = g[key] if key else g
    return result


def _count(call: Call, dtype: np.dtype[Any]) -> Tensor | float:
    """Return how many values make one; a plain number where that is known."""
    x = call.inputs[0]
    sizes = [x.shape[i] for i in normalize_axes(call.attributes["axis"], x.ndim)]
    count = 1.0
    for size in sizes:
        if size is None:
            result: Tensor = size_of(x, dtype=dtype.name) / size_of(output(call), dtype=dtype.name)
            return result
        count *= size
    return count


def _sum(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    x = call.inputs[0]
    return (fitted(expand_like(_keepdims(call, g), x), x),)


def _mean(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    x = call.inputs[0]
    return (fitted(expand_like(_keepdims(call, g) / _count(call, g.dtype), x), x),)


def _extreme(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    """All values that are the largest share the gradient equally, as in tf."""
    x = call.inputs[0]
    chosen = (x == _keepdims(call, output(call))).astype(g.dtype)
    count = np.sum(chosen, axis=call.attributes["axis"], keepdims=True)
    return (fitted(chosen * (_keepdims(call, g) / count), x),)


def _prod(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    """Each value's slope is the product of the others: not the quotient where there is a zero."""
    x, axis = call.inputs[0], call.attributes["axis"]
    zero = x == 0
    zeros = np.sum(zero, axis=axis, keepdims=True)
    others = np.prod(np.where(zero, 1, x), axis=axis, keepdims=True)
    quotient = _keepdims(call, output(call)) / np.where(zero, 1, x)
    slope = np.where(zeros == 0, quotient, np.where(zero & (zeros == 1), others, 0))
    return (fitted(_keepdims(call, g) * slope, x),)


def _deviation(call: Call) -> Tensor:
    x = call.inputs[0]
    result: Tensor = x - np.mean(x, axis=call.attributes["axis"], keepdims=True)
    return result


def _freedom(call: Call, g: Tensor) -> Any:
    return _count(call, g.dtype) - call.attributes.get("ddof", 0)


def _var(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    return (fitted(_deviation(call) * (_keepdims(call, g) * 2.0 / _freedom(call, g)), call.inputs[0]),)


def _std(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    scale = _keepdims(call, g / output(call)) / _freedom(call, g)
    return (fitted(_deviation(call) * scale, call.inputs[0]),)


def _sum_from_end(x: Tensor, axis: int) -> Tensor:
    result: Tensor = np.flip(cumsum(np.flip(x, axis), axis=axis), axis)
    return result


def _cumsum(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    return (fitted(_sum_from_end(g, call.attributes["axis"]), call.inputs[0]),)


def _cumprod(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    """As for `_prod`: before the first zero by the quotient, at it without it, behind it nothing."""
    x, axis = call.inputs[0], call.attributes["axis"]
    zero = x == 0
    zeros = cumsum(zero, axis=axis)
    first = zero & (zeros == 1)
    before = _sum_from_end(g * output(call), axis) / np.where(zero, 1, x)
    at = _sum_from_end(g * cumprod(np.where(first, 1, x), axis=axis), axis)
    slope: Any = np.where(zeros == 0, before, np.where(first, at, 0))
    return (fitted(slope, x),)


RULES.update(
    sum=_sum, mean=_mean, max=_extreme, min=_extreme, prod=_prod, var=_var, std=_std,
    cumsum=_cumsum, cumprod=_cumprod,
)  # fmt: skip
RULES["sum_to"] = lambda call, g: (expand_like(g, call.inputs[0]), None)
RULES["expand_like"] = lambda call, g: (sum_to(g, call.inputs[0]), None)
RULES["size_of"] = lambda call, g: (None,)
RULES["broadcast_to"] = lambda call, g: (sum_to(g, call.inputs[0]),)
