"""Run the pipeline, or its reading, beside its consumer."""

from __future__ import annotations

from dataflow.options import Options
from dataflow.plan.node import Node, walk
from dataflow.sources.parquet import ParquetRows
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.interleave import Interleave
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch


def place_prefetch(plan: Node, options: Options) -> Node:
    """Put a prefetch at the end of a plan that runs functions, else above each scan of Parquet files.

    Right because prefetch keeps elements and order. Plans that do neither are left alone: a thread would
    cost more than they do; and so are Python functions, whose calls the user may count.
    """
    if not options.threads or isinstance(plan, Prefetch):
        return plan
    stages = walk(plan)
    python = any(isinstance(node, Map) and node.function.tier == "python" for node in stages)
    heavy = any(isinstance(node, Map | FlatMap | Interleave) for node in stages)
    if heavy:
        return plan if python else Prefetch(plan, origin=plan.origin)
    return _above_scans(plan)


def _above_scans(node: Node) -> Node:
    if isinstance(node, ParquetRows):
        return Prefetch(node, origin=node.origin)
    if isinstance(node, Prefetch):
        return node
    return node.with_inputs(*(_above_scans(child) for child in node.inputs))
