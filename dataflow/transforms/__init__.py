"""The transforms, one file each: the folder is the feature list.

A file holds the node (settings), its operator (all that moves) and EXAMPLES, functions from a source
node to a node, which the conformance suite runs.
"""

from __future__ import annotations

from types import ModuleType

from dataflow.transforms import (
    batch,
    cache,
    concatenate,
    enumerate,
    filter,
    flat_map,
    interleave,
    map,
    prefetch,
    repeat,
    shard,
    shuffle,
    skip,
    take,
    unbatch,
    with_options,
    zip,
)

TRANSFORMS: tuple[ModuleType, ...] = (
    batch, cache, concatenate, enumerate, filter, flat_map, interleave, map, prefetch, repeat, shard,
    shuffle, skip, take, unbatch, with_options, zip,
)  # fmt: skip
