"""Rows of tables by id, and gradients that are zero in all other rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.registry import FRESH, RULES


def _gather_sum_infer(table: Tensor, ids: Tensor) -> TensorSpec:
    if table.ndim != 2 or ids.ndim != 2 or ids.dtype != np.dtype(np.int64):
        raise SpecError(
            f"gather_sum takes a table [rows, units] and int64 ids [batch, n], not {table.spec}, {ids.spec}"
        )
    return TensorSpec((ids.shape[0], table.shape[1]), table.dtype)


def _gather_sum(table: Any, ids: Any) -> Any:
    try:
        return kernels.sparse.gather_sum(np.ascontiguousarray(table), np.ascontiguousarray(ids))
    except IndexError:
        raise InvalidArgumentError(
            f"id {np.max(ids)} is beyond the last of the {len(table)} rows of a table"
        ) from None


gather_sum = Primitive(
    "gather_sum",
    _gather_sum_infer,
    per_element(_gather_sum),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([[0, 2], [1, -1]])), {})],
)
"""For each row of `ids`, the sum of these rows of the table; negative ids add nothing.

Raises:
    InvalidArgumentError: An id is beyond the table.
"""


def _unique_rows_infer(ids: Tensor, values: Tensor) -> tuple[TensorSpec, TensorSpec]:
    return TensorSpec((None,), np.int64), TensorSpec((None, values.shape[1]), values.dtype)


def _unique_rows(lead: int, ids: Any, values: Any) -> Any:
    if lead:
        raise SpecError("unique_rows gives each batch a length of its own, and runs on one batch at a time")
    examples, columns = np.nonzero(ids >= 0)
    found, first, which = np.unique(ids[examples, columns], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    sums = np.zeros((len(found), *values.shape[1:]), values.dtype)
    np.add.at(sums, rank[which], values[examples])
    return found[order], sums


def _fresh_unique_rows(ids: Any, values: Any) -> Any:
    return kernels.sparse.unique_rows(np.ascontiguousarray(ids), np.ascontiguousarray(values))


unique_rows = Primitive(
    "unique_rows",
    _unique_rows_infer,
    _unique_rows,
    lambda: [((np.array([[0, 2], [2, -1]]), np.array([[1.0], [2.0]])), {})],
)
"""The different ids, in the order of their first places, and for each the sum of `values` over the rows
of `ids` that have it."""
FRESH["unique_rows"] = _fresh_unique_rows

take_rows = Primitive(
    "take_rows",
    lambda table, rows: TensorSpec((rows.shape[0], *table.shape[1:]), table.dtype),
    per_element(lambda table, rows: np.take(table, rows, axis=0)),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([2, 0])), {})],
)
"""Rows of a table by number."""


def _scatter_sum(ids: Any, values: Any, like: Any) -> Any:
    out = np.zeros(like.shape, values.dtype)
    rows, columns = np.nonzero(ids >= 0)
    np.add.at(out, ids[rows, columns], values[rows])
    return out


scatter_sum = Primitive(
    "scatter_sum",
    lambda ids, values, like: TensorSpec(like.shape, values.dtype),
    per_element(_scatter_sum),
    lambda: [((np.array([[0, 2], [2, -1]]), np.array([[1.0], [2.0]]), np.ones((3, 1))), {})],
)
"""Zeros of the shape of `like`, where each row of `values` is added to the rows that `ids` say."""

# Gradients -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class RowGradient:
    """A gradient that is zero but in some rows of a table.

    Row ``ids[i, j]`` of the table has ``values[i]`` added to its gradient; -1 adds nothing.

    Attributes:
        ids: int64 ``[n, k]``.
        values: ``[n, *row]``.
        table: What the gradient belongs to, ``[rows, *row]``.
    """

    ids: Tensor
    values: Tensor
    table: Tensor

    @property
    def row(self) -> tuple[int, ...]:
        """Shape of a row."""
        return tuple(size or 0 for size in self.table.shape[1:])

    def summed(self) -> tuple[Tensor, Tensor]:
        """Return (different rows ``[m]``; gradient of each ``[m, *row]``)."""
        flat = self.values if len(self.row) == 1 else self.values.reshape(-1, math.prod(self.row))
        rows, sums = unique_rows(self.ids, flat)
        return rows, sums if len(self.row) == 1 else sums.reshape(-1, *self.row)

    def dense(self) -> Tensor:
        """Return the gradient of the whole table."""
        result: Tensor = scatter_sum(self.ids, self.values, self.table)
        return result

    def joined(self, other: RowGradient) -> RowGradient:
        """Return the sum of two gradients of one table."""
        width = max(self.ids.shape[1] or 0, other.ids.shape[1] or 0)
        ids = [_widened(part.ids, width) for part in (self, other)]
        values = concatenate(self.values, other.values, axis=0)
        return RowGradient(concatenate(*ids, axis=0), values, self.table)


def _widened(ids: Tensor, width: int) -> Tensor:
    """Return ids ``[n, width]``, filled up with -1."""
    missing = width - (ids.shape[1] or 0)
    if not missing:
        return ids
    nothing = ids[:, :1] * 0 - np.ones((1, missing), np.int64)
    result: Tensor = concatenate(ids, nothing, axis=1)
    return result


def _gather_sum_rule(call: Call, g: Tensor) -> Sequence[Any]:
    table, ids = call.inputs
    return RowGradient(ids, g, table), None


RULES["gather_sum"] = _gather_sum_rule
