"""Choosing between values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.expr.tensor import (
    METHODS,
    NUMPY_FUNCTIONS,
    UFUNCS,
    Primitive,
    Tensor,
    as_tensor,
    broadcast_shapes,
    require_numeric,
)
from dataflow.spec import TensorSpec


def _infer(condition: Tensor, x: Tensor, y: Tensor) -> TensorSpec:
    require_numeric("np.where", condition, x, y)
    weak = [t.constant if type(t.constant) in (int, float) else np.empty(0, t.dtype) for t in (x, y)]
    return TensorSpec(broadcast_shapes(condition.shape, x.shape, y.shape), np.result_type(*weak))


where = Primitive(
    "where",
    _infer,
    lambda _, condition, x, y: np.where(condition, x, y),
    lambda: [((np.array([True, False]), np.array([1.0, 2.0]), np.array([3.0, 4.0])), {})],
    elementwise=True,
    total=True,
)
NUMPY_FUNCTIONS[np.where] = where


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit values to ``[a_min, a_max]``; None leaves that side open."""
    low, high = a_min if min is None else min, a_max if max is None else max
    result = as_tensor(x)
    if low is not None:
        result = UFUNCS["maximum"](result, low)
    return result if high is None else UFUNCS["minimum"](result, high)


def nan_to_num(x: Any, *, nan: float = 0.0) -> Any:
    """Replace NaN by a value."""
    return where(UFUNCS["isnan"](x), nan, x)


NUMPY_FUNCTIONS[np.clip] = clip
NUMPY_FUNCTIONS[np.nan_to_num] = nan_to_num
METHODS["clip"] = clip
