"""Divide the threads of a pipeline among its stages."""

from __future__ import annotations

import dataclasses

from dataflow.options import AUTOTUNE, Options
from dataflow.plan.node import Node, walk
from dataflow.sources.parquet import ParquetRows
from dataflow.transforms.map import Map


def place_threads(plan: Node, options: Options) -> Node:
    """Set the number of threads of maps that leave it open, an equal share for each, and of scans.

    Right because the operators keep the order. A Python function that leaves it open gets a single one:
    it may depend on being called in order. One that does not gets as many as were asked for, however few
    cores there are: it may spend its time waiting.
    """
    threads = options.threads or 0
    sharing = sum(isinstance(node, Map) and _is_open(node) for node in walk(plan))
    return _placed(plan, threads, max(1, threads // max(1, sharing)))


def _is_open(node: Map) -> bool:
    return node.function.tier != "python" and node.num_parallel_calls in (None, AUTOTUNE)


def _placed(node: Node, threads: int, share: int) -> Node:
    node = node.with_inputs(*(_placed(child, threads, share) for child in node.inputs))
    if isinstance(node, ParquetRows) and node.threads != max(1, threads):
        return dataclasses.replace(node, threads=max(1, threads))
    if not isinstance(node, Map):
        return node
    calls = node.num_parallel_calls
    if node.function.tier == "python":
        wanted = 1 if calls is None or not threads else threads if calls == AUTOTUNE else calls
    else:
        wanted = share if calls is None or calls == AUTOTUNE else min(calls, threads)
    return node if max(1, wanted) == calls else dataclasses.replace(node, num_parallel_calls=max(1, wanted))
