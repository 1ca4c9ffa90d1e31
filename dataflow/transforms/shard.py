"""`shard`: every n-th element, or a run of elements, to divide a dataset among workers."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import Node, Traits
from dataflow.plan.parts import places
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure
from dataflow.transforms.runs import run_of


def check_shard(num_shards: int, index: int) -> None:
    """The index must be one of the shards."""
    if num_shards < 1:
        raise InvalidArgumentError(f"num_shards must be at least 1, not {num_shards}")
    if not 0 <= index < num_shards:
        raise InvalidArgumentError(f"index must be in [0, {num_shards}), not {index}")


@dataclasses.dataclass(frozen=True)
class Shard(Node):
    """The elements whose number modulo `num_shards` is `index`."""

    traits = Traits(same_elements=True)
    input: Node
    num_shards: int
    index: int

    def check(self) -> None:
        """The index must be one of the shards."""
        check_shard(self.num_shards, self.index)

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """Its share, rounded up for the first shards."""
        size = self.input.infer_cardinality()
        return max(0, -((self.index - size) // self.num_shards)) if size >= 0 else size

    def operator(self, *inputs: Operator) -> Operator:
        """Gather rows at a stride."""
        return ShardOperator(self, *inputs)


class ShardOperator(Operator):
    """Takes every n-th row of each block."""

    node: Shard

    def start(self, own: State | None) -> None:
        """Begin with element 0."""
        self.phase = 0 if own is None else own["phase"]

    def produce(self) -> Block | None:
        """Return the rows of the next block that are in the shard."""
        while (block := self.input.read(1 << 62)) is not None:
            count = self.node.num_shards
            rows = np.arange((self.node.index - self.phase) % count, block.length, count)
            self.phase = (self.phase + block.length) % count
            if len(rows):
                return block.take(rows)
        return None

    def own_state(self) -> State:
        """Number of the next input element, modulo the shards."""
        return {"phase": self.phase}


def shard_node(node: Node, num_shards: int, index: int, contiguous: bool = False, even: bool = False) -> Node:
    """Return the node of one shard.

    Raises:
        InvalidArgumentError: A number is wrong; or the elements cannot be divided into runs.
    """
    if not contiguous:
        if even:
            raise InvalidArgumentError("even=True needs contiguous=True")
        return Shard(node, num_shards, index)
    check_shard(num_shards, index)
    if node.infer_cardinality() == INFINITE_CARDINALITY:
        raise InvalidArgumentError(
            "an endless dataset has no contiguous shards", hint="put repeat() behind shard(), not before"
        )
    part = None if even else _part(node, num_shards, index)
    if part is not None:
        return part
    size = node.count_elements()
    if size is None:
        raise InvalidArgumentError(
            f"the elements of {type(node).__name__} cannot be divided into runs: their number is not known, "
            "and only reading them all could tell",
            hint="put shard() right behind the source; or leave out contiguous=True; or say the number with "
            "assert_cardinality()",
        )
    if not even:
        return run_of(node, size * index // num_shards, size * (index + 1) // num_shards)
    if 0 < size < num_shards:
        raise InvalidArgumentError(
            f"there are {size} elements for {num_shards} shards, and even=True would drop them all",
            hint="use fewer shards, or smaller batches",
        )
    share = size // num_shards
    return run_of(node, share * index, share * (index + 1))


def _part(node: Node, number: int, index: int) -> Node | None:
    """Return a run that can be found without counting; None if there is none."""
    size = node.infer_cardinality()
    if size >= 0:
        return run_of(node, size * index // number, size * (index + 1) // number)
    extents = node.extents()
    if extents is not None:
        borders = places(extents, number)
        return node.between(borders[index], borders[index + 1])
    if node.traits.piecewise:
        below = _part(node.inputs[0], number, index)
        return None if below is None else node.with_inputs(below)
    return None


EXAMPLES = (
    lambda source: Shard(source, 3, 1),
    lambda source: Shard(source, 1, 0),
    lambda source: Shard(source, 100, 99),
    lambda source: shard_node(source, 3, 1, contiguous=True),
    lambda source: shard_node(source, 2, 1, contiguous=True, even=True),
)
