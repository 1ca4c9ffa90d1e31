"""Running sums and products, and differences of neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from dataflow.expr.primitives.indexing import index, normalize_axis
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, require_numeric
from dataflow.spec import TensorSpec


def _record(function: Callable[..., Any]) -> Primitive:
    def infer(x: Tensor, *, axis: int) -> TensorSpec:
        require_numeric(f"np.{function.__name__}", x)
        return TensorSpec(x.shape, function(np.ones(1, x.dtype)).dtype)

    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        x = np.array([[1.0, 4.0, 2.5], [3.0, -1.0, 0.5]])
        return [((x,), {"axis": 0}), ((x,), {"axis": 1}), ((np.array([3, 1], np.int32),), {"axis": 0})]

    return Primitive(
        function.__name__, infer, lambda lead, x, *, axis: function(x, axis=axis + lead), samples, total=True
    )


cumsum, cumprod = _record(np.cumsum), _record(np.cumprod)


def _scan(primitive: Primitive) -> Callable[..., Any]:
    def scan(a: Any, axis: int | None = None, dtype: npt.DTypeLike | None = None) -> Any:
        x = as_tensor(a) if dtype is None else as_tensor(a).astype(dtype)
        if axis is None:
            x, axis = x.reshape(-1), 0
        return primitive(x, axis=normalize_axis(axis, x.ndim))

    return scan


def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along an axis, taken n times."""
    x = as_tensor(a)
    axis = normalize_axis(axis, x.ndim)
    if n < 0:
        raise InvalidArgumentError(f"np.diff is taken at least 0 times, not {n}")
    before = (slice(None),) * axis
    for _ in range(n):
        later, earlier = (index(x, key=(*before, part)) for part in (slice(1, None), slice(None, -1)))
        x = later != earlier if x.dtype.kind == "b" else later - earlier
    return x


METHODS["cumsum"] = NUMPY_FUNCTIONS[np.cumsum] = _scan(cumsum)
METHODS["cumprod"] = NUMPY_FUNCTIONS[np.cumprod] = _scan(cumprod)
NUMPY_FUNCTIONS[np.diff] = _diff
