"""`enumerate`: number the elements."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import DataflowError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec


@dataclasses.dataclass(frozen=True)
class Enumerate(Node):
    """Pairs ``(number, element)``, the number an int64 from `start` on.

    An element that cannot be made has a number too.
    """

    input: Node
    start: int = 0

    def infer_spec(self) -> Structure:
        """The pair."""
        return (TensorSpec((), np.int64), self.input.element_spec)

    def infer_cardinality(self) -> int:
        """As many as come in."""
        return self.input.infer_cardinality()

    def take_run(self, start: int, stop: int) -> Node | None:
        """The run of the input, numbered from where it begins."""
        below = self.input.take_run(start, stop)
        return None if below is None else dataclasses.replace(self, input=below, start=self.start + start)

    def count_elements(self) -> int | None:
        """As many as come in."""
        return self.input.count_elements()

    def operator(self, *inputs: Operator) -> Operator:
        """Add a column."""
        return EnumerateOperator(self, *inputs)


class EnumerateOperator(Operator):
    """Adds the column of numbers."""

    node: Enumerate

    def start(self, own: State | None) -> None:
        """Begin with the first number."""
        self.number = self.node.start if own is None else own["number"]

    def produce(self) -> Block | None:
        """Return the next block with its numbers."""
        try:
            block = self.input.read(1 << 62)
        except DataflowError:
            self.number += 1
            raise
        if block is None:
            return None
        numbers = np.arange(self.number, self.number + block.length, dtype=np.int64)
        self.number += block.length
        return Block((numbers, *block.columns), block.length, block.origin)

    def own_state(self) -> State:
        """The next number."""
        return {"number": self.number}


EXAMPLES = (lambda source: Enumerate(source), lambda source: Enumerate(source, start=-5))
