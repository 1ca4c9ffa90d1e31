"""The gradient rules, one row per primitive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from dataflow.expr.primitives.reduction import normalize_axes
from dataflow.expr.primitives.shape import transpose
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.gradients import RULES, Gradient, RowGradient
from estimators.graph.primitives import expand_like, sigmoid, size_of, sum_to


def _output(call: Call) -> Tensor:
    """The call's result as a tensor."""
    spec = call.primitive.infer(*call.inputs, **call.attributes)
    assert not isinstance(spec, tuple)
    return Tensor(call, spec)


def _log_or_0(x: Tensor) -> Tensor:
    """The logarithm of positive numbers, 0 for others: x^y does not change with y at x = 0."""
    return cast("Tensor", np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0))


def _elementwise(name: str, rule: Callable[..., Sequence[Any]]) -> None:
    """Register a rule that ignores broadcasting; the gradients are summed to the inputs' shapes."""

    def full(call: Call, g: Tensor) -> Sequence[Gradient | None]:
        parts = rule(g, *call.inputs, _output(call))
        return [
            None
            if part is None
            else part
            if part.shape == x.shape and None not in x.shape
            else sum_to(part, x)
            for part, x in zip(parts, call.inputs, strict=True)
        ]

    RULES[name] = full


_elementwise("add", lambda g, x, y, out: (g, g))
_elementwise("subtract", lambda g, x, y, out: (g, -g))
_elementwise("multiply", lambda g, x, y, out: (g * y, g * x))
_elementwise("divide", lambda g, x, y, out: (g / y, -g * out / y))
_elementwise("power", lambda g, x, y, out: (g * y * x ** (y - 1), g * out * _log_or_0(x)))
_elementwise("negative", lambda g, x, out: (-g,))
_elementwise("positive", lambda g, x, out: (g,))
_elementwise("absolute", lambda g, x, out: (g * np.sign(x),))
_elementwise("square", lambda g, x, out: (g * 2.0 * x,))
_elementwise("sqrt", lambda g, x, out: (g * 0.5 / out,))
_elementwise("exp", lambda g, x, out: (g * out,))
_elementwise("log", lambda g, x, out: (g / x,))
_elementwise("log1p", lambda g, x, out: (g / (x + 1.0),))
_elementwise("tanh", lambda g, x, out: (g * (1.0 - out * out),))
_elementwise("maximum", lambda g, x, y, out: (np.where(x >= y, g, 0.0), np.where(x >= y, 0.0, g)))
_elementwise("minimum", lambda g, x, y, out: (np.where(x <= y, g, 0.0), np.where(x <= y, 0.0, g)))
_elementwise("where", lambda g, c, x, y, out: (None, np.where(c, g, 0.0), np.where(c, 0.0, g)))
_elementwise("sigmoid", lambda g, x, out: (g * out * (1.0 - out),))
_elementwise("sigmoid_cross_entropy", lambda g, z, y, out: (g * (sigmoid(z) - y), -g * z))
_elementwise("cast", lambda g, x, out: (g.astype(x.dtype) if x.dtype.kind == "f" else None,))


def _matmul(call: Call, g: Tensor) -> Sequence[Gradient]:
    a, b = call.inputs
    return np.matmul(g, b.T), np.matmul(a.T, g)


def _transpose(call: Call, g: Tensor) -> Sequence[Gradient]:
    order = call.attributes["order"]
    return (transpose(g, order=tuple(int(i) for i in np.argsort(order))),)


def _keepdims(call: Call, g: Tensor) -> Tensor:
    """Give the reduced axes back with size 1."""
    if call.attributes["keepdims"]:
        return g
    axes = normalize_axes(call.attributes["axis"], call.inputs[0].ndim)
    key = tuple(None if i in axes else slice(None) for i in range(call.inputs[0].ndim))
    result: Tensor = g[key] if key else g
    return result


def _sum(call: Call, g: Tensor) -> Sequence[Gradient]:
    return (expand_like(_keepdims(call, g), call.inputs[0]),)


def _mean(call: Call, g: Tensor) -> Sequence[Gradient]:
    x = call.inputs[0]
    count = size_of(x, dtype=g.dtype.name) / size_of(_output(call), dtype=g.dtype.name)
    return (expand_like(_keepdims(call, g) / count, x),)


RULES["matmul"] = _matmul
RULES["transpose"] = _transpose
RULES["sum"] = _sum
RULES["mean"] = _mean
RULES["gather_sum"] = lambda call, g: (RowGradient(call.inputs[1], g), None)
RULES["sum_to"] = lambda call, g: (expand_like(g, call.inputs[0]), None)
RULES["expand_like"] = lambda call, g: (sum_to(g, call.inputs[0]), None)
RULES["size_of"] = lambda call, g: (None,)
