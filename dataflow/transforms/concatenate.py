"""`concatenate`: one dataset after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dataflow.block import Block
from dataflow.errors import SpecError
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node, epochs_of
from dataflow.plan.parts import Extent, Place
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import Epochs
from dataflow.spec import Structure, common_spec, map_structure


@dataclasses.dataclass(frozen=True)
class Concatenate(Node):
    """All elements of `input`, then all of `other`."""

    input: Node
    other: Node

    def infer_spec(self) -> Structure:
        """What both satisfy."""
        try:
            return map_structure(common_spec, self.input.element_spec, self.other.element_spec)
        except SpecError as error:
            raise SpecError(f"concatenate needs elements of one kind: {error.message}") from error

    def infer_cardinality(self) -> int:
        """The sum."""
        sizes = [self.input.infer_cardinality(), self.other.infer_cardinality()]
        for special in (INFINITE_CARDINALITY, UNKNOWN_CARDINALITY):
            if special in sizes:
                return special
        return sum(sizes)

    def count_elements(self) -> int | None:
        """The sum."""
        sizes = [node.count_elements() for node in self.inputs]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def take_run(self, start: int, stop: int) -> Node | None:
        """The end of one input, or the beginning of the other, or both."""
        size = self.input.count_elements()
        if size is None:
            return None
        if stop <= size:
            return self.input.take_run(start, stop)
        if start >= size:
            return self.other.take_run(start - size, stop - size)
        head, tail = self.input.take_run(start, size), self.other.take_run(0, stop - size)
        return None if head is None or tail is None else self.with_inputs(head, tail)

    def extents(self) -> Sequence[Extent] | None:
        """Those of both."""
        found = [node.extents() for node in self.inputs]
        known = [extent for extents in found if extents is not None for extent in extents]
        return None if None in found else known

    def between(self, start: Place, stop: Place) -> Node:
        """The end of one input, or the beginning of the other, or both."""
        border = Place(len(self.input.extents() or ()))
        if stop <= border:
            return self.input.between(start, stop)
        behind = Place(stop.extent - border.extent, stop.byte)
        if start >= border:
            return self.other.between(Place(start.extent - border.extent, start.byte), behind)
        return self.with_inputs(self.input.between(start, border), self.other.between(Place(0), behind))

    def operator(self, *inputs: Operator) -> Operator:
        """Read one input after the other."""
        return ConcatenateOperator(self, *inputs)


class ConcatenateOperator(Operator):
    """Opens the second input when the first has ended."""

    node: Concatenate

    def start_inputs(self, states: list[State | None]) -> None:
        """Open the input that the position is in; of the other, only the epochs go on."""
        closed = [state is None or "epochs" in state for state in states]
        self.current = 0 if closed[1] else 1
        other = states[1 - self.current]
        if other is not None:
            for epochs, upcoming in zip(self._epochs(1 - self.current), other["epochs"], strict=False):
                epochs.upcoming = upcoming
        self.inputs[self.current].open(self.context, states[self.current])

    def _epochs(self, number: int) -> list[Epochs]:
        return epochs_of(self.node.inputs[number])

    def start(self, own: State | None) -> None:
        """Everything is set by the inputs."""

    def produce(self) -> Block | None:
        """Return the next block of the current input, or of the next one."""
        block = self.inputs[self.current].read(1 << 62)
        if block is None and self.current == 0:
            self.current = 1
            self.inputs[1].open(self.context, None)
            block = self.inputs[1].read(1 << 62)
        return block

    def input_states(self) -> list[State | None]:
        """The position in the current input; of the other, which is closed, how often it was shuffled."""
        return [
            cursor.state()
            if i == self.current
            else {"epochs": [epochs.upcoming for epochs in self._epochs(i)]}
            for i, cursor in enumerate(self.inputs)
        ]


EXAMPLES = (lambda source: Concatenate(source, source),)
