"""Rules that turn a plan into a faster one with the same elements in the same order.

A rule is a function ``(node, options) -> better node or None``, one per file; its docstring says
when it is right.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.plan.stages import Rule, Stage, rewrite
from dataflow.rewrites.drop_no_ops import drop_no_ops
from dataflow.rewrites.fuse_maps import fuse_maps
from dataflow.rewrites.narrow_early import narrow_early
from dataflow.rewrites.place_prefetch import place_prefetch
from dataflow.rewrites.place_threads import place_threads
from dataflow.rewrites.prune_columns import prune_columns
from dataflow.rewrites.push_filters import push_filters
from dataflow.rewrites.push_positions import push_positions
from dataflow.rewrites.rows_before_batch import rows_before_batch
from dataflow.rewrites.window_batches import window_batches

RULES: tuple[Rule, ...] = (
    drop_no_ops,  # first: what does nothing would keep the other rules from seeing neighbours
    push_positions,  # before fusing: a map that fails would keep others from being passed
    rows_before_batch,  # before narrowing: what comes below a batch may go on below a shuffle
    narrow_early,  # before fusing: what moves below a shuffle meets the maps there
    fuse_maps,  # before pruning: one function knows best which columns are used
    prune_columns,
    push_filters,
    window_batches,
)
"""Between "checked" and "rewritten"."""

PLACEMENTS: tuple[Callable[[Node, Options], Node], ...] = (place_threads, place_prefetch)
"""Between "rewritten" and "placed"; each looks at the plan as a whole."""


def plan_at(stage: Stage, written: Node, options: Options) -> Node:
    """Return the plan as it is at a stage.

    Args:
        stage: "written", "checked" (the same nodes: checking raises or warns), "rewritten", "placed".
        written: The plan of the handle.
        options: Resolved options; with ``rewrites=False`` the plan stays as it was written.
    """
    if stage in ("written", "checked") or not options.rewrites:
        return written
    rewritten = rewrite(written, RULES, options)
    if stage == "rewritten":
        return rewritten
    return functools.reduce(lambda plan, place: place(plan, options), PLACEMENTS, rewritten)
