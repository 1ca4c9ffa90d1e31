"""`cache`: keep the elements of the first full pass, in memory or in a file."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.errors import AlreadyExistsError, SpecError
from dataflow.plan.node import Node
from dataflow.runtime.keep import Keeping, KeepOperator, Kept
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, has_objects
from dataflow.storage import block_file, files


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
        """Note which pipeline is cached."""
        if self.filename and has_objects(self.input.element_spec):
            raise SpecError(
                f"cache cannot write elements of {self.input.element_spec} to a file",
                hint="keep them in memory, with cache(), or cache what they are made of",
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


class _Blocks:
    """Reads blocks in memory."""

    def __init__(self, blocks: list[Block]) -> None:
        self._blocks = iter(blocks)

    def next(self) -> Block | None:
        return next(self._blocks, None)

    def close(self) -> None:
        self._blocks = iter(())


class _Filling:
    """Collects blocks for a memory that is still empty at the end."""

    def __init__(self, memory: Memory, origin: State) -> None:
        self._memory, self._origin = memory, origin
        self._blocks: list[Block] = []
        self.nbytes = 0

    def write(self, block: Block) -> None:
        self._blocks.append(block)
        self.nbytes += block.nbytes

    def finish(self) -> None:
        if self._memory.blocks is None:
            self._memory.blocks, self._memory.origin = self._blocks, self._origin

    def discard(self) -> None:
        self._blocks = []


class CacheOperator(KeepOperator):
    """Keeps blocks in the node's memory, or in a file."""

    node: Cache
    verb = "cache"

    def open_kept(self, *, resuming: bool) -> Kept | None:
        """Return the blocks of an earlier pass."""
        if not self.node.filename:
            memory = self.node.memory
            if memory.blocks is None or (resuming and memory.origin != self.origin):
                return None
            self.origin = memory.origin or self.origin
            return _Blocks(memory.blocks)
        if not files.exists(self.node.path):
            return None
        reader = block_file.Reader(self.node.path, "cache file")
        if reader.fingerprint != self.node.pipeline:
            reader.close()
            raise AlreadyExistsError(
                f"the cache file {self.node.path} belongs to another pipeline",
                hint="delete it, or give another filename",
            )
        return reader

    def held_bytes(self) -> int:
        """The elements in memory, of this pass or of an earlier one."""
        filling = self.keeping.nbytes if isinstance(self.keeping, _Filling) else 0
        return filling + sum(block.nbytes for block in self.node.memory.blocks or ())

    def new_keeping(self) -> Keeping:
        """Return the memory, or a new file."""
        if self.node.filename:
            return block_file.Writer(self.node.path, self.node.pipeline)
        return _Filling(self.node.memory, self.origin)


EXAMPLES = (lambda source: Cache(source),)
