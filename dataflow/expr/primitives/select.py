"""Choosing between values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.primitives.arithmetic import broadcast
from dataflow.expr.tensor import (
    METHODS,
    NUMPY_FUNCTIONS,
    UFUNCS,
    Primitive,
    Tensor,
    as_tensor,
    require_numeric,
)
from dataflow.spec import TensorSpec


def _infer(condition: Tensor, x: Tensor, y: Tensor) -> TensorSpec:
    require_numeric("np.where", condition, x, y)
    weak = [t.constant if type(t.constant) in (int, float) else np.empty(0, t.dtype) for t in (x, y)]
    return TensorSpec(broadcast("np.where", condition, x, y), np.result_type(*weak))


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


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Take each value from the first choice whose condition holds there, else the default."""
    if len(condlist) != len(choicelist):
        raise InvalidArgumentError(f"np.select got {len(condlist)} conditions for {len(choicelist)} choices")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


NUMPY_FUNCTIONS[np.select] = select
NUMPY_FUNCTIONS[np.clip] = clip
NUMPY_FUNCTIONS[np.nan_to_num] = nan_to_num
METHODS["clip"] = clip
