"""`shuffle("global")`: all elements in an order of which every one is as likely, in bounded memory."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from dataflow.block import Block
from dataflow.errors import (
    DataflowError,
    FailedPreconditionError,
    InvalidArgumentError,
    SpecError,
    StateError,
)
from dataflow.options import INFINITE_CARDINALITY, Options
from dataflow.plan.node import Node, Traits
from dataflow.random_order import RandomOrder, Rows
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import EpochGenerator, Epochs, SeedPair, words_at
from dataflow.spec import ObjectSpec, Structure, flatten
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.with_options import WithOptions

_log = logging.getLogger("dataflow")

ROWS_PER_BLOCK = 1 << 16


def shuffle_node(input: Node, buffer_size: int | str, seeds: SeedPair, again: bool) -> Node:
    """Return the node of ``shuffle(buffer_size)``: of a buffer, or of all elements.

    Raises:
        InvalidArgumentError: The buffer size is another text than "global".
    """
    if not isinstance(buffer_size, str):
        return Shuffle(input, buffer_size, seeds, again)
    if buffer_size != "global":
        raise InvalidArgumentError(
            f"buffer_size must be a number of elements or 'global', not {buffer_size!r}"
        )
    return GlobalShuffle(input, seeds, again)


@dataclasses.dataclass(frozen=True)
class GlobalShuffle(Node):
    """All elements in random order; what exceeds ``Options.memory_bytes`` waits in temporary files.

    `seeds` starts the generator. With `reshuffle_each_iteration` each epoch has another order.
    """

    traits = Traits(same_elements=True)
    input: Node
    seeds: SeedPair = dataclasses.field(repr=False)  # without a given seed they differ from run to run
    reshuffle_each_iteration: bool = True
    epochs: Epochs = dataclasses.field(
        default_factory=Epochs, compare=False, repr=False, metadata={"fresh": Epochs}
    )

    def check(self) -> None:
        """Refuse inputs without end, and what no file can hold."""
        if self.input.infer_cardinality() == INFINITE_CARDINALITY:
            raise InvalidArgumentError(
                "shuffle('global') needs an input that ends, and this one is infinite",
                hint="put repeat() behind shuffle(), or give shuffle() a number of elements",
            )
        for spec in flatten(self.input.element_spec):
            if isinstance(spec, ObjectSpec):
                raise SpecError(
                    f"shuffle('global') cannot put {spec} into a file",
                    hint="shuffle before the stage that makes them, or give shuffle() a number of elements",
                )

    @property
    def reshuffles(self) -> bool:
        """Whether each start gives another order."""
        return self.reshuffle_each_iteration

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Read all, then sort by random bits."""
        return GlobalShuffleOperator(self, *inputs)


