"""`concatenate`: one dataset after the other."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.errors import SpecError
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node, epochs_of
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
