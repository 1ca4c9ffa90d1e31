"""Gradient rules of matrix products and transposition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from dataflow.expr.primitives.shape import transpose
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.registry import RULES
from estimators.graph.rules.fitting import fitted


def _transposed(x: Tensor) -> Tensor:
    result: Any = np.swapaxes(x, -1, -2)
    return cast("Tensor", result)


def _matmul(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    a, b = call.inputs
    rows, columns = a.shape[-1], b.shape[-1]
    left = np.matmul(g, _transposed(b))
    if a.ndim > 2 and b.ndim == 2 and rows is not None and columns is not None:
        # one product over all axes before, instead of a sum of many
        right = np.matmul(_transposed(a.reshape(-1, rows)), g.reshape(-1, columns))
    else:
        right = np.matmul(_transposed(a), g)
    batch_a, batch_b = (*a.shape[:-2], 1, 1), (*b.shape[:-2], 1, 1)
    return fitted(left, a, [batch_b]), fitted(right, b, [batch_a] if right.ndim > 2 else ())


def _transpose(call: Call, g: Tensor) -> Sequence[Tensor]:
    order = call.attributes["order"]
    return (transpose(g, order=tuple(int(i) for i in np.argsort(order))),)


RULES["matmul"] = _matmul
RULES["transpose"] = _transpose
