"""From a plan to the operators that run it."""

from __future__ import annotations

from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator


def build(node: Node) -> Operator:
    """Return the operator of the node over the operators of its inputs."""
    return node.operator(*(build(child) for child in node.inputs))
