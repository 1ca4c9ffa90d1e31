"""One element of a plan, for functions that cannot be traced: any shows what they return."""

from __future__ import annotations

from collections.abc import Callable

from dataflow.block import Block
from dataflow.errors import TraceError
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node, walk
from dataflow.runtime.iterate import BlockIterator
from dataflow.sources.arrow import ArrowStream
from dataflow.transforms.cache import Cache
from dataflow.transforms.global_shuffle import GlobalShuffle
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.snapshot import Snapshot


def first_element(node: Node, start: Callable[[Node], BlockIterator]) -> Block | None:
    """Return a block of one element, None if there is none; `start` runs a plan.

    Raises:
        TraceError: The plan depends on an element that is not known yet.
    """
    for inner in walk(node):
        if any(isinstance(value, Tensor) for value in inner.settings().values()):
            raise TraceError("the function can only be understood by calling it on an element")
    blocks = start(_without_memory(node))
    try:
        return blocks.read(1)
    finally:
        blocks.close()


def _without_memory(node: Node) -> Node:
    """Return the plan without stages that only change order or timing, and that remember being started.

    A shuffle would fill its buffer, and count an epoch.
    """
    if isinstance(node, Shuffle | GlobalShuffle | Cache | Prefetch):
        return _without_memory(node.input)
    if isinstance(node, Snapshot):
        return _without_memory(node.elements)
    if isinstance(node, ArrowStream):
        return node.sample()  # what can be read once is not used up
    return node.with_inputs(*map(_without_memory, node.inputs))
