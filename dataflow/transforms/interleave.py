"""`interleave`: take turns among datasets made from the elements."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.options import AUTOTUNE
from dataflow.plan.dataset_function import DatasetFunction, make_dataset_function
from dataflow.plan.node import Node
from dataflow.runtime.build import build
from dataflow.runtime.operator import Cursor, Operator, State
from dataflow.spec import Structure
from dataflow.transforms.inner_plans import OverElements
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class Interleave(OverElements):
    """`block_length` elements in turn from each of `cycle_length` inner datasets.

    A dataset that ends is replaced by that of the next element when its turn comes again.
    """

    input: Node
    function: DatasetFunction
    cycle_length: int
    block_length: int = 1
    num_parallel_calls: int | None = dataclasses.field(default=None, metadata={"physical": True})

    def check(self) -> None:
        """Refuse sizes below 1."""
        for name in ("cycle_length", "block_length"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"{name} must be at least 1, not {getattr(self, name)}")
        calls = self.num_parallel_calls
        if calls is not None and calls != AUTOTUNE and not 1 <= calls <= self.cycle_length:
            raise InvalidArgumentError(
                f"num_parallel_calls must be AUTOTUNE or between 1 and cycle_length={self.cycle_length}, "
                f"not {calls}"
            )

    def infer_spec(self) -> Structure:
        """The inner datasets'."""
        return self.function.output_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Run a cycle of inner plans."""
        return InterleaveOperator(self, *inputs)


@dataclasses.dataclass
class _Slot:
    """An open inner plan, and the input's position before its element."""

    cursor: Cursor
    before: State


class InterleaveOperator(Operator):
    """Takes whole rounds at once while all slots have enough elements at hand, single turns otherwise."""

    node: Interleave
    slots: list[_Slot | None]

    def __init__(self, node: Node, *inputs: Operator) -> None:
        super().__init__(node, *inputs)
        self.slots = []

    def start(self, own: State | None) -> None:
        """Begin with empty slots, or open the inner plans that the state names again."""
        self.turn, self.taken = 0, 0
        self.exhausted = False
        if own is None:
            return
        self.turn, self.taken = own["turn"], own["taken"]
        after = self.input.state()
        for i, saved in enumerate(own["slots"]):
            if saved is not None:
                self.input.open(self.context, saved["before"])
                self.slots[i] = self._open(saved["inner"])
        self.input.open(self.context, after)

    def _open(self, state: State | None) -> _Slot | None:
        before = self.input.state()
        block = self.input.peek()
        if block is None:
            self.exhausted = True
            return None
        self.input.advance(1)
        cursor = Cursor(build(self.node.function.plan(block, 0)))
        cursor.open(self.context, state)
        return _Slot(cursor, before)

    def produce(self) -> Block | None:
        """Return the next elements in turn."""
        idle = 0
        while idle <= len(self.slots):
            if self.turn == 0 and self.taken == 0 and (rounds := self._rounds()) is not None:
                return rounds
            slot = self.slots[self.turn]
            if slot is None:
                slot = self.slots[self.turn] = self._open(None)
            if slot is None:
                self._next_turn()
                idle += 1
                continue
            idle = 0
            block = slot.cursor.read(self.node.block_length - self.taken)
            if block is None:
                slot.cursor.close()
                self.slots[self.turn] = None
                self._next_turn()
                continue
            self.taken += block.length
            if self.taken == self.node.block_length:
                self._next_turn()
            return block
        return None

    def _next_turn(self) -> None:
        self.turn, self.taken = (self.turn + 1) % len(self.slots), 0

    def _rounds(self) -> Block | None:
        """Return several whole rounds, if all slots have a block_length at hand.

        Slots that stay empty because the input has ended do not count.
        """
        cursors = [slot.cursor for slot in self.slots if slot is not None]
        length = self.node.block_length
        rounds = min((cursor.at_hand // length for cursor in cursors), default=0)
        if not rounds or (len(cursors) < len(self.slots) and not self.exhausted):
            return None
        rows = rounds * length
        parts = [cursor.read(rows) for cursor in cursors]
        joined = Block.concat([part for part in parts if part is not None])
        order = np.arange(len(parts) * rows).reshape(len(parts), rounds, length).transpose(1, 0, 2)
        return joined.take(order.ravel())

    def own_state(self) -> State:
        """Whose turn it is, and the position in each slot."""
        slots = [None if s is None else {"before": s.before, "inner": s.cursor.state()} for s in self.slots]
        return {"turn": self.turn, "taken": self.taken, "slots": slots}

    def release(self) -> None:
        """Close the inner plans."""
        for slot in self.slots:
            if slot is not None:
                slot.cursor.close()
        self.slots = [None] * self.node.cycle_length


def _with_itself(cycle: int, length: int) -> Callable[[Node], Node]:
    def example(source: Node) -> Node:
        function = make_dataset_function(lambda *_: Take(source, 5), source.element_spec, lambda: None)
        return Interleave(source, function, cycle, length)

    return example


EXAMPLES = (_with_itself(2, 1), _with_itself(3, 2), _with_itself(1, 1), _with_itself(4, 7))
