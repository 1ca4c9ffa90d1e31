"""`zip`: combine elements of several datasets."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, flatten, pack


@dataclasses.dataclass(frozen=True)
class Zip(Node):
    """The i-th elements of all inputs, nested as `nesting`; ends with the shortest input.

    `nesting` is a structure of the inputs' numbers in `flatten` order.
    """

    sources: tuple[Node, ...]
    nesting: Structure

    def infer_spec(self) -> Structure:
        """The inputs' specs in the structure."""
        return pack(self.nesting, [node.element_spec for node in self.sources])

    def infer_cardinality(self) -> int:
        """The smallest; 0 beats unknown, unknown beats numbers, all endless is endless."""
        sizes = [node.infer_cardinality() for node in self.sources]
        if 0 in sizes:
            return 0
        if UNKNOWN_CARDINALITY in sizes:
            return UNKNOWN_CARDINALITY
        return min((s for s in sizes if s != INFINITE_CARDINALITY), default=INFINITE_CARDINALITY)

    def operator(self, *inputs: Operator) -> Operator:
        """Put columns side by side."""
        return ZipOperator(self, *inputs)


class ZipOperator(Operator):
    """Reads as many rows as all inputs have at hand."""

    node: Zip

    def start(self, own: State | None) -> None:
        """Nothing moves here."""

    def produce(self) -> Block | None:
        """Return the next rows of all inputs."""
        heads = []
        for cursor in self.inputs:
            head = cursor.peek()
            if head is None:
                return None
            heads.append(head)
        rows = min(head.length for head in heads)
        parts = [cursor.read(rows) for cursor in self.inputs]
        return Block(tuple(c for part in parts if part is not None for c in part.columns), rows)

    def own_state(self) -> State:
        """Nothing."""
        return {}


def nesting_of(structure: Structure) -> Structure:
    """Return the structure with its leaves numbered."""
    return pack(structure, list(range(len(flatten(structure)))))


EXAMPLES = (lambda source: Zip((source, source), (0, 1)), lambda source: Zip((source,), {"only": 0}))
