"""Order along an axis: sort, argsort and the k largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.indexing import normalize_axis
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, require_numeric
from dataflow.spec import TensorSpec


def _sort_infer(x: Tensor, *, axis: int) -> TensorSpec:
    require_numeric("np.sort", x)
    return x.spec


def _samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    x = np.array([[1.0, 4.0, 2.5], [3.0, -1.0, 3.0]])
    return [((x,), {"axis": 0}), ((x,), {"axis": 1})]


sort = Primitive(
    "sort", _sort_infer, lambda lead, x, *, axis: np.sort(x, axis=axis + lead), _samples, total=True
)
"""Values in ascending order along an axis."""


def _argsort_infer(x: Tensor, *, axis: int, stable: bool) -> TensorSpec:
    require_numeric("np.argsort", x)
    return TensorSpec(x.shape, np.int64)


argsort = Primitive(
    "argsort",
    _argsort_infer,
    lambda lead, x, *, axis, stable: np.argsort(x, axis=axis + lead, kind="stable" if stable else None),
    lambda: [(inputs, {**root, "stable": True}) for inputs, root in _samples()],
    total=True,
)
"""The positions of the values in ascending order."""


def _top_k_infer(x: Tensor, *, k: int) -> tuple[TensorSpec, TensorSpec]:
    require_numeric("top_k", x)
    if not x.ndim or (x.shape[-1] is not None and not 0 <= k <= x.shape[-1]):
        raise SpecError(
            f"the {k} largest of each row of {x.spec}", hint="k is at most the size of the last axis"
        )
    return TensorSpec((*x.shape[:-1], k), x.dtype), TensorSpec((*x.shape[:-1], k), np.int32)


def _top_k(_: int, x: Any, *, k: int) -> tuple[Any, Any]:
    size = x.shape[-1]
    if k > size:
        raise InvalidArgumentError(f"the {k} largest of {size} values")
    if k == 1:
        places = np.argmax(x, axis=-1, keepdims=True)
    else:  # of equal values the stable order of the reversed row has the first one last
        places = size - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1][..., :k]
    return np.take_along_axis(x, places, -1), places.astype(np.int32)


top_k = Primitive(
    "top_k",
    _top_k_infer,
    _top_k,
    lambda: [((np.array([[1.0, 4.0, 4.0], [3.0, 3.0, 3.0]]),), {"k": k}) for k in (1, 2)],
)
"""The k largest values along the last axis, descending, and their positions; see `dataflow.tensors`."""


def _ordered(a: Any, axis: int | None) -> tuple[Tensor, int]:
    x = as_tensor(a).reshape(-1) if axis is None else as_tensor(a)
    return x, normalize_axis(0 if axis is None else axis, x.ndim)


def _sort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    x, axis = _ordered(a, axis)
    return sort(x, axis=axis)


def _argsort(a: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    x, axis = _ordered(a, axis)
    return argsort(x, axis=axis, stable=bool(stable) or kind in ("stable", "mergesort"))


NUMPY_FUNCTIONS[np.sort] = _sort
METHODS["argsort"] = NUMPY_FUNCTIONS[np.argsort] = _argsort
