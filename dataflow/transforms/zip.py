"""`zip`: combine elements of several datasets."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.errors import DataflowError
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Cursor, Operator, State
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

    def take_run(self, start: int, stop: int) -> Node | None:
        """The runs of all inputs."""
        below = [node.take_run(start, stop) for node in self.sources]
        found = [node for node in below if node is not None]
        return self.with_inputs(*found) if len(found) == len(below) else None

    def count_elements(self) -> int | None:
        """The smallest number of an input that ends."""
        endless = [node.infer_cardinality() == INFINITE_CARDINALITY for node in self.sources]
        sizes = [node.count_elements() for node, skip in zip(self.sources, endless, strict=True) if not skip]
        known = [size for size in sizes if size is not None]
        return min(known) if known and len(known) == len(sizes) else None

    def operator(self, *inputs: Operator) -> Operator:
        """Put columns side by side."""
        return ZipOperator(self, *inputs)


class ZipOperator(Operator):
    """Reads as many rows as all inputs have at hand."""

    node: Zip

    def start(self, own: State | None) -> None:
        """Nothing moves here."""

    def produce(self) -> Block | None:
        """Return the next rows of all inputs; where one fails, its partners are passed over."""
        heads: list[tuple[Cursor, Block]] = []
        errors: list[DataflowError] = []
        for cursor in self.inputs:
            try:
                head = cursor.peek()
            except DataflowError as error:
                errors.append(error)
                continue
            if head is None:
                return None
            heads.append((cursor, head))
        if errors:
            for cursor, _ in heads:
                cursor.advance(1)
            raise errors[0]
        rows = min(head.length for _, head in heads)
        parts = [cursor.read(rows) for cursor in self.inputs]
        return Block(tuple(c for part in parts if part is not None for c in part.columns), rows)


def nesting_of(structure: Structure) -> Structure:
    """Return the structure with its leaves numbered."""
    return pack(structure, list(range(len(flatten(structure)))))


EXAMPLES = (lambda source: Zip((source, source), (0, 1)), lambda source: Zip((source,), {"only": 0}))
