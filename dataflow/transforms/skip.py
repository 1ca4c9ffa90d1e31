"""`skip`: all but the first elements."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure


@dataclasses.dataclass(frozen=True)
class Skip(Node):
    """All elements behind the first `count`; none if `count` is negative."""

    traits = Traits(same_elements=True)
    input: Node
    count: int

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """What is left."""
        size = self.input.infer_cardinality()
        if self.count < 0:
            return 0
        return max(size - self.count, 0) if size >= 0 else size

    def operator(self, *inputs: Operator) -> Operator:
        """Count and drop."""
        return SkipOperator(self, *inputs)


class SkipOperator(Operator):
    """Drops blocks until `count` elements are gone, then passes blocks on."""

    node: Skip

    def start(self, own: State | None) -> None:
        """Begin with nothing skipped."""
        self.left = self.node.count if own is None else own["left"]

    def produce(self) -> Block | None:
        """Return the next block behind the skipped elements."""
        if self.node.count < 0:
            return None
        while self.left > 0:
            block = self.input.read(self.left)
            if block is None:
                return None
            self.left -= block.length
        return self.input.read(1 << 62)

    def own_state(self) -> State:
        """How many elements are still to be skipped."""
        return {"left": self.left}


EXAMPLES = (
    lambda source: Skip(source, 3),
    lambda source: Skip(source, 0),
    lambda source: Skip(source, -1),
    lambda source: Skip(source, 1000),
)
