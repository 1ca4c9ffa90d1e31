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
from estimators.graph.registry import FRESH, KERNELS, RULES, Kernel


def _check_lookup(name: str, table: Tensor, ids: Tensor) -> None:
    if table.ndim != 2 or ids.ndim < 2 or ids.dtype != np.dtype(np.int64):
        raise SpecError(
            f"{name} takes a table [rows, units] and int64 ids [..., n], not {table.spec}, {ids.spec}"
        )


def _flat_ids(ids: Any) -> Any:
    """Return ids ``[..., n]`` as a contiguous array of rank 2."""
    array = np.ascontiguousarray(ids)
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


def _beyond(ids: Any, table: Any) -> InvalidArgumentError:
    return InvalidArgumentError(f"id {np.max(ids)} is beyond the last of the {len(table)} rows of a table")


def _gather_sum_infer(table: Tensor, ids: Tensor) -> TensorSpec:
    _check_lookup("gather_sum", table, ids)
    return TensorSpec((*ids.shape[:-1], table.shape[1]), table.dtype)


def _gather_sum(table: Any, ids: Any) -> Any:
    return _gather_weighted(table, ids, np.ones(ids.shape, table.dtype))


def _run_gather_sum(out: Any, _: Any, table: Any, ids: Any) -> None:
    flat = _flat_ids(ids)
    try:
        kernels.sparse.fill_gather_sum(
            np.ascontiguousarray(table), flat, out[0].reshape(len(flat), table.shape[1])
        )
    except IndexError:
        raise _beyond(ids, table) from None


gather_sum = Primitive(
    "gather_sum",
    _gather_sum_infer,
    per_element(_gather_sum),
    lambda: [
        ((np.arange(6.0).reshape(3, 2), np.array([[0, 2], [1, -1]])), {}),
        ((np.arange(6.0).reshape(3, 2), np.array([[[0], [2]], [[1], [-1]]])), {}),
    ],
)
"""For each row of `ids` ``[..., n]``, the sum of these rows of the table; negative ids add nothing.

Raises:
    InvalidArgumentError: An id is beyond the table.
"""
KERNELS["gather_sum"] = Kernel(_run_gather_sum)


def _gather_weighted_infer(table: Tensor, ids: Tensor, weights: Tensor) -> TensorSpec:
    _check_lookup("gather_weighted", table, ids)
    if weights.ndim != ids.ndim or weights.dtype.kind != "f":
        raise SpecError(f"the weights of ids {ids.spec} have their shape and are floats, not {weights.spec}")
    return TensorSpec((*ids.shape[:-1], table.shape[1]), table.dtype)


def _gather_weighted(table: Any, ids: Any, weights: Any) -> Any:
    if (ids >= len(table)).any():
        raise _beyond(ids, table)
    there = (ids >= 0)[..., None]
    rows = np.where(there, table[np.maximum(ids, 0)], 0)
    return np.add.reduce(rows * np.where(there, weights[..., None], 0), axis=-2, dtype=table.dtype)


def _run_gather_weighted(out: Any, _: Any, table: Any, ids: Any, weights: Any) -> None:
    flat = _flat_ids(ids)
    try:
        kernels.sparse.fill_gather_weighted(
            np.ascontiguousarray(table), flat, _flat_ids(weights), out[0].reshape(len(flat), table.shape[1])
        )
    except IndexError:
        raise _beyond(ids, table) from None


gather_weighted = Primitive(
    "gather_weighted",
    _gather_weighted_infer,
    per_element(_gather_weighted),
    lambda: [
        (
            (
                np.arange(6.0).reshape(3, 2),
                np.array([[0, 2], [1, -1]]),
                np.array([[0.5, 2.0], [-1.0, 9.0]]),
            ),
            {},
        )
    ],
)
"""`gather_sum` with each row of the table multiplied by the weight of its id; weights have no gradient.

Raises:
    InvalidArgumentError: An id is beyond the table.
"""
KERNELS["gather_weighted"] = Kernel(_run_gather_weighted)

merge_rows = Primitive(
    "merge_rows",
    lambda x: TensorSpec((_product(x.shape[:-1]), x.shape[-1]), x.dtype),
    lambda lead, x: np.reshape(x, (*x.shape[:lead], math.prod(x.shape[lead:-1]), x.shape[-1])),
    lambda: [((np.arange(8).reshape(2, 2, 2),), {}), ((np.arange(6).reshape(2, 3),), {})],
    total=True,
)
"""All axes but the last as one; has no gradient."""


def _product(sizes: Sequence[int | None]) -> int | None:
    return None if None in sizes else math.prod(size or 0 for size in sizes)


_HASH_PLACES = 4
"""The hash table has more places than this for each id of a batch, so few of them meet."""


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
    length = ids.size + 1
    rows, sums = np.empty(length, np.int64), np.zeros((length, values.shape[1]), values.dtype)
    places = np.zeros(_HASH_PLACES << ids.size.bit_length(), np.int32)
    count = kernels.sparse.fill_unique_rows(
        np.ascontiguousarray(ids), np.ascontiguousarray(values), places, rows, sums
    )
    return rows[1 : count + 1], sums[1 : count + 1]


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


def _rows_of(x: Tensor) -> Tensor:
    """Return ids or gradients ``[..., n]`` with one axis before the last."""
    if x.ndim == 2:
        return x
    known = x.shape[-1]
    result: Tensor = merge_rows(x) if known is None else x.reshape(-1, known)
    return result


def _gather_sum_rule(call: Call, g: Tensor) -> Sequence[Any]:
    table, ids = call.inputs
    return RowGradient(_rows_of(ids), _rows_of(g), table), None


def _gather_weighted_rule(call: Call, g: Tensor) -> Sequence[Any]:
    table, ids, weights = call.inputs
    values = g[..., None, :] * weights[..., None].astype(g.dtype)
    return RowGradient(ids.reshape(-1, 1), _rows_of(values), table), None, None


RULES["gather_sum"] = _gather_sum_rule
RULES["gather_weighted"] = _gather_weighted_rule
