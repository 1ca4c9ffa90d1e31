"""Conversion between numeric dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.expr.primitives.text import to_number
from dataflow.expr.tensor import METHODS, Primitive, Tensor, require_numeric
from dataflow.spec import BINARY, STRING, TensorSpec, as_dtype, is_text
from dataflow.strings import Strings


def _infer(x: Tensor, *, dtype: str) -> TensorSpec:
    require_numeric("astype", x)
    return TensorSpec(x.shape, dtype)


def _compute(_: int, x: Any, *, dtype: str) -> Any:
    array = np.asarray(x).astype(dtype, copy=False)
    if array.dtype.kind in "US":
        return Strings.from_numpy(array, STRING if array.dtype.kind == "U" else BINARY)
    return array


cast = Primitive(
    "cast",
    _infer,
    _compute,
    lambda: [
        ((np.array([1.5, -2.0]),), {"dtype": "int64"}),
        ((np.array([1, 0]),), {"dtype": "bool"}),
        ((np.array([7, -8]),), {"dtype": "str"}),
    ],
    elementwise=True,
    total=True,
)


def astype(x: Any, dtype: npt.DTypeLike) -> Any:
    """Convert to another dtype; text is parsed as numbers."""
    wanted = as_dtype(dtype)
    if isinstance(x, Tensor) and x.dtype == wanted:
        return x
    return (to_number if isinstance(x, Tensor) and is_text(x.dtype) else cast)(x, dtype=wanted.name)


METHODS["astype"] = astype
