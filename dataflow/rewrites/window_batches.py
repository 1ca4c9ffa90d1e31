"""Windows that are made only to be batched."""

from __future__ import annotations

import dataclasses

from dataflow.leaves import DatasetSpec
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.transforms.batch import Batch
from dataflow.transforms.flat_map import FlatMap
from dataflow.transforms.window import Window


def window_batches(node: Node, options: Options) -> Node | None:
    """Make arrays of ``window(n).flat_map(lambda w: w.batch(n))`` at once, without a dataset for each.

    Right because a window of one component that is batched whole is one batch: the elements of the
    window in order. With ``batch(n, drop_remainder=True)`` the shorter windows at the end give nothing.
    """
    if not isinstance(node, FlatMap) or not isinstance(node.input, Window) or node.input.as_batch:
        return None
    window, batch = node.input, node.function.outline
    if not isinstance(window.element_spec, DatasetSpec) or not isinstance(batch, Batch):
        return None
    if batch.input is not node.function.leaves[0].node or batch.batch_size < window.size:
        return None
    if batch.drop_remainder and batch.batch_size > window.size:
        return None
    return dataclasses.replace(
        window,
        drop_remainder=window.drop_remainder or batch.drop_remainder,
        as_batch=True,
        size_in_spec=batch.drop_remainder,
        handle=None,
    )
