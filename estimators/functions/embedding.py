"""Embeddings: rows of trained tables by id."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.expr.primitives.indexing import gather
from dataflow.expr.tensor import Tensor


def embedding_lookup(params: Any, ids: Any) -> Any:
    """Return the rows of a table that ids say.

    The gradient of the table stays sparse: only the rows that a batch uses are touched by it.

    Args:
        params: The table ``[rows, ...]``, mostly a variable.
        ids: Integers of any shape, each 0 to rows - 1.

    Returns:
        ``[*shape of ids, *shape of a row]``, with the table's dtype.

    Raises:
        SpecError: Ids are no integers.
        InvalidArgumentError: An id is negative or beyond the table, when it is run.

    >>> embedding_lookup(np.array([[0.0, 1.0], [10.0, 11.0]]), [1, 1, 0]).tolist()
    [[10.0, 11.0], [10.0, 11.0], [0.0, 1.0]]
    """
    table, positions = (v if isinstance(v, Tensor) else np.asarray(v) for v in (params, ids))
    return gather(table, positions, axis=0)
