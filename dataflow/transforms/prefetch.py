"""`prefetch`: let the stages above run in a thread of their own, ahead of the consumer."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.errors import FailedPreconditionError, InvalidArgumentError
from dataflow.options import AUTOTUNE
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.runtime.threads import Background
from dataflow.spec import Structure

BLOCKS_AHEAD = 2
"""What may wait where nothing else was chosen."""
QUEUE_SHARE = 8
"""One queue holds at most this part of `Options.memory_bytes`."""


@dataclasses.dataclass(frozen=True)
class Prefetch(Node):
    """The same elements, produced ahead of need; `buffer_size` 0 does nothing.

    Running ahead goes by blocks: `blocks_ahead` of them wait, fewer where they are large. Whether that is
    less or more than `buffer_size` elements makes no difference to what comes.
    """

    traits = Traits(same_elements=True, one_to_one=True)
    input: Node
    buffer_size: int = AUTOTUNE
    blocks_ahead: int = dataclasses.field(default=BLOCKS_AHEAD, metadata={"physical": True})

    def check(self) -> None:
        """Refuse sizes below AUTOTUNE."""
        if self.buffer_size < AUTOTUNE:
            raise InvalidArgumentError(f"buffer_size must be AUTOTUNE or at least 0, not {self.buffer_size}")

    @property
    def fingerprint(self) -> str:
        """The input's: this changes nothing in the elements."""
        return self.input.fingerprint

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Start a thread at the first read."""
        return PrefetchOperator(self, *inputs)


Item = tuple[Block | BaseException | None, State]


class PrefetchOperator(Operator):
    """Queues pairs of a block and the input's position behind it."""

    node: Prefetch
    transparent = True
    background: Background[Item] | None = None

    def start(self, own: State | None) -> None:
        """Remember where the input is; the thread starts at the first read."""
        self.position = self.input.state()
        self.ended = False

    def release(self) -> None:
        """Stop the thread; one that does not end stays noted, for it still uses the input."""
        if self.background is not None and self.background.stop():
            self.background = None

    def start_inputs(self, states: list[State | None]) -> None:
        """Open the input, unless a thread is still in it."""
        if self.background is not None:
            raise FailedPreconditionError(
                "the thread of an earlier read still waits for its input",
                hint="make a new iterator instead of using a closed one again",
            )
        super().start_inputs(states)

    def produce(self) -> Block | None:
        """Return the next block that the thread has made."""
        if self.ended:
            return None
        if self.node.buffer_size == 0 or not self.context.options.threads:
            try:
                return self.input.read(1 << 62)
            finally:
                self.position = self.input.state()
        if self.background is None:
            self.background = Background(
                self._step if self.meter is None else self.meter.ahead(self._step),
                self.node.blocks_ahead,
                _item_bytes,
                (self.context.options.memory_bytes or 0) // QUEUE_SHARE,
            )
        if self.meter is None:
            item, self.position = self.background.get()
        else:
            self.meter.taken(self.background.waiting)
            item, self.position = self.meter.wait(self.background.get)
        if isinstance(item, BaseException):
            raise item
        self.ended = item is None
        return item

    def held_bytes(self) -> int:
        """The blocks in the queue."""
        return 0 if self.background is None else self.background.waiting_bytes

    def _step(self) -> tuple[Item, bool]:
        """Read one block; an error is an item too, and the input goes on behind it."""
        try:
            block = self.input.read(1 << 62)
            return (block, self.input.state()), block is None
        except BaseException as error:  # of any kind: the consumer waits for it, and may go on behind it
            return (error, self.input.state()), False

    def input_states(self) -> list[State | None]:
        """The input's position behind the last delivered block, however far the thread is."""
        return [self.position]


def _item_bytes(item: Item) -> int:
    return item[0].nbytes if isinstance(item[0], Block) else 0


EXAMPLES = (
    lambda source: Prefetch(source, 2),
    lambda source: Prefetch(source),
    lambda source: Prefetch(source, 0),
)
