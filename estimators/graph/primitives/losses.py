"""What losses share: quotients by counts that may be 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.expr.tensor import Primitive
from estimators.graph.primitives.helpers import float_like
from estimators.graph.rules.elementwise import elementwise


def _divide_no_nan(_: int, x: Any, y: Any) -> Any:
    if np.ndim(x) == np.ndim(y) == 0:
        return x / y if y else np.zeros((), x.dtype)[()]
    shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    return np.divide(x, y, out=np.zeros(shape, x.dtype), where=np.not_equal(y, 0))


divide_no_nan = Primitive(
    "divide_no_nan",
    float_like,
    _divide_no_nan,
    lambda: [
        ((np.array([1.0, 2.0]), np.array([4.0, 0.0])), {}),
        ((np.float32(3.0), np.float32(0.0)), {}),
    ],
    elementwise=True,
    total=True,
)
"""x / y, and 0 where y is 0."""

elementwise("divide_no_nan", lambda g, x, y, out: (divide_no_nan(g, y), -divide_no_nan(g * out, y)))
