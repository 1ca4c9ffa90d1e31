"""Gradient rules of element-wise functions, one row each.

``floor``, ``ceil``, ``rint`` and ``trunc`` have none on purpose: their slope is 0 wherever there is one, so
what is behind them would not be trained; an error says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from dataflow.expr.tensor import Call, Tensor
from estimators.graph.registry import RULES, output
from estimators.graph.rules.fitting import fitted


def elementwise(name: str, rule: Callable[..., Sequence[Any]]) -> None:
    """Register a rule that ignores broadcasting; the gradients are summed to the inputs' shapes."""

    def full(call: Call, g: Tensor) -> Sequence[Tensor | None]:
        parts = rule(g, *call.inputs, output(call))
        return [
            None
            if part is None
            else fitted(part, x, [other.shape for other in call.inputs if other is not x])
            for part, x in zip(parts, call.inputs, strict=True)
        ]

    RULES[name] = full


def _log_or_0(x: Tensor) -> Tensor:
    """The logarithm of positive numbers, 0 for others: x^y does not change with y at x = 0."""
    return cast("Tensor", np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0))


def _power(g: Tensor, x: Tensor, y: Tensor, out: Tensor) -> Sequence[Any]:
    known = y.constant if type(y.constant) in (int, float) else None
    if known == 0:
        return None, None
    exponent = y if known is None else known
    return g * exponent * x ** (exponent - 1), g * out * _log_or_0(x)


def _first(chosen: Tensor, g: Tensor) -> Sequence[Any]:
    """Give the gradient to the first input where it was chosen, else to the second."""
    return np.where(chosen, g, 0.0), np.where(chosen, 0.0, g)


_LN_2, _LN_10, _DEGREES = math.log(2.0), math.log(10.0), 180.0 / math.pi

# Arithmetic ------------------------------------------------------------------------------------------
elementwise("add", lambda g, x, y, out: (g, g))
elementwise("subtract", lambda g, x, y, out: (g, -g))
elementwise("multiply", lambda g, x, y, out: (g * y, g * x))
elementwise("divide", lambda g, x, y, out: (g / y, -g * out / y))
elementwise("floor_divide", lambda g, x, y, out: (None, None))
elementwise("remainder", lambda g, x, y, out: (g, -g * np.floor_divide(x, y)))
elementwise("fmod", lambda g, x, y, out: (g, -g * np.trunc(x / y)))
elementwise("power", _power)
elementwise("float_power", _power)
elementwise("negative", lambda g, x, out: (-g,))
elementwise("positive", lambda g, x, out: (g,))
elementwise("absolute", lambda g, x, out: (g * np.sign(x),))
elementwise("sign", lambda g, x, out: (None,))
elementwise("copysign", lambda g, x, y, out: (g * np.sign(x) * np.sign(out), None))
elementwise("square", lambda g, x, out: (g * 2.0 * x,))
elementwise("sqrt", lambda g, x, out: (g * 0.5 / out,))
elementwise("cbrt", lambda g, x, out: (g / (3.0 * out * out),))
elementwise("reciprocal", lambda g, x, out: (-g * out * out,))
elementwise("hypot", lambda g, x, y, out: (g * x / out, g * y / out))

# Exponentials and logarithms -------------------------------------------------------------------------
elementwise("exp", lambda g, x, out: (g * out,))
elementwise("exp2", lambda g, x, out: (g * out * _LN_2,))
elementwise("expm1", lambda g, x, out: (g * (out + 1.0),))
elementwise("log", lambda g, x, out: (g / x,))
elementwise("log2", lambda g, x, out: (g / (x * _LN_2),))
elementwise("log10", lambda g, x, out: (g / (x * _LN_10),))
elementwise("log1p", lambda g, x, out: (g / (x + 1.0),))
elementwise("logaddexp", lambda g, x, y, out: (g * np.exp(x - out), g * np.exp(y - out)))
elementwise("logaddexp2", lambda g, x, y, out: (g * np.exp2(x - out), g * np.exp2(y - out)))

# Trigonometry ----------------------------------------------------------------------------------------
elementwise("sin", lambda g, x, out: (g * np.cos(x),))
elementwise("cos", lambda g, x, out: (-g * np.sin(x),))
elementwise("tan", lambda g, x, out: (g * (1.0 + out * out),))
elementwise("arcsin", lambda g, x, out: (g / np.sqrt(1.0 - x * x),))
elementwise("arccos", lambda g, x, out: (-g / np.sqrt(1.0 - x * x),))
elementwise("arctan", lambda g, x, out: (g / (1.0 + x * x),))
elementwise(
    "arctan2", lambda g, y, x, out: (g * x / (x * x + y * y), -g * y / (x * x + y * y))
)  # the angle of (x, y)
elementwise("sinh", lambda g, x, out: (g * np.cosh(x),))
elementwise("cosh", lambda g, x, out: (g * np.sinh(x),))
elementwise("tanh", lambda g, x, out: (g * (1.0 - out * out),))
elementwise("arcsinh", lambda g, x, out: (g / np.sqrt(x * x + 1.0),))
elementwise("arccosh", lambda g, x, out: (g / np.sqrt(x * x - 1.0),))
elementwise("arctanh", lambda g, x, out: (g / (1.0 - x * x),))
elementwise("degrees", lambda g, x, out: (g * _DEGREES,))
elementwise("radians", lambda g, x, out: (g / _DEGREES,))

# Choosing: of equal values the first input gets the gradient, as in tf --------------------------------
elementwise("maximum", lambda g, x, y, out: _first(x >= y, g))
elementwise("minimum", lambda g, x, y, out: _first(x <= y, g))
elementwise("fmax", lambda g, x, y, out: _first((x >= y) | np.isnan(y), g))
elementwise("fmin", lambda g, x, y, out: _first((x <= y) | np.isnan(y), g))
elementwise("where", lambda g, c, x, y, out: (None, *_first(c, g)))

elementwise("cast", lambda g, x, out: (g,))
elementwise("full_like", lambda g, x, out: (None,))
elementwise("stop_gradient", lambda g, x, out: (None,))
