"""The contract of running stages: one way to start, restart and resume."""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, TypeAlias

from dataflow.block import Block
from dataflow.errors import DataflowError, StateError
from dataflow.options import Options
from dataflow.runtime.profiling import Meter, Profiler

State: TypeAlias = dict[str, Any]
"""Plain JSON. Belongs to the last delivered element; holds positions, never data."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What flows down to all operators of an iterator.

    Attributes:
        options: Resolved options of the pipeline.
        profiler: Measures the run; None if nobody asked for that.
    """

    options: Options
    profiler: Profiler | None = None


class Settings(Protocol):
    """What operators in general know of their nodes: enough to name them."""

    @property
    def stage(self) -> str:
        """The stage for error messages."""

    def describe(self) -> str:
        """The stage in `explain`."""


class Operator(ABC):
    """Runs one node. A subclass defines `start`, `produce` and `own_state`; the rest is derived.

    Everything that moves is settled in `start`: operators are opened again for each epoch. What has to
    be given back (files, threads, inner plans) is an attribute that is None until there is one, and
    `release` gives it back.
    """

    transparent: ClassVar[bool] = False
    """Whether the n-th element is made of the n-th of the only input, and there is no state of its own.

    Saved positions leave such stages out, so they may come and go with rewrites and numbers of threads.
    """

    meter: Meter | None = None
    """Measures this operator while there is a profiler."""

    def __init__(self, node: Settings, *inputs: Operator) -> None:
        self.node = node
        self.inputs = tuple(Cursor(operator) for operator in inputs)
        self.context: Context

    @property
    def name(self) -> str:
        """What saved states call the stage."""
        return type(self.node).__name__

    @property
    def input(self) -> Cursor:
        """The first input."""
        return self.inputs[0]

    def open(self, context: Context, state: State | None = None) -> None:
        """Start anew (state None) or go on where the state was taken."""
        self.context = context
        if context.profiler is None:
            return self._open_at(state)
        if self.meter is None:
            self.meter = context.profiler.meter(self)
        return self.meter.own(self._open_at, state)

    def _open_at(self, state: State | None) -> None:
        self.release()
        try:
            own, saved = self.checked(state)
            self.start_inputs(saved)
            self.start(own)
            if own is not None and own.keys() != self.own_state().keys():
                wanted = sorted(self.own_state())
                raise StateError(f"the saved state of {self.node.describe()} has {sorted(own)}, not {wanted}")
        except KeyError as error:
            raise StateError(f"the saved state of {self.node.describe()} lacks {error}").in_stage(
                self.node.stage
            ) from error
        except DataflowError as error:
            error.in_stage(self.node.stage)
            raise

    def release(self) -> None:
        """Give back files, threads and inner plans; called before each start and at the end."""

    def start_inputs(self, states: list[State | None]) -> None:
        """Open the inputs; stages that open them later or in another way override this."""
        for cursor, state in zip(self.inputs, states, strict=True):
            cursor.open(self.context, state)

    def checked(self, state: State | None) -> tuple[State | None, list[State | None]]:
        """Return the part of this stage and those of its inputs.

        Raises:
            StateError: The state was taken from a stage of another kind, or is not complete.
        """
        if state is None:
            return None, [None] * len(self.inputs)
        if state.get("stage") != self.name:
            raise StateError(
                f"the saved state is of stage {state.get('stage')!r}, and the pipeline has "
                f"{self.node.describe()} there",
                hint="resume with the same pipeline, or start anew",
            )
        if len(state.get("inputs", ())) != len(self.inputs):
            raise StateError(
                f"the saved state of {self.node.describe()} has {len(state.get('inputs', ()))} inputs, "
                f"and the stage has {len(self.inputs)}"
            )
        return {k: v for k, v in state.items() if k not in ("stage", "inputs")}, state["inputs"]

    @abstractmethod
    def start(self, own: State | None) -> None:
        """Set everything that moves; `own` is what `own_state` returned, None for a fresh start."""

    @abstractmethod
    def produce(self) -> Block | None:
        """Return the next block with at least one element, or None at the end (again and again)."""

    def own_state(self) -> State:
        """Return this stage's part of the state after the last block that `produce` returned."""
        return {}

    def held_bytes(self) -> int:
        """Return about how many bytes of elements the stage holds back now; asked when profiling."""
        return 0

    def next(self) -> Block | None:
        """Return the next block, or None at the end; errors are told which stage they come from."""
        try:
            return self.produce() if self.meter is None else self.meter.next(self.produce)
        except DataflowError as error:
            error.in_stage(self.node.stage)
            raise

    def state(self) -> State:
        """Return the whole state after the last delivered block, inputs included."""
        return {
            "stage": self.name,
            **self.own_state(),
            "inputs": self.input_states(),
        }

    def input_states(self) -> list[State | None]:
        """Return the inputs' positions; stages that run ahead of what they deliver override this."""
        return [cursor.state() for cursor in self.inputs]

    def close(self) -> None:
        """Release files and threads, here and upstream; the operator may be opened again."""
        self.release()
        for cursor in self.inputs:
            cursor.close()


