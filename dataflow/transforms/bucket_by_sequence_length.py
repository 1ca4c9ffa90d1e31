"""`bucket_by_sequence_length`: padded batches of elements of similar length."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.plan.node import Node
from dataflow.sources.from_list import FromList
from dataflow.spec import Structure, common_spec, flatten, map_structure
from dataflow.transforms.batch import Batch
from dataflow.transforms.group_by_window import GroupByWindow, GroupFunction, with_key
from dataflow.transforms.padded_batch import padded_batch_node


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Which lengths go together, and how their batches are made.

    Bucket i has lengths from ``boundaries[i - 1]`` to below ``boundaries[i]``, and batches of ``sizes[i]``.
    """

    boundaries: tuple[int, ...]
    sizes: tuple[int, ...]
    padded_shapes: Structure = None
    padding_values: Structure = None
    pad_to_bucket_boundary: bool = False
    no_padding: bool = False
    drop_remainder: bool = False

    def __post_init__(self) -> None:
        if not self.boundaries or not self.sizes:
            raise InvalidArgumentError("bucket_boundaries and bucket_batch_sizes must not be empty")
        if len(self.sizes) != len(self.boundaries) + 1:
            raise InvalidArgumentError(
                f"{len(self.boundaries)} boundaries make {len(self.boundaries) + 1} buckets, "
                f"and bucket_batch_sizes has {len(self.sizes)}"
            )
        if any(low >= high for low, high in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise InvalidArgumentError(f"bucket_boundaries must increase, and are {self.boundaries}")
        if min(self.sizes) < 1:
            raise InvalidArgumentError(f"bucket_batch_sizes must be at least 1, not {self.sizes}")

    def bucket(self, length: Any) -> Any:
        """Return the number of the bucket of a length, which may be symbolic."""
        return (length >= np.array(self.boundaries)).sum().astype(np.int64)

    def batches(self, bucket: Any, group: Node) -> Node:
        """Return the plan of one bucket's batches.

        Raises:
            InvalidArgumentError: The last bucket has no boundary to pad to.
        """
        bucket = int(bucket)
        size = self.sizes[bucket]
        if self.no_padding:
            return Batch(group, size, self.drop_remainder)
        node = padded_batch_node(group, size, self.padded_shapes, self.padding_values, self.drop_remainder)
        if not self.pad_to_bucket_boundary:
            return node
        if bucket == len(self.boundaries):
            raise InvalidArgumentError(
                f"with pad_to_bucket_boundary, elements must be shorter than {self.boundaries[-1]}",
                hint="add a boundary above the longest element",
            )
        largest = self.boundaries[bucket] - 1
        shapes = tuple(tuple(largest if n is None else n for n in shape) for shape in node.padded_shapes)
        return dataclasses.replace(node, padded_shapes=shapes)


def bucket_node(
    source: Node, element_length_func: Callable[..., Any], buckets: Buckets, **options: Any
) -> GroupByWindow:
    """Return the plan.

    Args:
        source: The plan of the elements.
        element_length_func: From an element, a plain tuple unpacked, to an integer.
        buckets: How elements go together.
        **options: As for `make_user_function`.
    """

    def bucket_of(*element: Any) -> Any:
        return buckets.bucket(element_length_func(*element))

    bucket_of.__qualname__ = getattr(element_length_func, "__qualname__", "element_length_func")
    nothing = FromList(Block((), 0), source.element_spec)
    padded = buckets.pad_to_bucket_boundary and not buckets.no_padding
    usable = range(len(buckets.sizes) - int(padded))
    specs = [buckets.batches(bucket, nothing).element_spec for bucket in usable]
    output = functools.reduce(lambda a, b: map_structure(common_spec, a, b), specs)
    function = GroupFunction(buckets.batches, source.element_spec, output, label=repr(buckets))
    keyed = with_key(source, bucket_of, **options)
    return GroupByWindow(keyed, function, window_size_func=lambda bucket: buckets.sizes[int(bucket)])


def as_buckets(boundaries: Sequence[int], sizes: Sequence[int], **settings: Any) -> Buckets:
    """Return the buckets for lists of numbers, and the other settings of `Buckets`."""
    return Buckets(tuple(map(int, boundaries)), tuple(map(int, sizes)), **settings)


def _example(sizes: Sequence[int], **settings: Any) -> Callable[[Node], Node]:
    def length(*parts: Any) -> Any:
        first = flatten(parts)[0]
        if first.ndim != 1:
            raise SpecError("the example takes vectors")
        return np.size(first)

    buckets = as_buckets([1, 2], sizes, **settings)
    return lambda source: bucket_node(source, length, buckets, first_element=lambda: None)


EXAMPLES = (
    _example([1, 2, 2]),
    _example([2, 2, 2], pad_to_bucket_boundary=True),
    _example([2, 3, 1], no_padding=True, drop_remainder=True),
)
