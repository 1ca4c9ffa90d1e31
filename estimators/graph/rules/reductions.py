"""Gradient rules of sums, means and what turns one shape into another."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.expr.primitives.reduction import normalize_axes
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.primitives.shapes import expand_like, size_of, sum_to
from estimators.graph.registry import RULES, output


def _keepdims(call: Call, g: Tensor) -> Tensor:
    """Give the reduced axes back with size 1."""
    if call.attributes["keepdims"]:
        return g
    axes = normalize_axes(call.attributes["axis"], call.inputs[0].ndim)
    key = tuple(None if i in axes else slice(None) for i in range(call.inputs[0].ndim))
    result: Tensor = g[key] if key else g
    return result


def _sum(call: Call, g: Tensor) -> Sequence[Tensor]:
    return (expand_like(_keepdims(call, g), call.inputs[0]),)


def _mean(call: Call, g: Tensor) -> Sequence[Tensor]:
    x = call.inputs[0]
    count = size_of(x, dtype=g.dtype.name) / size_of(output(call), dtype=g.dtype.name)
    return (expand_like(_keepdims(call, g) / count, x),)


RULES["sum"] = _sum
RULES["mean"] = _mean
RULES["sum_to"] = lambda call, g: (expand_like(g, call.inputs[0]), None)
RULES["expand_like"] = lambda call, g: (sum_to(g, call.inputs[0]), None)
RULES["size_of"] = lambda call, g: (None,)
