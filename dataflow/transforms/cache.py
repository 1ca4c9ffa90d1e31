"""`cache`: keep the elements of the first full pass, in memory or in a file."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from dataflow.block import Block
from dataflow.errors import AlreadyExistsError, InvalidArgumentError
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure
from dataflow.storage import block_file

_log = logging.getLogger("dataflow")


@dataclasses.dataclass
class Memory:
    """What a full pass has left: blocks, and the input's position at its start."""

    blocks: list[Block] | None = None
    origin: State | None = None


@dataclasses.dataclass(frozen=True)
class Cache(Node):
    """The elements of the first full pass, again and again; `filename` empty: in memory.

    A pass that ends early leaves nothing behind, unless it has seen as many elements as the input's
    known cardinality. A file belongs to one pipeline: another one is refused.
    """

    traits = Traits(same_elements=True)
    input: Node
    filename: str = ""
    memory: Memory = dataclasses.field(
        default_factory=Memory, compare=False, repr=False, metadata={"fresh": Memory}
    )

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Fill or read."""
        return CacheOperator(self, *inputs)

    @property
    def path(self) -> str:
        """The file of a file cache."""
        return f"{self.filename}.cache"


class CacheOperator(Operator):
    """Fills while reading the input for the first time; afterwards reads what was kept."""

    node: Cache

    def start_inputs(self, states: list[State | None]) -> None:
        """The saved position is where the filling pass began: what was kept may be gone."""
        self.abandon()
        super().start_inputs(states)

    def start(self, own: State | None) -> None:
        """Read what is kept, from the saved element on; else fill from the start of the pass."""
        self.delivered = 0
        self.origin = self.input.state()
        self.kept: Iterator[Block] | None = self._open_kept()
        self.filling: list[Block] = []
        self.writer: block_file.Writer | None = None
        while own is not None and self.delivered < own["delivered"]:
            self._next(own["delivered"] - self.delivered)
            if self.ended:
                raise InvalidArgumentError(f"the input of {self.node.describe()} has become shorter")

    def _open_kept(self) -> Iterator[Block] | None:
        self.ended = False
        self.rest: Block | None = None
        if not self.node.filename:
            memory = self.node.memory
            self.origin = memory.origin if memory.blocks is not None and memory.origin else self.origin
            return None if memory.blocks is None else iter(memory.blocks)
        if not block_file.exists(self.node.path):
            return None
        reader = block_file.Reader(self.node.path)
        if reader.fingerprint != self.node.input.fingerprint:
            raise AlreadyExistsError(
                f"the cache file {self.node.path} belongs to another pipeline",
                hint="delete it, or give another filename",
            )
        return reader.blocks()

    def produce(self) -> Block | None:
        """Return the next elements, kept or fresh."""
        return self._next(1 << 62)

    def _next(self, rows: int) -> Block | None:
        if self.ended:
            return None
        block = self._kept_rows(rows) if self.kept is not None else self._fresh_rows(rows)
        if block is not None:
            self.delivered += block.length
        self.ended = block is None
        return block

    def _kept_rows(self, rows: int) -> Block | None:
        assert self.kept is not None
        block = self.rest if self.rest is not None else next(self.kept, None)
        if block is None:
            return None
        self.rest = block.slice(rows) if block.length > rows else None
        return block.slice(0, rows)

    def _fresh_rows(self, rows: int) -> Block | None:
        block = self.input.read(rows)
        if block is not None:
            self._keep(block)
        if block is None or self.delivered + block.length == self.node.infer_cardinality():
            self._complete()
        return block

    def _keep(self, block: Block) -> None:
        if not self.node.filename:
            self.filling.append(block)
            return
        if self.writer is None:
            self.writer = block_file.Writer(self.node.path, self.node.input.fingerprint)
        self.writer.write(block)

    def _complete(self) -> None:
        if self.node.filename:
            if self.writer is None and not block_file.exists(self.node.path):
                self.writer = block_file.Writer(self.node.path, self.node.input.fingerprint)
            if self.writer is not None:
                self.writer.finish()
                self.writer = None
        elif self.node.memory.blocks is None:
            self.node.memory.blocks, self.node.memory.origin = self.filling, self.origin
        self.filling = []

    def abandon(self) -> None:
        """Drop what an unfinished pass has kept."""
        writer, filling = getattr(self, "writer", None), getattr(self, "filling", None)
        if writer is not None:
            writer.discard()
            self.writer = None
        if writer is not None or filling:
            _log.warning(
                "cache: the pass ended after %d elements, before the end of the input, so nothing was kept; "
                "put take() before cache() rather than behind it (%s)",
                self.delivered,
                self.node.stage,
            )
            self.filling = []

    def own_state(self) -> State:
        """How many elements of this pass were delivered."""
        return {"delivered": self.delivered}

    def input_states(self) -> list[State | None]:
        """Where the filling pass began."""
        return [self.origin]


EXAMPLES = (lambda source: Cache(source),)
