"""Give traced maps threads."""

from __future__ import annotations

import dataclasses

from dataflow.options import AUTOTUNE, Options
from dataflow.plan.node import Node
from dataflow.transforms.map import Map


def place_threads(node: Node, options: Options) -> Node | None:
    """Set the number of threads of a map that leaves it open.

    Right because the operator keeps the order. A Python function gets a single one: it holds the GIL,
    and may depend on being called in order.
    """
    if not isinstance(node, Map):
        return None
    open_choice = node.num_parallel_calls in (None, AUTOTUNE)
    threads = (options.threads or 0) if node.function.tier != "python" else 0
    wanted = threads if open_choice else min(node.num_parallel_calls or 0, max(threads, 1))
    wanted = max(1, wanted)
    return None if wanted == node.num_parallel_calls else dataclasses.replace(node, num_parallel_calls=wanted)
