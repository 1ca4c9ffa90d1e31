"""Primitives that models need beside those of pipelines, one file per family.

To add one: write its record in the file of its family and, in the same file, its gradient rule
(``RULES[name]``) and, where NumPy is slow, its kernel (``KERNELS[name]``). The suites find it here.
"""

from __future__ import annotations

from types import ModuleType

from dataflow.expr.tensor import Primitive
from estimators.graph.primitives import (
    activations,
    adam,
    averages,
    classification,
    clusters,
    columns,
    convolution,
    gru,
    labels,
    layer_norm,
    losses,
    lstm,
    normalization,
    pooling,
    recurrent,
    shapes,
    tables,
    updates,
    vocabulary,
)

FAMILIES: tuple[ModuleType, ...] = (
    activations,
    adam,
    averages,
    classification,
    clusters,
    columns,
    convolution,
    gru,
    labels,
    layer_norm,
    losses,
    lstm,
    normalization,
    pooling,
    recurrent,
    shapes,
    tables,
    updates,
    vocabulary,
)

PRIMITIVES: dict[str, Primitive] = {
    item.name: item for family in FAMILIES for item in vars(family).values() if isinstance(item, Primitive)
}
"""All of them by name."""
