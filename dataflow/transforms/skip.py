"""`skip`: all but the first elements."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from dataflow.block import Block
from dataflow.plan.node import Node, Traits
from dataflow.plan.parts import Extent, Place
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

    def take_run(self, start: int, stop: int) -> Node | None:
        """A run further on."""
        return self.input.take_run(start + self.count, stop + self.count) if self.count >= 0 else None

    def count_elements(self) -> int | None:
        """What is left."""
        size = self.input.count_elements()
        return size if size is None else 0 if self.count < 0 else max(size - self.count, 0)

    @functools.cached_property
    def _rest(self) -> Node | None:
        return self.take_run(0, 1 << 62)

    def extents(self) -> Sequence[Extent] | None:
        """Those of the input without its first elements."""
        return None if self._rest is None else self._rest.extents()

    def between(self, start: Place, stop: Place) -> Node:
        """The same of the input without its first elements."""
        assert self._rest is not None
        return self._rest.between(start, stop)

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
