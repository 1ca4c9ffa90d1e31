"""Known traps: plans that do what they say, which is hardly what was meant."""

from __future__ import annotations

from dataflow.plan.node import Node
from dataflow.plan.stages import Trap
from dataflow.sources.list_files import ListFiles
from dataflow.transforms.cache import Cache
from dataflow.transforms.global_shuffle import GlobalShuffle
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.skip import Skip
from dataflow.transforms.snapshot import Snapshot
from dataflow.transforms.take import Take


def cached_shuffle(node: Node) -> str | None:
    """`cache` and `snapshot` freeze the order of a shuffle before them."""
    if not isinstance(node, Cache | Snapshot) or not isinstance(node.input, Shuffle | GlobalShuffle):
        return None
    if not node.input.reshuffle_each_iteration:
        return None
    name = type(node).__name__.lower()
    return f"{name}() after shuffle() keeps the first order for all epochs; put shuffle() behind {name}()"


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
