"""`ParquetDataset`: rows of Parquet files as dicts of columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflow.block import Block
from dataflow.errors import (
    DataflowError,
    DataLossError,
    InvalidArgumentError,
    SpecError,
    TraceError,
    did_you_mean,
)
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec
from dataflow.storage.files import as_paths, join
from dataflow.storage.parquet import ParquetShard, spec_of, write_example


@dataclasses.dataclass(frozen=True)
class ParquetRows(Node):
    """Dicts of the columns, files and row groups in order."""

    paths: tuple[str, ...]
    columns: tuple[str, ...]
    specs: tuple[TensorSpec, ...] = dataclasses.field(repr=False)
    row_groups: tuple[int, ...] | None = None
    fill_nulls: tuple[tuple[str, Any], ...] = ()

    def infer_spec(self) -> Structure:
        """The columns."""
        return dict(zip(self.columns, self.specs, strict=True))

    def operator(self, *inputs: Operator) -> Operator:
        """Read row groups."""
        return ParquetRowsOperator(self)

    def with_columns(self, components: Sequence[int]) -> ParquetRows:
        """Return the node that reads only some components, numbered in `flatten` order."""
        order = sorted(self.columns)
        kept = {order[i] for i in components}
        pairs = [(c, s) for c, s in zip(self.columns, self.specs, strict=True) if c in kept]
        return dataclasses.replace(self, columns=tuple(c for c, _ in pairs), specs=tuple(s for _, s in pairs))


class ParquetRowsOperator(Operator):
    """Reads one row group after the other, cut into blocks."""

    node: ParquetRows
    shard: ParquetShard | None = None
    batches: Iterator[pa.RecordBatch] | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first row group, or seek to the saved one."""
        self.file = 0 if own is None else own["file"]
        self.group = 0 if own is None else own["group"]
        self.row = 0 if own is None else own["row"]
        self.rest: pa.RecordBatch | None = None  # what was read behind a bad row

    def produce(self) -> Block | None:
        """Return the next rows; what cannot be read raises when its turn comes, and is then passed over."""
        while self.file < len(self.node.paths):
            if self.shard is None:
                try:
                    self.shard = self._open(self.node.paths[self.file])
                except (OSError, DataflowError):
                    self._next_file()
                    raise
            groups = self._groups(self.shard)
            while self.group < len(groups):
                try:
                    batch = self._next_batch(self.shard, groups[self.group])
                except DataLossError:
                    self._next_group()
                    raise
                if batch is not None:
                    try:
                        return self._block(self.shard, batch, groups[self.group])
                    finally:
                        if self.row >= self.shard.group_rows[groups[self.group]]:
                            self._next_group()  # so that a saved position needs nothing of this one
                else:
                    self._next_group()
            self._next_file()
        return None

    def _block(self, shard: ParquetShard, batch: pa.RecordBatch, group: int) -> Block:
        """Return the rows before the first bad one; a bad one that is the first raises."""
        try:
            block = shard.block(batch, group, self.row)
        except DataflowError as error:
            if error.row is None:
                raise
            self.rest = batch.slice(max(error.row, 1))
            if error.row == 0:
                self.row += 1
                raise
            block = shard.block(batch.slice(0, error.row), group, self.row)
        self.row += block.length
        return block

    def _groups(self, shard: ParquetShard) -> Sequence[int]:
        every = range(len(shard.group_rows))
        wanted = self.node.row_groups
        return every if wanted is None else [group for group in wanted if group in every]

    def _open(self, path: str) -> ParquetShard:
        shard = ParquetShard(path)
        try:
            found = _specs(shard.schema, self.node.columns, path)
            for name, want, got in zip(self.node.columns, self.node.specs, found, strict=True):
                if want != got:
                    raise SpecError(
                        f"column {name!r} is {got} in {path} and {want} in {self.node.paths[0]}",
                        hint="write all shards with one schema",
                    )
        except DataflowError:
            shard.close()
            raise
        return shard

    def _next_batch(self, shard: ParquetShard, group: int) -> pa.RecordBatch | None:
        """Return rows of the row group from `self.row` on, None at its end."""
        if self.rest is not None and self.rest.num_rows:
            batch, self.rest = self.rest, None
            return batch
        skip = 0
        if self.batches is None:
            columns = sorted(self.node.columns)
            size = self.context.options.block_bytes or 1
            rows = min(max(1, size // shard.group_bytes_per_row(group, columns)), 1 << 17)
            self.batches = shard.batches(group, columns, rows, dict(self.node.fill_nulls))
            skip = self.row
        for batch in self.batches:
            if batch.num_rows > skip:
                return batch.slice(skip)
            skip -= batch.num_rows
        return None

    def _next_group(self) -> None:
        self.batches, self.rest = None, None
        self.group, self.row = self.group + 1, 0

    def _next_file(self) -> None:
        self.release()
        self.file, self.group, self.row = self.file + 1, 0, 0

    def release(self) -> None:
        """Close the file."""
        if self.shard is not None:
            self.shard.close()
        self.shard, self.batches = None, None

    def own_state(self) -> State:
        """File, row group and row."""
        return {"file": self.file, "group": self.group, "row": self.row}


def _specs(schema: pa.Schema, columns: Sequence[str], path: str) -> tuple[TensorSpec, ...]:
    for name in columns:
        if name not in schema.names:
            raise InvalidArgumentError(
                f"{path} has no column {name!r}", hint=did_you_mean(name, schema.names)
            )
    return tuple(spec_of(schema.field(name)) for name in columns)


def parquet_node(
    filenames: Any,
    columns: Sequence[str] | None = None,
    row_groups: Sequence[int] | None = None,
    fill_nulls: Mapping[str, Any] | None = None,
) -> ParquetRows:
    """Read the schema of the first file and return the node."""
    if isinstance(filenames, Tensor):
        raise TraceError("the columns of a Parquet file are known from the file itself")
    paths = as_paths(filenames)
    if not paths:
        raise InvalidArgumentError("ParquetDataset needs at least one file")
    shard = ParquetShard(paths[0])
    try:
        names = tuple(shard.schema.names if columns is None else columns)
        fills = tuple(sorted((fill_nulls or {}).items()))
        _specs(shard.schema, [name for name, _ in fills], paths[0])
        for name, value in fills:
            try:
                pa.scalar(value, shard.schema.field(name).type)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                kind = shard.schema.field(name).type
                raise InvalidArgumentError(f"fill_nulls[{name!r}] must be a {kind}, not {value!r}") from error
        groups = None if row_groups is None else tuple(row_groups)
        return ParquetRows(paths, names, _specs(shard.schema, names, paths[0]), groups, fills)
    finally:
        shard.close()


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them: several row groups, nulls, dictionaries, lists."""
    table = pa.table(
        {
            "id": pa.array(range(9), pa.int32()),
            "fare": pa.array([None if i == 4 else i / 2 for i in range(9)]),
            "kind": pa.array(["a", "b", None] * 3).dictionary_encode(),
            "tags": pa.array([[i] * (i % 3) for i in range(9)]),
        }
    )
    paths = [write_example(join(directory, f"{name}.parquet"), table, 4) for name in "ab"]
    return [
        parquet_node(paths),
        parquet_node(paths, ["kind", "id"], row_groups=[1]),
        parquet_node(paths, ["tags"]),
    ]
