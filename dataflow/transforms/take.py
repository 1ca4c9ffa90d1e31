"""`take`: the first elements."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure


@dataclasses.dataclass(frozen=True)
class Take(Node):
    """The first `count` elements; all of them if `count` is negative."""

    traits = Traits(same_elements=True)
    input: Node
    count: int

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The smaller of both numbers."""
        size = self.input.infer_cardinality()
        if self.count < 0 or size == UNKNOWN_CARDINALITY:
            return size
        return self.count if size == INFINITE_CARDINALITY else min(size, self.count)

    def take_run(self, start: int, stop: int) -> Node | None:
        """The run of the input, as far as it is taken."""
        end = stop if self.count < 0 else min(stop, self.count)
        return self.input.take_run(min(start, end), end)

    def count_elements(self) -> int | None:
        """The smaller of both numbers."""
        if (size := self.infer_cardinality()) >= 0:
            return size
        counted = self.input.count_elements()
        return counted if counted is None or self.count < 0 else min(counted, self.count)

    def operator(self, *inputs: Operator) -> Operator:
        """Count and stop."""
        return TakeOperator(self, *inputs)


class TakeOperator(Operator):
    """Passes blocks on until `count` elements have passed."""

    node: Take

    def start(self, own: State | None) -> None:
        """Begin with nothing taken."""
        self.taken = 0 if own is None else own["taken"]

    def produce(self) -> Block | None:
        """Return the next block, cut where the count is reached; then the input is not read further."""
        left = 1 << 62 if self.node.count < 0 else self.node.count - self.taken
        block = self.input.read(left) if left > 0 else None
        self.taken += 0 if block is None else block.length
        return block

    def own_state(self) -> State:
        """How many elements have passed."""
        return {"taken": self.taken}


EXAMPLES = (
    lambda source: Take(source, 3),
    lambda source: Take(source, 0),
    lambda source: Take(source, -1),
    lambda source: Take(source, 1000),
)
