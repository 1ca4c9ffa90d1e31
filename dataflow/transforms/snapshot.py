"""`snapshot`: keep the elements of the first full pass in a directory that many pipelines may share."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.plan.node import Node
from dataflow.runtime.build import build
from dataflow.runtime.keep import Keeping, KeepOperator, Kept
from dataflow.runtime.operator import Context, Cursor, Operator, State
from dataflow.sources.saved import run_node
from dataflow.spec import Structure, TensorSpec, dtype_name
from dataflow.storage import block_file, files, runs, spec_json

AUTO = "LZ4"
"""What `compression='AUTO'` means: the fastest."""


def check_shards(keyed: Structure) -> None:
    """Raise unless the first of a pair (shard, element) is one integer."""
    shard = keyed[0]
    if not isinstance(shard, TensorSpec):
        raise SpecError(f"shard_func must return one integer, and returns {shard}")
    if shard.shape != () or shard.dtype.kind not in "iu":
        raise SpecError(
            f"shard_func must return a scalar integer, and returns a {dtype_name(shard.dtype)} "
            f"of shape {shard.shape}",
            hint="convert with .astype(np.int64)",
        )


@dataclasses.dataclass(frozen=True)
class Snapshot(Node):
    """The elements of the first full pass, again and again, in a directory below `path` of their own.

    Which one depends on the stages before, on their settings and on the element spec. With `sharded`, the
    input has pairs (shard, element).
    """

    input: Node
    path: str = dataclasses.field(metadata={"physical": True})
    compression: str | None = dataclasses.field(default=AUTO, metadata={"physical": True})
    sharded: bool = False
    reader: Callable[[runs.Run], Node] | None = dataclasses.field(default=None, compare=False, repr=False)
    """Makes the plan that reads a run; default: the shards in turn."""
    pipeline: str | None = dataclasses.field(
        default=None, compare=False, repr=False, metadata={"fresh": lambda: None}
    )
    """Fingerprint of the input as it was written: rewrites do not make it another pipeline."""

    def check(self) -> None:
        """Refuse unknown compressions and what cannot be written; note which pipeline it is."""
        if not self.path:
            raise InvalidArgumentError("snapshot needs a path", hint="cache() keeps elements in memory")
        block_file.check_compression(self.compression)
        if self.sharded:
            check_shards(self.input.element_spec)
        if self.pipeline is None:
            spec = json.dumps(spec_json.to_json(self.infer_spec())).encode()
            name = f"{self.input.fingerprint}-{hashlib.sha256(spec).hexdigest()[:8]}"
            object.__setattr__(self, "pipeline", name)

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec[1] if self.sharded else self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Fill or read."""
        return SnapshotOperator(self, *inputs)

    @property
    def elements(self) -> Node:
        """The plan of what is kept: the input before it was paired with shards."""
        return self.input.inputs[0] if self.sharded else self.input

    @property
    def directory(self) -> str:
        """Where the runs of this pipeline are."""
        assert self.pipeline is not None
        return files.join(self.path, self.pipeline)


class _RunBlocks:
    """Reads a run block by block."""

    def __init__(self, run: str, plan: Node, context: Context) -> None:
        self._run = run
        self._context = context
        self._cursor = Cursor(build(plan))
        self._cursor.open(context, None)

    def seek(self, state: State | None) -> bool:
        if state is None or state["run"] != self._run:
            return False
        self._cursor.open(self._context, state["position"])
        return True

    def state(self) -> State:
        return {"run": self._run, "position": self._cursor.state()}

    def read(self, rows: int) -> Block | None:
        return self._cursor.read(rows)

    def next(self) -> Block | None:
        return self.read(1 << 62)

    def close(self) -> None:
        self._cursor.close()


class SnapshotOperator(KeepOperator):
    """Writes a run, or reads the newest one that is complete."""

    node: Snapshot
    verb = "snapshot"
    kept: _RunBlocks | None = None

    @property
    def in_order(self) -> bool:
        """Several shards are read in turn, and readers may do anything."""
        return not self.node.sharded and self.node.reader is None

    def open_kept(self, *, resuming: bool) -> Kept | None:
        """Return the newest complete run."""
        run = runs.find_run(self.node.directory)
        if run is None:
            return None
        plan = run_node(run) if self.node.reader is None else self.node.reader(run)
        if plan.element_spec != self.node.element_spec:
            raise SpecError(
                f"reader_func gives elements {plan.element_spec}, "
                f"and the snapshot has {self.node.element_spec}"
            )
        return _RunBlocks(run.name, plan, self.context)

    def seek(self, own: State) -> bool:
        """Go to the saved position, if it is one in this run."""
        assert self.kept is not None
        return self.kept.seek(own["kept"])

    def kept_rows(self, rows: int) -> Block | None:
        """Read the run."""
        assert self.kept is not None
        return self.kept.read(rows)

    def own_state(self) -> State:
        """The position in the run too, if one is read."""
        return {**super().own_state(), "kept": None if self.kept is None else self.kept.state()}

    def new_keeping(self) -> Keeping:
        """Begin a run."""
        node = self.node
        return runs.RunWriter(node.directory, node.element_spec, node.compression, sharded=node.sharded)

    def delivered_part(self, block: Block) -> Block:
        """Leave out the shards."""
        return Block(block.columns[1:], block.length, block.origin) if self.node.sharded else block


EXAMPLES = (lambda source: Snapshot(source, f"memory://snapshots/{secrets.token_hex(8)}"),)
