"""`assert_cardinality`: say how many elements there are, and fail where that is wrong."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.errors import FailedPreconditionError, InvalidArgumentError
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class AssertCardinality(Node):
    """The same elements, `expected` in number; or INFINITE (no end), or UNKNOWN (no check)."""

    input: Node
    expected: int

    def check(self) -> None:
        """Refuse other negative numbers."""
        if self.expected < UNKNOWN_CARDINALITY:
            raise InvalidArgumentError(f"a cardinality must be at least 0, not {self.expected}")

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """What is asserted."""
        return self.expected

    def operator(self, *inputs: Operator) -> Operator:
        """Count."""
        return AssertCardinalityOperator(self, *inputs)


class AssertCardinalityOperator(Operator):
    """Counts what passes; raises once, at the end or at the first element too many."""

    node: AssertCardinality

    def start(self, own: State | None) -> None:
        """Begin with nothing counted."""
        self.counted = 0 if own is None else own["counted"]
        self.failed = False if own is None else own["failed"]

    def produce(self) -> Block | None:
        """Return the next block, up to the expected number."""
        if self.failed:
            return None
        expected = self.node.expected
        head = self.input.peek()
        if head is None:
            if expected in (self.counted, UNKNOWN_CARDINALITY):
                return None
            raise self._wrong("only")
        if expected == self.counted:
            raise self._wrong("more than")
        block = head if expected < 0 else head.slice(0, expected - self.counted)
        self.input.advance(block.length)
        self.counted += block.length
        return block

    def _wrong(self, how: str) -> FailedPreconditionError:
        self.failed = True
        expected = (
            "no end" if self.node.expected == INFINITE_CARDINALITY else f"{self.node.expected} elements"
        )
        return FailedPreconditionError(
            f"assert_cardinality expects {expected}, and the dataset has {how} {self.counted}",
            hint="give the number of elements that there are, or UNKNOWN_CARDINALITY",
        )

    def own_state(self) -> State:
        """How many elements have passed, and whether the number was found wrong."""
        return {"counted": self.counted, "failed": self.failed}


EXAMPLES = (
    lambda source: AssertCardinality(source, 11),
    lambda source: AssertCardinality(source, 4),
    lambda source: AssertCardinality(source, UNKNOWN_CARDINALITY),
    lambda source: AssertCardinality(source, INFINITE_CARDINALITY),
    lambda source: AssertCardinality(Take(source, 0), 0),
)
