"""`cache`: keep the elements of the first full pass, in memory or in a file."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator

from dataflow.block import Block
from dataflow.errors import AlreadyExistsError, DataflowError, InvalidArgumentError, StateError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure
from dataflow.storage import block_file
from dataflow.storage.files import is_url

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

    input: Node
    filename: str = ""
    memory: Memory = dataclasses.field(
        default_factory=Memory, compare=False, repr=False, metadata={"fresh": Memory}
    )
    pipeline: str | None = dataclasses.field(
        default=None, compare=False, repr=False, metadata={"fresh": lambda: None}
    )
    """Fingerprint of the input as it was written: rewrites do not make it another pipeline."""

    def check(self) -> None:
        """Note which pipeline is cached; refuse URLs."""
        if is_url(self.filename):
            raise InvalidArgumentError(
                f"cache writes to a local file, not to {self.filename}",
                hint="give a local path, or '' to keep the elements in memory",
            )
        if self.pipeline is None:
            object.__setattr__(self, "pipeline", self.input.fingerprint)

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
    kept: Iterator[Block] | None = None
    writer: block_file.Writer | None = None
    filling: list[Block]

    def __init__(self, node: Cache, *inputs: Operator) -> None:
        super().__init__(node, *inputs)
        self.filling = []

    def start(self, own: State | None) -> None:
        """Read what is kept, from the saved element on; else fill from the start of the pass.

        The saved position is where the filling pass began: what was kept may be gone.
        """
        self.delivered = 0
        self.failed = 0  # errors that the input raised
        self.ended = False
        self.completed = False  # whether this pass has been kept: the file may be gone since
        self.rest: Block | None = None
        self.origin = self.input.state()
        self.kept = self._open_kept(resuming=own is not None)
        # what is kept has no errors, so a pass that was reading it goes on without, even if it is gone
        self.errors_pass = self.kept is None and (own is None or own["errors_pass"])
        if own is not None:
            self._pass_over(own["delivered"], own["failed"] if self.kept is None else 0)

    def _pass_over(self, delivered: int, failed: int) -> None:
        """Go to the saved element; errors on the way were raised before it was saved."""
        while self.delivered < delivered or self.failed < failed:
            try:
                self._next(max(delivered - self.delivered, 1))
            except DataflowError as error:
                if self.failed > failed:
                    raise
                _log.debug("raised before the position was saved: %s", error)
            if self.ended or self.delivered > delivered:
                raise StateError(
                    f"{self.node.describe()} has other elements than when the position was saved",
                    hint="resume on the same data",
                )

    def _open_kept(self, *, resuming: bool) -> Iterator[Block] | None:
        if not self.node.filename:
            memory = self.node.memory
            if memory.blocks is None or (resuming and memory.origin != self.origin):
                return None
            self.origin = memory.origin or self.origin
            return iter(memory.blocks)
        if not block_file.exists(self.node.path):
            return None
        reader = block_file.Reader(self.node.path)
        if reader.fingerprint != self.node.pipeline:
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
        block = self._read(rows)
        if block is not None:
            self._keep(block)
        if block is None or self.delivered + block.length == self.node.infer_cardinality():
            self._complete()
        return block

    def _read(self, rows: int) -> Block | None:
        while True:
            try:
                return self.input.read(rows)
            except DataflowError as error:
                if self.errors_pass:
                    self.failed += 1
                    raise
                _log.debug("raised in the pass that was kept: %s", error)

    def _keep(self, block: Block) -> None:
        if not self.node.filename:
            self.filling.append(block)
            return
        if self.writer is None:
            self.writer = block_file.Writer(self.node.path, self.node.pipeline)
        self.writer.write(block)

    def _complete(self) -> None:
        if self.completed:
            return
        self.completed = True
        if self.node.filename:
            if self.writer is None:  # the pass was empty
                self.writer = block_file.Writer(self.node.path, self.node.pipeline)
            self.writer.finish()
            self.writer = None
        elif self.node.memory.blocks is None:
            self.node.memory.blocks, self.node.memory.origin = self.filling, self.origin
        self.filling = []

    def release(self) -> None:
        """Drop what an unfinished pass has kept."""
        if self.writer is not None:
            self.writer.discard()
        if self.writer is not None or self.filling:
            _log.warning(
                "cache: the pass ended after %d elements, before the end of the input, so nothing was kept; "
                "put take() before cache() rather than behind it (%s)",
                self.delivered,
                self.node.stage,
            )
        self.writer, self.filling = None, []

    def own_state(self) -> State:
        """How many elements of this pass were delivered, and how many errors came between them."""
        return {"delivered": self.delivered, "failed": self.failed, "errors_pass": self.errors_pass}

    def input_states(self) -> list[State | None]:
        """Where the filling pass began."""
        return [self.origin]


EXAMPLES = (lambda source: Cache(source),)
