"""`shuffle`: draw elements at random from a buffer, in the very order of tf.data."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node, Traits
from dataflow.runtime.lookback import Lookback
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import EpochGenerator, Epochs, SeedPair, words
from dataflow.spec import Structure
from dataflow.store import Store

_log = logging.getLogger("dataflow")

DRAWS_PER_BLOCK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Shuffle(Node):
    """The elements in random order, drawn from a buffer of `buffer_size` (UNKNOWN: of all elements).

    `seeds` starts the generator. With `reshuffle_each_iteration` each epoch has another order.
    """

    traits = Traits(same_elements=True)
    input: Node
    buffer_size: int
    seeds: SeedPair = dataclasses.field(repr=False)  # without a given seed they differ from run to run
    reshuffle_each_iteration: bool = True
    epochs: Epochs = dataclasses.field(
        default_factory=Epochs, compare=False, repr=False, metadata={"fresh": Epochs}
    )

    def check(self) -> None:
        """Refuse empty buffers."""
        if self.buffer_size < 1 and self.buffer_size != UNKNOWN_CARDINALITY:
            raise InvalidArgumentError(
                f"buffer_size must be at least 1, not {self.buffer_size}",
                hint="use the number of elements for a full shuffle",
            )

    @property
    def reshuffles(self) -> bool:
        """Whether each start gives another order."""
        return self.reshuffle_each_iteration and self.buffer_size != 1

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Gather rows in the order of the draws."""
        return ShuffleOperator(self, *inputs)


class ShuffleOperator(Operator):
    """Keeps rows in a store and draws their places in it.

    Nothing of the store is saved: draws need no data, so a resumed operator repeats the draws, learns
    which rows are in the buffer, and reads just those, from a noted position of the input on.
    """

    node: Shuffle

    def __init__(self, node: Shuffle, *inputs: Operator) -> None:
        super().__init__(node, *inputs)
        self.epoch = EpochGenerator(node.seeds, node.epochs, again=node.reshuffle_each_iteration)

    def start(self, own: State | None) -> None:
        """Choose the epoch's generator; after a resume, find the rows of the buffer again."""
        self.generator = self.epoch.start(own)
        self.size = (1 << 62) if self.node.buffer_size == UNKNOWN_CARDINALITY else self.node.buffer_size
        self.drawn = 0
        self.ended = False
        self.store = Store()
        self.ordinals = np.empty(0, np.int64)  # for each row of the store: its number in the input
        self.slots = np.empty(0, np.int64)  # rows of the store in the buffer, oldest first, then waiting ones
        self.input_again = Lookback(self.input)
        if own is not None:
            self._restore(own)

    def produce(self) -> Block | None:
        """Return as many draws as the input allows; the rest at the end."""
        while True:
            draws = len(self.slots) if self.ended else len(self.slots) - self.size + 1
            if draws > 0:
                return self._draw(min(draws, DRAWS_PER_BLOCK))
            if self.ended:
                return None
            block = self.input_again.next()
            self.ended = block is None
            if block is not None:
                rows = np.arange(self.store.length, self.store.length + block.length)
                self.slots = np.concatenate((self.slots, rows))
                read = self.input_again.read
                self.ordinals = np.concatenate((self.ordinals, np.arange(read - block.length, read)))
                self.store.append(block)

    def _draw(self, draws: int) -> Block:
        result = self.store.take(self._order(draws))
        live = len(self.slots)
        if live * 2 <= self.store.length:
            keep = np.sort(self.slots)
            self.store.keep(keep)
            self.slots, self.ordinals = np.searchsorted(keep, self.slots), self.ordinals[keep]
        self.input_again.forget(int(self.ordinals[self.slots].min()) if live else self.input_again.read)
        return result

    def _order(self, draws: int) -> npt.NDArray[np.int64]:
        """Draw; return the chosen items of `slots` and leave the others in it, oldest first."""
        out = np.empty(draws, np.int64)
        count = min(self.size, len(self.slots))
        kernels.shuffle.draw(self.slots, 0, count, words(self.generator, self.drawn, draws), out)
        self.drawn += draws
        self.slots = self.slots[draws:].copy()
        return out

    def held_bytes(self) -> int:
        """The rows of the store, and their numbers."""
        return self.store.nbytes + self.slots.nbytes + self.ordinals.nbytes

    def own_state(self) -> State:
        """The generator and how far it is, and what was read of the input."""
        return {
            **self.epoch.own_state(),
            "drawn": self.drawn,
            "ended": self.ended,
            **self.input_again.own_state(),
        }

    def input_states(self) -> list[State | None]:
        """The position from which the buffer can be read again."""
        return [self.input_again.position]

    def _restore(self, own: State) -> None:
        """Repeat the draws on ordinals alone, then fetch the rows that are in the buffer."""
        drawn, read = own["drawn"], own["read"]
        entered = min(read, self.size - 1)
        self.slots = np.arange(entered, dtype=np.int64)
        while self.drawn < drawn:
            draws = min(drawn - self.drawn, DRAWS_PER_BLOCK)
            entering = np.arange(entered, min(entered + draws, read), dtype=np.int64)
            entered += len(entering)
            self.slots = np.concatenate((self.slots, entering))
            self._order(draws)
        self.slots = np.concatenate((self.slots, np.arange(entered, read, dtype=np.int64)))
        self.ordinals = np.sort(self.slots)
        self.slots = np.searchsorted(self.ordinals, self.slots)
        self.ended = own["ended"]
        for number, block in self.input_again.again(own):
            first, last = np.searchsorted(self.ordinals, [number, number + block.length])
            if last > first:
                self.store.append(block.take(self.ordinals[first:last] - number))


EXAMPLES = (
    lambda source: Shuffle(source, 4, (87654321, 42)),
    lambda source: Shuffle(source, 1000, (87654321, 7)),
    lambda source: Shuffle(source, 1, (87654321, 7)),
    lambda source: Shuffle(source, 5, (87654321, 1), reshuffle_each_iteration=False),
    lambda source: Shuffle(source, UNKNOWN_CARDINALITY, (87654321, 3)),
)
