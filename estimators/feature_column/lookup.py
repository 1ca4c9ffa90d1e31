"""Rows of a table by the ids of each example, combined into one."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.clipping import clip_by_norm
from estimators.graph.primitives.tables import gather_sum, gather_weighted

COMBINERS = ("sum", "mean", "sqrtn")


def check_combiner(combiner: str) -> str:
    """Return a combiner if it is one, else raise."""
    if combiner not in COMBINERS:
        raise InvalidArgumentError(f"combiner must be one of {COMBINERS}, not {combiner!r}")
    return combiner


def combined_rows(
    table: Tensor,
    ids: Tensor,
    weights: Tensor | None = None,
    combiner: str = "mean",
    max_norm: float | None = None,
) -> Tensor:
    """Return, for the ids of each example, the combination of their rows, as tf's safe sparse look-up.

    With rows e and weights w (1 if there are none): "sum" Σwe, "mean" Σwe / Σw, "sqrtn" Σwe / √Σw². For the
    last two, weights of 0 and less count as missing. Everything about ids and weights alone is computed from
    them first, so that it runs with the data; the gradient of the table is sparse.

    Args:
        table: ``[rows, units]``.
        ids: int64 ``[..., n]``; negative ones are missing.
        weights: float32 of the shape of the ids, or None.
        combiner: One of `COMBINERS`.
        max_norm: Scale each row down to this Euclidean norm first; the table stays as it is.

    Returns:
        ``[..., units]``: 0 where all ids are missing.
    """
    check_combiner(combiner)
    if max_norm is not None:
        return _of_clipped_rows(table, ids, weights, combiner, max_norm)
    if weights is not None:
        result: Tensor = gather_weighted(table, ids, _normalized(ids, weights, combiner))
        return result
    total: Tensor = gather_sum(table, ids)
    if combiner == "sum" or ids.shape[-1] == 1:
        return total
    count = np.sum((ids >= 0).astype(np.float32), axis=-1, keepdims=True)
    count = np.maximum(count, np.float32(1))
    scaled: Tensor = total * (np.float32(1) / (count if combiner == "mean" else np.sqrt(count)))
    return scaled


def _normalized(ids: Tensor, weights: Tensor | None, combiner: str) -> Any:
    """Return weights with which the combination is a sum: 0 where an id is missing."""
    there = ids >= 0
    if weights is None:
        weights = there.astype(np.float32)
    elif combiner != "sum":
        there = there & (weights > 0)
    used = np.where(there, weights, np.float32(0))
    if combiner == "sum":
        return used
    total = np.sum(used if combiner == "mean" else used * used, axis=-1, keepdims=True)
    total = np.where(total > 0, total, np.float32(1))
    return used / (total if combiner == "mean" else np.sqrt(total))


def _of_clipped_rows(
    table: Tensor, ids: Tensor, weights: Tensor | None, combiner: str, max_norm: float
) -> Tensor:
    rows = clip_by_norm(gather_sum(table, ids[..., None]), max_norm, axes=-1)
    result: Tensor = np.sum(rows * _normalized(ids, weights, combiner)[..., None], axis=-2)
    return result
