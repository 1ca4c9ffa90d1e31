"""Run the whole pipeline beside its consumer."""

from __future__ import annotations

from dataflow.options import Options
from dataflow.plan.node import Node, walk
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.interleave import Interleave
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch


def place_prefetch(plan: Node, options: Options) -> Node:
    """Put a prefetch at the end of the plan.

    Right because prefetch keeps elements and order. Plans that run no function are left alone: a
    thread would cost more than they do; and so are Python functions, whose calls the user may count.
    """
    if not options.threads or isinstance(plan, Prefetch):
        return plan
    stages = walk(plan)
    python = any(isinstance(node, Map) and node.function.tier == "python" for node in stages)
    heavy = any(isinstance(node, Map | FlatMap | Interleave) for node in stages)
    return Prefetch(plan, origin=plan.origin) if heavy and not python else plan
