"""`repeat`: go through the input several times."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class Repeat(Node):
    """The input `count` times, each time started anew; forever if `count` is negative."""

    traits = Traits(same_elements=True)
    input: Node
    count: int = -1

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The product; endless even over an input of unknown size, unless it is known to be empty."""
        size = self.input.infer_cardinality()
        if self.count == 0 or size == 0:
            return 0
        if self.count < 0:
            return INFINITE_CARDINALITY
        return size * self.count if size >= 0 else size

    def operator(self, *inputs: Operator) -> Operator:
        """Open the input again at its end."""
        return RepeatOperator(self, *inputs)


class RepeatOperator(Operator):
    """Opens its input again at the end of each epoch."""

    node: Repeat

    def start(self, own: State | None) -> None:
        """Begin the first epoch."""
        self.epoch = 0 if own is None else own["epoch"]
        self.empty = True if own is None else own["empty"]

    def produce(self) -> Block | None:
        """Return the next block of this epoch or of the next one that has any."""
        while self.node.count < 0 or self.epoch < self.node.count:
            block = self.input.read(1 << 62)
            if block is not None:
                self.empty = False
                return block
            if self.node.count < 0 and self.empty:
                return None
            self.epoch += 1
            if self.node.count < 0 or self.epoch < self.node.count:
                self.empty = True
                self.input.open(self.context, None)
        return None

    def own_state(self) -> State:
        """The epoch, and whether it has given nothing yet."""
        return {"epoch": self.epoch, "empty": self.empty}


EXAMPLES = (
    lambda source: Repeat(source, 3),
    lambda source: Repeat(source, 0),
    lambda source: Repeat(source, 1),
    lambda source: Take(Repeat(source), 25),
)
