"""`np.size`: how many values an element has, also where its shape varies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dataflow.expr.tensor import NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor
from dataflow.spec import TensorSpec


def _infer(x: Tensor) -> TensorSpec:
    return TensorSpec((), np.int64)


def _compute(lead: int, x: Any) -> Any:
    shape = x.shape if hasattr(x, "shape") else ()
    return np.full(shape[:lead], math.prod(shape[lead:]), np.int64)


def _samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    return [((np.array([[1.0, 4.0, 2.5], [3.0, -1.0, 0.5]]),), {}), ((np.array(["a", "b"]),), {})]


SIZE = Primitive("size", _infer, _compute, _samples)
"""The number of values."""


def _size(a: Any, axis: None = None) -> Any:
    tensor = as_tensor(a)
    known = all(n is not None for n in tensor.shape)
    return np.int64(math.prod(n or 0 for n in tensor.shape)) if known else SIZE(tensor)


NUMPY_FUNCTIONS[np.size] = _size
