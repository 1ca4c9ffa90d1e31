"""Primitives that models need beside those of pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor, broadcast_shapes
from dataflow.spec import TensorSpec
from estimators import kernels


def _float_like(*inputs: Tensor) -> TensorSpec:
    for tensor in inputs:
        if tensor.dtype.kind != "f":
            raise SpecError(f"floating-point numbers are needed, not {tensor.spec}", hint="use .astype(np.float32)")
    return TensorSpec(broadcast_shapes(*(t.shape for t in inputs)), inputs[0].dtype)


def _sigmoid(_: int, x: Any) -> Any:
    exp = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + exp), exp / (1 + exp)).astype(x.dtype, copy=False)


sigmoid = Primitive("sigmoid", _float_like, _sigmoid, lambda: [((np.array([-2.0, 0.0, 90.0]),), {})], elementwise=True)
"""1 / (1 + e^-x), without overflow."""


def _cross_entropy(_: int, logits: Any, labels: Any) -> Any:
    return np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))


sigmoid_cross_entropy = Primitive(
    "sigmoid_cross_entropy",
    _float_like,
    _cross_entropy,
    lambda: [((np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.0, 0.5])), {})],
    elementwise=True,
)
"""max(z, 0) - z y + ln(1 + e^-|z|), the negative log likelihood of a Bernoulli label y."""


def _sum_to_infer(value: Tensor, like: Tensor) -> TensorSpec:
    return TensorSpec(like.shape, value.dtype)


def _sum_to(lead: int, value: Any, like: Any) -> Any:
    value, target = np.asarray(value), np.shape(like)
    extra = value.ndim - len(target)
    axes = (*range(extra), *(i + extra for i, n in enumerate(target) if n == 1 and value.shape[i + extra] != 1))
    return value.sum(axis=axes, keepdims=True).reshape(target) if axes else value.reshape(target)


sum_to = Primitive(
    "sum_to",
    _sum_to_infer,
    _sum_to,
    lambda: [((np.ones((2, 3)), np.ones((1, 3))), {}), ((np.ones((2, 3)), np.float64(1)), {})],
)
"""Sum over the axes along which `like` was broadcast to the shape of the value."""

expand_like = Primitive(
    "expand_like",
    lambda value, like: TensorSpec(like.shape, value.dtype),
    lambda lead, value, like: np.broadcast_to(value, np.shape(like)),
    lambda: [((np.ones((1, 3)), np.ones((2, 3))), {})],
)
"""Broadcast to the shape of `like`."""

size_of = Primitive(
    "size_of",
    lambda value, *, dtype: TensorSpec((), dtype),
    lambda lead, value, *, dtype: np.full(np.shape(value)[:lead], np.prod(np.shape(value)[lead:]), dtype),
    lambda: [((np.ones((2, 3)),), {"dtype": "float32"})],
)
"""The number of values."""


def _gather_sum_infer(table: Tensor, ids: Tensor) -> TensorSpec:
    if table.ndim != 2 or ids.ndim != 2 or ids.dtype != np.dtype(np.int64):
        raise SpecError(f"gather_sum takes a table [rows, units] and int64 ids [batch, n], not {table.spec}, {ids.spec}")
    return TensorSpec((ids.shape[0], table.shape[1]), table.dtype)


gather_sum = Primitive(
    "gather_sum",
    _gather_sum_infer,
    lambda lead, table, ids: kernels.sparse.gather_sum(np.ascontiguousarray(table), np.ascontiguousarray(ids)),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([[0, 2], [1, -1]])), {})],
)
"""For each row of `ids`, the sum of these rows of the table; -1 adds nothing."""


def _unique_rows_infer(ids: Tensor, values: Tensor) -> tuple[TensorSpec, TensorSpec]:
    return TensorSpec((None,), np.int64), TensorSpec((None, values.shape[1]), values.dtype)


unique_rows = Primitive(
    "unique_rows",
    _unique_rows_infer,
    lambda lead, ids, values: kernels.sparse.unique_rows(np.ascontiguousarray(ids), np.ascontiguousarray(values)),
    lambda: [((np.array([[0, 2], [2, -1]]), np.array([[1.0], [2.0]])), {})],
)
"""The different ids, ascending, and for each the sum of `values` over the rows of `ids` that have it."""

take_rows = Primitive(
    "take_rows",
    lambda table, rows: TensorSpec((rows.shape[0], *table.shape[1:]), table.dtype),
    lambda lead, table, rows: np.take(table, rows, axis=0),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([2, 0])), {})],
)
"""Rows of a table by number."""
