"""Gradient rules of element-wise functions, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from dataflow.expr.tensor import Call, Tensor
from estimators.graph.primitives.shapes import sum_to
from estimators.graph.registry import RULES, output


def _log_or_0(x: Tensor) -> Tensor:
    """The logarithm of positive numbers, 0 for others: x^y does not change with y at x = 0."""
    return cast("Tensor", np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0))


def elementwise(name: str, rule: Callable[..., Sequence[Any]]) -> None:
    """Register a rule that ignores broadcasting; the gradients are summed to the inputs' shapes."""

    def full(call: Call, g: Tensor) -> Sequence[Tensor | None]:
        parts = rule(g, *call.inputs, output(call))
        return [
            None
            if part is None
            else part
            if part.shape == x.shape and None not in x.shape
            else sum_to(part, x)
            for part, x in zip(parts, call.inputs, strict=True)
        ]

    RULES[name] = full


elementwise("add", lambda g, x, y, out: (g, g))
elementwise("subtract", lambda g, x, y, out: (g, -g))
elementwise("multiply", lambda g, x, y, out: (g * y, g * x))
elementwise("divide", lambda g, x, y, out: (g / y, -g * out / y))
elementwise("power", lambda g, x, y, out: (g * y * x ** (y - 1), g * out * _log_or_0(x)))
elementwise("negative", lambda g, x, out: (-g,))
elementwise("positive", lambda g, x, out: (g,))
elementwise("absolute", lambda g, x, out: (g * np.sign(x),))
elementwise("square", lambda g, x, out: (g * 2.0 * x,))
elementwise("sqrt", lambda g, x, out: (g * 0.5 / out,))
elementwise("exp", lambda g, x, out: (g * out,))
elementwise("log", lambda g, x, out: (g / x,))
elementwise("log1p", lambda g, x, out: (g / (x + 1.0),))
elementwise("tanh", lambda g, x, out: (g * (1.0 - out * out),))
elementwise("maximum", lambda g, x, y, out: (np.where(x >= y, g, 0.0), np.where(x >= y, 0.0, g)))
elementwise("minimum", lambda g, x, y, out: (np.where(x <= y, g, 0.0), np.where(x <= y, 0.0, g)))
elementwise("where", lambda g, c, x, y, out: (None, np.where(c, g, 0.0), np.where(c, 0.0, g)))
elementwise("cast", lambda g, x, out: (g.astype(x.dtype) if x.dtype.kind == "f" else None,))
