"""The transforms, one file each: the folder is the feature list.

A file holds the node (settings), its operator (all that moves) and EXAMPLES, functions from a source
node to a node, which the conformance suite runs.
"""

from __future__ import annotations

from types import ModuleType

from dataflow.transforms import (
    assert_cardinality,
    batch,
    bucket_by_sequence_length,
    cache,
    choose,
    concatenate,
    enumerate,
    filter,
    flat_map,
    global_shuffle,
    group_by_window,
    ignore_errors,
    interleave,
    map,
    padded_batch,
    prefetch,
    ragged_batch,
    rebatch,
    rejection_resample,
    repeat,
    scan,
    shard,
    shuffle,
    skip,
    snapshot,
    take,
    take_while,
    unbatch,
    unique,
    window,
    with_options,
    zip,
)

TRANSFORMS: tuple[ModuleType, ...] = (
    assert_cardinality, batch, bucket_by_sequence_length, cache, choose, concatenate, enumerate, filter,
    flat_map, global_shuffle, group_by_window, ignore_errors, interleave, map, padded_batch, prefetch,
    ragged_batch, rebatch,
    rejection_resample, repeat, scan, shard,
    shuffle, skip, snapshot, take, take_while, unbatch, unique, window, with_options, zip,
)  # fmt: skip
