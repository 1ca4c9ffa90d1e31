"""`Dataset.load`: the elements that `Dataset.save` has written."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import DataflowError, DataLossError, InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.dataset_function import make_dataset_function
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.sources.range import Range
from dataflow.spec import Structure, TensorSpec, assert_same_structure, flatten
from dataflow.storage import block_file, runs
from dataflow.storage.files import join
from dataflow.strings import Strings
from dataflow.transforms.assert_cardinality import AssertCardinality
from dataflow.transforms.interleave import Interleave

CYCLE_LENGTH = 16
"""So many shards are read at a time; the same on all machines, because the order depends on it."""


@dataclasses.dataclass(frozen=True)
class SavedShard(Node):
    """The elements of one shard of a saved run, in the order in which they were saved."""

    run: runs.Run
    index: int | Tensor = 0
    """Position of the shard among those of the run."""

    def infer_spec(self) -> Structure:
        """That of the run."""
        return self.run.spec

    def infer_cardinality(self) -> int:
        """As it was counted."""
        return UNKNOWN_CARDINALITY if isinstance(self.index, Tensor) else self.shard.elements

    @property
    def shard(self) -> runs.Shard:
        """The shard that is read."""
        assert not isinstance(self.index, Tensor)
        return self.run.shards[int(self.index)]

    def operator(self, *inputs: Operator) -> Operator:
        """Read blocks."""
        return SavedShardOperator(self)


class SavedShardOperator(Operator):
    """Reads the parts of a shard one after the other."""

    node: SavedShard
    reader: block_file.Reader | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first block, or with the saved one."""
        self.part = 0 if own is None else own["part"]
        self.block = 0 if own is None else own["block"]

    def produce(self) -> Block | None:
        """Return the next block; what cannot be read raises when its turn comes, and is then passed over."""
        parts = self.node.shard.parts
        while self.part < len(parts):
            if self.reader is None:
                try:
                    self.reader = self._open(parts[self.part])
                except (OSError, DataflowError):
                    self._next_part()
                    raise
            if self.block < len(self.reader):
                self.block += 1
                return self.reader.block(self.block - 1)
            self._next_part()
        return None

    def _open(self, part: str) -> block_file.Reader:
        run = self.node.run
        reader = block_file.Reader(run.file(part), "file of saved elements")
        if reader.fingerprint != runs.fingerprint(run.name, part):
            reader.close()
            raise DataLossError(
                f"{run.file(part)} was written as {reader.fingerprint!r}", hint="write it again"
            )
        return reader

    def _next_part(self) -> None:
        self.release()
        self.part, self.block = self.part + 1, 0

    def release(self) -> None:
        """Close the file."""
        if self.reader is not None:
            self.reader.close()
        self.reader = None

    def own_state(self) -> State:
        """File and block."""
        return {"part": self.part, "block": self.block}


def shard_nodes(run: runs.Run) -> list[Node]:
    """Return the plan of each shard, by ascending number; at least one."""
    if not run.shards:
        run = dataclasses.replace(run, shards=(runs.Shard(0, (), 0),))
    return [SavedShard(run, index) for index in range(len(run.shards))]


def run_node(run: runs.Run) -> Node:
    """Return the plan of all elements: the shards by ascending number, one element of each in turn."""
    if len(run.shards) <= 1:
        return shard_nodes(run)[0]

    def shard(index: Tensor) -> Node:
        return SavedShard(run, index)

    shard.__qualname__ = f"shard of {run.name}"  # tells runs apart in fingerprints
    numbers = Range(0, len(run.shards))
    function = make_dataset_function(shard, numbers.element_spec, lambda: None)
    cycle = min(CYCLE_LENGTH, len(run.shards))
    return AssertCardinality(Interleave(numbers, function, cycle), run.cardinality)


def saved_run(path: str, element_spec: Structure = None, compression: str | None = None) -> runs.Run:
    """Return what a directory says of itself, with elements called as in `element_spec` if it is given.

    Raises:
        NotFoundError: Nothing has been saved there.
        DataLossError: The metadata are corrupt.
        SpecError: The elements are not as `element_spec` says.
        InvalidArgumentError: They were saved with another compression.
    """
    run = runs.open_run(path)
    block_file.check_compression(compression)
    if compression not in (None, run.compression):
        raise InvalidArgumentError(
            f"the elements at {path} were saved with compression={run.compression!r}, not {compression!r}",
            hint="leave compression out: it is read from the directory",
        )
    if element_spec is None:
        return run
    try:
        assert_same_structure(element_spec, run.spec)
        if flatten(element_spec) != flatten(run.spec):
            raise SpecError("the components differ")
    except SpecError as error:
        raise SpecError(
            f"the elements saved at {path} are {run.spec}, and element_spec is {element_spec}: "
            f"{error.message}",
            hint="leave element_spec out: it is read from the directory",
        ) from error
    return dataclasses.replace(run, spec=element_spec)


EXAMPLES = ()


def _write(path: str, compression: str | None, blocks: int) -> Node:
    """Save some elements as two parts and two shards, and return the plan that reads them."""
    spec = {"number": TensorSpec((), np.int64), "text": TensorSpec((), str)}
    writer = runs.RunWriter(path, spec, compression, sharded=True)
    for i in range(blocks):
        shard, number = np.arange(5) % 3 % 2, np.arange(5 * i, 5 * i + 5)
        text = Strings.from_numpy([f"text {n}" for n in number])
        writer.write(Block((shard, number, text), 5))
        writer.checkpoint()
    writer.finish()
    return run_node(saved_run(path))


def file_examples(directory: str) -> list[Node]:
    """Save elements and return plans that read them: several parts and shards, corrupt ones too."""
    nodes = [
        _write(join(directory, "plain"), None, 3),
        _write(join(directory, "zipped"), "GZIP", 1),
        _write(join(directory, "empty"), None, 0),
    ]
    run = runs.open_run(join(directory, "plain"))
    missing = dataclasses.replace(run.shards[0], parts=("missing.blocks", *run.shards[0].parts[1:]))
    broken = dataclasses.replace(run, shards=(missing, *run.shards[1:]))
    return [*nodes, SavedShard(run, 1), SavedShard(broken, 0)]
