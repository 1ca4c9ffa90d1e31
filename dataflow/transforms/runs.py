"""A run of the elements of any node."""

from __future__ import annotations

from dataflow.plan.node import Node
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take


def run_of(node: Node, start: int, stop: int) -> Node:
    """Return a node that gives elements ``start … stop - 1``, by going there, or reading up to there."""
    run = node.take_run(start, stop)
    return Take(Skip(node, start), stop - start) if run is None else run
