"""`shard`: every n-th element, to divide a dataset among workers."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure


@dataclasses.dataclass(frozen=True)
class Shard(Node):
    """The elements whose number modulo `num_shards` is `index`."""

    traits = Traits(same_elements=True)
    input: Node
    num_shards: int
    index: int

    def check(self) -> None:
        """The index must be one of the shards."""
        if self.num_shards < 1:
            raise InvalidArgumentError(f"num_shards must be at least 1, not {self.num_shards}")
        if not 0 <= self.index < self.num_shards:
            raise InvalidArgumentError(f"index must be in [0, {self.num_shards}), not {self.index}")

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


EXAMPLES = (
    lambda source: Shard(source, 3, 1),
    lambda source: Shard(source, 1, 0),
    lambda source: Shard(source, 100, 99),
)
