"""Many tables as one: what all columns look up is found in one step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflow.expr.primitives.select import where
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Tensor
from estimators.graph.scope import path_of
from estimators.graph.variable import Variable, stacked


def one_table(name: str, tables: Sequence[Variable]) -> Variable:
    """Return tables with rows of one size, one below the other; a single one as it is."""
    return tables[0] if len(tables) == 1 else stacked(path_of(name), tables)


def joined_ids(tables: Sequence[Variable], ids: Sequence[Tensor]) -> Tensor:
    """Return ids ``[batch, n]`` of several tables, beside each other, as ids of `one_table` of them.

    They need no variable, so they are computed with the data.
    """
    first = np.cumsum([0, *(table.sizes[0] for table in tables)])[:-1]
    if len(ids) == 1:
        return ids[0]
    joined = concatenate(*ids, axis=1)
    widths = [part.shape[1] or 0 for part in ids]
    moved: Tensor = joined + np.repeat(first, widths)
    result: Tensor = where(joined >= 0, moved, np.int64(-1))
    return result
