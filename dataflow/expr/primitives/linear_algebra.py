"""Products of matrices and vectors, and norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
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


def _matmul_infer(a: Tensor, b: Tensor) -> TensorSpec:
    require_numeric("np.matmul", a, b)
    if a.ndim < 2 or b.ndim < 2:
        raise SpecError(f"matmul takes matrices, and got {a.spec} and {b.spec}", hint="reshape them first")
    if None not in (a.shape[-1], b.shape[-2]) and a.shape[-1] != b.shape[-2]:
        raise SpecError(
            f"np.matmul of {a.spec} and {b.spec}: {a.shape[-1]} columns do not meet {b.shape[-2]} rows",
            hint="transpose one with .T or np.swapaxes(x, -1, -2), or reshape it",
        )
    try:
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except SpecError as error:
        raise SpecError(
            f"np.matmul of {a.spec} and {b.spec}: the axes before the last two do not broadcast",
            hint=error.hint,
        ) from None
    return TensorSpec((*batch, a.shape[-2], b.shape[-1]), np.result_type(a.dtype, b.dtype))


def _matmul(lead: int, a: Any, b: Any) -> Any:
    if lead and a.ndim != b.ndim:  # axes of size 1 between the elements' axis and the batch's
        rank = max(a.ndim, b.ndim)
        a, b = (x.reshape((len(x), *(1,) * (rank - x.ndim), *x.shape[1:])) for x in (a, b))
    return np.matmul(a, b)


matmul = Primitive(
    "matmul",
    _matmul_infer,
    _matmul,
    lambda: [
        ((np.arange(6.0).reshape(2, 3), np.ones((3, 2))), {}),
        ((np.arange(12.0).reshape(2, 2, 3), np.ones((3, 2))), {}),
        ((np.arange(12.0).reshape(2, 1, 2, 3), np.arange(18.0).reshape(3, 3, 2)), {}),
    ],
)
"""Product of matrices ``[..., n, k]`` and ``[..., k, m]``; the axes before broadcast."""


def _product(a: Any, b: Any) -> Any:
    """Matrix product with NumPy's rule for vectors."""
    left, right = as_tensor(a), as_tensor(b)
    squeeze_left, squeeze_right = left.ndim == 1, right.ndim == 1
    product = matmul(left[None] if squeeze_left else left, right[:, None] if squeeze_right else right)
    product = product[..., 0] if squeeze_right else product
    if not squeeze_left:
        return product
    return product[..., 0] if squeeze_right else product[..., 0, :]


def _array(x: Any) -> Tensor:
    """Return a tensor; Python numbers have a dtype of their own here, as in NumPy."""
    return as_tensor(np.asarray(x) if isinstance(x, bool | int | float) else x)


def _dot(a: Any, b: Any) -> Any:
    left, right = _array(a), _array(b)
    if not left.ndim or not right.ndim:
        return left * right
    if right.ndim > 2:
        raise SpecError(f"np.dot takes a matrix on the right, not {right.spec}", hint="use np.matmul")
    return _product(left, right)


def _inner(a: Any, b: Any) -> Any:
    left, right = _array(a), _array(b)
    if not left.ndim or not right.ndim:
        return left * right
    if right.ndim > 2:
        raise SpecError(f"np.inner takes a matrix on the right, not {right.spec}", hint="use np.matmul")
    return _product(left, right.T)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors along an axis, or of all values (Frobenius).

    Raises:
        InvalidArgumentError: A norm of matrices other than Frobenius was asked for.
    """
    tensor = as_tensor(x)
    if tensor.dtype.kind != "f":
        tensor = tensor.astype(np.float64)
    many = isinstance(axis, Sequence) and len(axis) == 2
    if ord is None and axis is None:
        flat = tensor.reshape(-1)
        norm = np.sqrt(np.sum(np.square(flat), axis=0))
        return norm[(None,) * tensor.ndim] if keepdims else norm
    matrix = many or (axis is None and tensor.ndim == 2)
    if ord is None or (ord == 2 and not matrix) or ord == "fro":
        return np.sqrt(np.sum(np.square(tensor), axis=axis, keepdims=keepdims))
    size = np.absolute(tensor)
    if matrix or not isinstance(ord, int | float):
        raise InvalidArgumentError(
            f"np.linalg.norm of matrices with ord={ord!r} is not available", hint="use ord=None or 'fro'"
        )
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum((size > 0).astype(size.dtype), axis=axis, keepdims=keepdims)
    power = size if ord == 1 else size**ord
    total = np.sum(power, axis=axis, keepdims=keepdims)
    return total if ord == 1 else total ** (1 / ord)


UFUNCS["matmul"] = _product
METHODS["dot"] = NUMPY_FUNCTIONS[np.dot] = _dot
NUMPY_FUNCTIONS.update({
    np.inner: _inner,
    np.vdot: lambda a, b: _product(as_tensor(a).reshape(-1), as_tensor(b).reshape(-1)),
    np.outer: lambda a, b: as_tensor(a).reshape(-1)[:, None] * as_tensor(b).reshape(-1)[None],
})  # fmt: skip
NUMPY_FUNCTIONS[np.linalg.norm], NUMPY_FUNCTIONS[np.linalg.matmul] = _norm, _product
