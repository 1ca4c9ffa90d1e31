"""Compute before a shuffle what makes its rows smaller."""

from __future__ import annotations

import math

from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.spec import Structure, TensorSpec, flatten, is_text
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.repeat import Repeat
from dataflow.transforms.shuffle import Shuffle

TEXT_BYTES = 16
"""What an element of text is taken to need."""
UNKNOWN_SIZE = 8
"""How many items a dimension that varies is taken to have."""


def narrow_early(node: Node, options: Options) -> Node | None:
    """Move a map below a shuffle where its results take less memory than its arguments, also past a repeat.

    Right because a shuffle draws places, whatever stands there, a repeat and a prefetch pass elements on, and
    a total function of single elements does not change how many there are.
    """
    match node:
        case Map(function=function, input=(Shuffle() | Repeat() | Prefetch()) as stage):
            source = stage.input
        case _:
            return None
    if function.graph is None or not function.graph.is_total:
        return None
    if row_bytes(function.output_spec) >= row_bytes(source.element_spec):
        return None
    return stage.with_inputs(node.with_inputs(source))


def row_bytes(spec: Structure) -> int:
    """Return about how many bytes an element takes."""
    return sum(_leaf_bytes(leaf) for leaf in flatten(spec))


def _leaf_bytes(spec: TensorSpec) -> int:
    width = TEXT_BYTES if is_text(spec.dtype) else spec.dtype.itemsize
    return width * math.prod(UNKNOWN_SIZE if size is None else size for size in spec.shape)
