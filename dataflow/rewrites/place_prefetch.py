"""Run the pipeline, or its reading, beside its consumer."""

from __future__ import annotations

import dataclasses

from dataflow.options import AUTOTUNE, Options
from dataflow.plan.node import Node, walk
from dataflow.sources.parquet import ParquetRows
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.interleave import Interleave
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import BLOCKS_AHEAD, QUEUE_SHARE, Prefetch

MAX_BLOCKS_AHEAD = 4
"""More would not fit the caches, and bursts are shorter."""
DECODED_BLOCK = 4
"""A block of columns may take so many times the bytes that a source aims at."""


def place_prefetch(plan: Node, options: Options) -> Node:
    """Put a prefetch at the end of a plan that runs functions, else above each scan of Parquet files.

    Right because prefetch keeps elements and order. Plans that do neither are left alone: a thread would
    cost more than they do; and so are Python functions, whose calls the user may count. How far those
    that leave it open run ahead is what the memory allows.
    """
    if options.threads:
        stages = walk(plan)
        python = any(isinstance(node, Map) and node.function.tier == "python" for node in stages)
        if not any(isinstance(node, Map | FlatMap | Interleave) for node in stages):
            plan = _above_scans(plan)
        elif not python and not isinstance(plan, Prefetch):
            plan = Prefetch(plan, origin=plan.origin)
    block = DECODED_BLOCK * (options.block_bytes or 1)
    fitting = (options.memory_bytes or 0) // QUEUE_SHARE // block
    return _with_depth(plan, min(max(fitting, BLOCKS_AHEAD), MAX_BLOCKS_AHEAD))


def _above_scans(node: Node) -> Node:
    if isinstance(node, ParquetRows):
        return Prefetch(node, origin=node.origin)
    if isinstance(node, Prefetch):
        return node
    return node.with_inputs(*(_above_scans(child) for child in node.inputs))


def _with_depth(node: Node, blocks: int) -> Node:
    node = node.with_inputs(*(_with_depth(child, blocks) for child in node.inputs))
    if isinstance(node, Prefetch) and node.buffer_size == AUTOTUNE:
        return dataclasses.replace(node, blocks_ahead=blocks)
    return node
