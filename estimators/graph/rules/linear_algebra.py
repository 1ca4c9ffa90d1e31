"""Gradient rules of matrix products and transposition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflow.expr.primitives.shape import transpose
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.registry import RULES


def _matmul(call: Call, g: Tensor) -> Sequence[Tensor]:
    a, b = call.inputs
    return np.matmul(g, b.T), np.matmul(a.T, g)


def _transpose(call: Call, g: Tensor) -> Sequence[Tensor]:
    order = call.attributes["order"]
    return (transpose(g, order=tuple(int(i) for i in np.argsort(order))),)


RULES["matmul"] = _matmul
RULES["transpose"] = _transpose
