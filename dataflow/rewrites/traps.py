"""Known traps: plans that do what they say, which is hardly what was meant."""

from __future__ import annotations

from dataflow.plan.node import Node
from dataflow.plan.stages import Trap
from dataflow.sources.list_files import ListFiles
from dataflow.transforms.cache import Cache
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take


def cached_shuffle(node: Node) -> str | None:
    """`cache` freezes the order of a shuffle before it."""
    if isinstance(node, Cache) and isinstance(node.input, Shuffle) and node.input.reshuffle_each_iteration:
        return "cache() after shuffle() keeps the first order for all epochs; put shuffle() behind cache()"
    return None


def split_of_shuffled_files(node: Node) -> str | None:
    """`take` and `skip` of files that are listed in another order each time do not split a dataset."""
    if not isinstance(node, Take | Skip) or node.count in (0, -1) or not isinstance(node.input, Shuffle):
        return None
    source = node.input.input
    if isinstance(source, ListFiles) and node.input.reshuffle_each_iteration and len(source.paths) > 1:
        return (
            "list_files() shuffles anew on each pass, so take() and skip() give other files each time; "
            "use shuffle=False"
        )
    return None


TRAPS: tuple[Trap, ...] = (cached_shuffle, split_of_shuffled_files)