class GlobalShuffleOperator(Operator):
    """Reads the whole input into a `RandomOrder` before the first element comes.

    An error of the input is raised while it is read, so before all elements; the next call reads on. A
    saved position says which element came last: a resumed operator reads the input again, and leaves
    what comes before that element aside.
    """

    node: GlobalShuffle
    rows: RandomOrder | None = None

    def __init__(self, node: GlobalShuffle, *inputs: Operator) -> None:
        super().__init__(node, *inputs)
        self.epoch = EpochGenerator(node.seeds, node.epochs, again=node.reshuffle_each_iteration)

    def start(self, own: State | None) -> None:
        """Choose the epoch's generator; after a resume, read the input as far as it had been read."""
        self.pair = self.epoch.start(own)
        self.rows = RandomOrder(self.pair, self.context.options.memory_bytes or 1)
        self.origin = self.input.state()
        self.read = 0
        self.failed = 0  # errors that the input raised
        self.read_all = False
        self.left = 0  # elements to come
        self.last = -1  # number of the element that came last
        self.sought = -1  # after a resume, that number until it is found
        self.part: Rows | None = None
        self.place = 0
        self.broken = False  # while elements are put aside: an error leaves it so
        if own is not None:
            self._restore(own)

    def _restore(self, own: State) -> None:
        self.last = self.sought = own["last"]
        if own["ended"]:  # the input is at its end
            self.read, self.failed, self.read_all, self.sought = own["read"], own["failed"], True, -1
            return
        while not self.read_all and (own["read_all"] or self.failed < own["failed"]):
            try:
                self._read_input()
            except DataflowError as error:
                if self.failed > own["failed"]:
                    raise
                _log.debug("raised before the position was saved: %s", error)
        if self.read_all and self.read != own["read"]:
            raise self._other_elements()

    def _other_elements(self) -> StateError:
        return StateError(
            f"the input of {self.node.describe()} has other elements than when the position was saved",
            hint="resume on the same data",
        )

    def produce(self) -> Block | None:
        """Return the next elements; the first call reads the input."""
        assert self.rows is not None
        if self.broken:
            raise FailedPreconditionError(
                "elements were lost when they could not be put aside",
                hint="restore a saved position, or make a new iterator",
            )
        if not self.read_all:
            self._read_input()
        while self.part is None or self.place >= self.part.block.length:
            self.part, self.place = None, 0  # frees it before the next one is read
            self.broken = True
            self.part = self.rows.next()
            self.broken = False
            if self.part is None:
                if self.sought >= 0:
                    raise self._other_elements()
                return None
            self._seek(self.part)
        stop = self.place + _rows_per_block(self.part.block, self.context.options)
        chosen = self.part.order[self.place : stop]
        self.place = stop
        self.left -= len(chosen)
        self.last = int(self.part.numbers[chosen[-1]])
        return self.part.block.take(chosen)

    def _read_input(self) -> None:
        assert self.rows is not None
        while True:
            try:
                block = self.input.read(1 << 62)
            except DataflowError:
                self.failed += 1
                raise
            if block is None:
                self.read_all = True
                return
            numbers = np.arange(self.read, self.read + block.length)
            self.read += block.length
            if self.last >= 0:
                words = words_at(self.pair, numbers)
                kept = np.flatnonzero(words >= words_at(self.pair, np.array([self.last])))
                block, numbers = block.take(kept), numbers[kept]
            if block.length:
                self.broken = True
                self.rows.append(block, numbers)
                self.broken = False
                self.left += block.length

    def _seek(self, part: Rows) -> None:
        """After a resume, go behind the element that came last."""
        if self.sought < 0:
            return
        found = np.flatnonzero(part.numbers[part.order] == self.sought)
        self.place = int(found[0]) + 1 if len(found) else part.block.length
        self.left -= self.place
        if len(found):
            self.sought = -1

    def held_bytes(self) -> int:
        """What is in memory, without what waits in files."""
        part = 0 if self.part is None else self.part.block.nbytes
        return part + (0 if self.rows is None else self.rows.held_bytes)

    def own_state(self) -> State:
        """The generator, how far the input was read, and which element came last."""
        return {
            **self.epoch.own_state(),
            "read": self.read if self.read_all else 0,
            "failed": self.failed,
            "read_all": self.read_all,
            "last": self.last,
            "ended": self.read_all and not self.left,
        }

    def input_states(self) -> list[State | None]:
        """The start of the input, which is read again; its end once nothing is left."""
        return [self.input.state() if self.read_all and not self.left else self.origin]

    def release(self) -> None:
        """Forget the elements, and remove the temporary files."""
        self.part = None
        if self.rows is not None:
            self.rows.close()
            self.rows = None


def _rows_per_block(block: Block, options: Options) -> int:
    wanted = (options.block_bytes or 1) * block.length // max(block.nbytes, 1)
    return max(1, min(wanted, ROWS_PER_BLOCK))


EXAMPLES = (
    lambda source: GlobalShuffle(source, (87654321, 42)),
    lambda source: GlobalShuffle(WithOptions(source, Options(memory_bytes=500)), (87654321, 7)),
    lambda source: GlobalShuffle(WithOptions(source, Options(memory_bytes=1)), (87654321, 1), False),
)
