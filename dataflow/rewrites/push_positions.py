"""Leave elements out before they are computed, and best before they are read."""

from __future__ import annotations

import dataclasses

from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.sources.parquet import ParquetRows
from dataflow.spec import flatten
from dataflow.transforms.batch import Batch
from dataflow.transforms.map import Map
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.shard import Shard
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take


def push_positions(node: Node, options: Options) -> Node | None:
    """Move `take`, `skip` and `shard` below maps, the first two below batches, and `skip` into scans.

    Right because a map gives one element for one: only total functions, as elements that fail are not
    counted above. Batch n is made of elements n * B to n * B + B - 1, if all have one shape. A scan that
    skips reads what might be refused.
    """
    if not isinstance(node, Take | Skip | Shard):
        return None
    below = node.input
    if isinstance(below, Prefetch) or (isinstance(below, Map) and _is_total(below)):
        return below.with_inputs(node.with_inputs(below.input))
    if isinstance(node, Shard) or node.count < 0:
        return None
    if isinstance(below, Batch) and all(None not in spec.shape for spec in flatten(below.input.element_spec)):
        return below.with_inputs(
            dataclasses.replace(node, input=below.input, count=node.count * below.batch_size)
        )
    if isinstance(node, Skip) and isinstance(below, ParquetRows) and not below.where:
        return dataclasses.replace(below, skip_rows=below.skip_rows + node.count)
    return None


def _is_total(stage: Map) -> bool:
    return stage.function.graph is not None and stage.function.graph.is_total
