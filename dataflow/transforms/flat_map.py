"""`flat_map`: the elements of a dataset made from each element, one dataset after the other."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.plan.dataset_function import DatasetFunction, make_dataset_function
from dataflow.plan.node import Node, Traits
from dataflow.runtime.build import build
from dataflow.runtime.operator import Cursor, Operator, State
from dataflow.spec import Structure
from dataflow.transforms.inner_plans import OverElements
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class FlatMap(OverElements):
    """All elements of ``function(element)`` for each element in order."""

    traits = Traits(piecewise=True)
    input: Node
    function: DatasetFunction

    def infer_spec(self) -> Structure:
        """The inner datasets'."""
        return self.function.output_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Run one inner plan at a time."""
        return FlatMapOperator(self, *inputs)


class FlatMapOperator(Operator):
    """Opens the inner plan of each input element in turn."""

    node: FlatMap
    inner: Cursor | None = None

    def start(self, own: State | None) -> None:
        """Begin, or go on within the inner plan of the element that the state names."""
        self.before = self.input.state()
        if own is not None and own["inner"] is not None:
            self._open_next(own["inner"])

    def _open_next(self, state: State | None) -> bool:
        self.before = self.input.state()
        block = self.input.peek()
        if block is None:
            return False
        self.input.advance(1)
        inner = Cursor(build(self.node.function.plan(block, 0)))
        inner.open(self.context, state)
        self.inner = inner
        return True

    def produce(self) -> Block | None:
        """Return the next block of the current inner plan, or of the next one that has any."""
        while True:
            if self.inner is None and not self._open_next(None):
                return None
            assert self.inner is not None
            block = self.inner.read(1 << 62)
            if block is not None:
                return block
            self.release()

    def release(self) -> None:
        """Close the inner plan."""
        if self.inner is not None:
            self.inner.close()
            self.inner = None

    def own_state(self) -> State:
        """The position in the current inner plan."""
        return {"inner": None if self.inner is None else self.inner.state()}

    def input_states(self) -> list[State | None]:
        """The input's position before the element whose plan is open."""
        return [self.input.state() if self.inner is None else self.before]


def _with_itself(source: Node) -> Node:
    function = make_dataset_function(lambda *_: Take(source, 3), source.element_spec, lambda: None)
    return FlatMap(source, function)


EXAMPLES = (_with_itself,)