class Cursor:
    """Reads an operator and keeps the position inside its current block.

    The only way in which stages and iterators read their inputs, so that taking part of a block,
    and resuming there, is written once.
    """

    __slots__ = ("_before", "_block", "_offset", "_skip", "operator")

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self._block: Block | None = None
        self._offset = 0
        self._skip = 0
        self._before: State | None = None

    def open(self, context: Context, state: State | None) -> None:
        """Open the operator anew or at the position of the state."""
        if state is not None and state.keys() != {"skip", "state"}:
            raise StateError(f"a saved position has 'skip' and 'state', and this one {sorted(state)}")
        if state is None and self._skip:  # resumed where the stage above ended, so nobody has read since
            with contextlib.suppress(DataflowError):
                self.peek()  # stages below count their starts by what is read
        self._block, self._offset, self._skip = None, 0, 0
        if state is None:
            self.operator.open(context, None)
        elif self.operator.transparent:
            self.operator.open(context, {"stage": self.operator.name, "inputs": [state]})
        else:
            self._skip = state["skip"]
            self.operator.open(context, state["state"])

    def peek(self) -> Block | None:
        """Return what is left of the current block, or of the next one; None at the end."""
        while self._block is None or self._offset >= self._block.length:
            self._before = self.operator.state()
            self._block, self._offset = None, 0
            block = self.operator.next()
            if block is None:
                missing, self._skip = self._skip, 0
                if missing:
                    raise StateError(
                        f"the input ended {missing} elements before the saved position",
                        hint="resume on the same data",
                    )
                return None
            skipped = min(self._skip, block.length)
            self._block, self._offset, self._skip = block, skipped, self._skip - skipped
        return self._block.slice(self._offset)

    @property
    def at_hand(self) -> int:
        """How many elements `peek` can return without reading."""
        return 0 if self._block is None else self._block.length - self._offset

    def advance(self, rows: int) -> None:
        """Go on by so many elements of what `peek` returned."""
        self._offset += rows

    def read(self, rows: int) -> Block | None:
        """Return between 1 and `rows` elements, or None at the end."""
        block = self.peek()
        if block is None:
            return None
        block = block.slice(0, rows)
        self.advance(block.length)
        return block

    def read_all(self, rows: int) -> Block | None:
        """Return exactly `rows` elements, fewer only at the end, None if there are none."""
        first = self.read(rows)
        if first is None or first.length == rows:
            return first
        parts, total = [first], first.length
        while total < rows and (part := self.read(rows - total)) is not None:
            parts.append(part)
            total += part.length
        return Block.concat(parts)

    def state(self) -> State:
        """Return the position: the operator's state before the current block, and how far into it."""
        if self._block is None:
            state, skip = self.operator.state(), self._skip
        elif self._offset >= self._block.length:
            state, skip = self.operator.state(), 0
        else:
            assert self._before is not None
            state, skip = self._before, self._offset
        if self.operator.transparent:
            state = state["inputs"][0]
            return {"state": state["state"], "skip": state["skip"] + skip}
        return {"state": state, "skip": skip}

    def close(self) -> None:
        """Close the operator and forget the current block."""
        self._block, self._skip = None, 0
        self.operator.close()


def forward(position: State, elements: int) -> State:
    """Return the position of a cursor so many elements further."""
    return {**position, "skip": position["skip"] + elements}
