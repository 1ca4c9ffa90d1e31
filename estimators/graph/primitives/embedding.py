"""Rows of an embedding table by id, with a gradient that is zero in all other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.primitives.tables import RowGradient
from estimators.graph.registry import KERNELS, RULES, Kernel


def _infer(table: Tensor, ids: Tensor) -> TensorSpec:
    if not table.ndim:
        raise SpecError(f"an embedding table has rows, and this one is {table.spec}")
    if ids.dtype.kind not in "iu":
        raise SpecError(
            f"ids of rows are integers, not {ids.spec}", hint="use a vocabulary, or .astype(np.int64)"
        )
    return TensorSpec((*ids.shape, *table.shape[1:]), table.dtype)


def _refuse(ids: Any, rows: int) -> None:
    """Raise for the first id that is no row."""
    bad = ids[(ids < 0) | (ids >= rows)]
    raise InvalidArgumentError(
        f"id {bad.ravel()[0]} is not a row of an embedding table of {rows} rows",
        hint=f"ids must be 0 to {rows - 1}: check the vocabulary, or make the table larger",
    )


def _embedding(table: Any, ids: Any) -> Any:
    ids = np.asarray(ids)
    if ids.size and not (ids.min() >= 0 and ids.max() < len(table)):
        _refuse(ids, len(table))
    return np.take(table, ids, axis=0)


embedding_lookup = Primitive(
    "embedding_lookup",
    _infer,
    per_element(_embedding),
    lambda: [
        ((np.arange(6.0).reshape(3, 2), np.array([[2, 0], [1, 1]])), {}),
        ((np.arange(3.0), np.array([2, 0], np.int32)), {}),
    ],
)
"""The rows of the table that the ids say, ``[*ids, *row]``.

Raises:
    InvalidArgumentError: An id is negative or beyond the table.
"""


def _rule(call: Call, g: Tensor) -> Sequence[Any]:
    table, ids = call.inputs
    row = table.shape[1:]
    if None in row:
        raise SpecError(f"the rows of a table that is trained have a known shape, and it is {table.spec}")
    values = g if ids.ndim == 1 else g.reshape(-1, *row)
    return RowGradient(ids.astype(np.int64).reshape(-1, 1), values, table), None


def _run(out: Any, _: Any, table: Any, ids: Any) -> None:
    ids = np.asarray(ids)
    table = np.ascontiguousarray(table).reshape(len(table), -1) if len(table) else table
    if not out[0].size:
        out[0][...] = _embedding(table.reshape(len(table), *out[0].shape[ids.ndim :]), ids)
        return
    flat = np.ascontiguousarray(ids).ravel()
    if not kernels.embedding.copy_rows(table, flat, out[0].reshape(len(flat), table.shape[1])):
        _refuse(ids, len(table))


RULES["embedding_lookup"] = _rule
KERNELS["embedding_lookup"] = Kernel(_run)
