"""`ParquetDataset`: rows of Parquet files as dicts of columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError, TraceError, did_you_mean
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec
from dataflow.storage.files import as_paths
from dataflow.storage.parquet import ParquetShard, spec_of


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

    def start(self, own: State | None) -> None:
        """Begin with the first row group, or seek to the saved one."""
        self.file = 0 if own is None else own["file"]
        self.group = 0 if own is None else own["group"]
        self.row = 0 if own is None else own["row"]
        self._close_shard()

    def produce(self) -> Block | None:
        """Return the next rows."""
        while self.file < len(self.node.paths):
            if self.shard is None:
                self.shard = self._open(self.node.paths[self.file])
            groups = self._groups()
            while self.group < len(groups):
                if self.batches is None:
                    self.batches = self._read(groups[self.group])
                block = next(self.batches, None)
                if block is not None:
                    self.row += block.length
                    return block
                self.batches, self.group, self.row = None, self.group + 1, 0
            self._close_shard()
            self.file, self.group, self.row = self.file + 1, 0, 0
        return None

    def _groups(self) -> Sequence[int]:
        assert self.shard is not None
        every = range(len(self.shard.group_rows))
        wanted = self.node.row_groups
        return every if wanted is None else [group for group in wanted if group in every]

    def _open(self, path: str) -> ParquetShard:
        shard = ParquetShard(path)
        found = _specs(shard.schema, self.node.columns, path)
        for name, want, got in zip(self.node.columns, self.node.specs, found, strict=True):
            if want != got:
                raise SpecError(
                    f"column {name!r} is {got} in {path} and {want} in {self.node.paths[0]}",
                    hint="write all shards with one schema",
                )
        return shard

    def _read(self, group: int) -> Iterator[Block]:
        """Yield blocks of a row group, without the rows that were delivered before a resume."""
        assert self.shard is not None
        columns = sorted(self.node.columns)
        rows = max(
            1, (self.context.options.block_bytes or 1) // self.shard.group_bytes_per_row(group, columns)
        )
        skip = self.row
        for block in self.shard.read_group(group, columns, min(rows, 1 << 17), dict(self.node.fill_nulls)):
            if block.length > skip:
                yield block.slice(skip)
            skip = max(0, skip - block.length)

    def _close_shard(self) -> None:
        shard = getattr(self, "shard", None)
        if shard is not None:
            shard.close()
        self.shard: ParquetShard | None = None
        self.batches: Iterator[Block] | None = None

    def own_state(self) -> State:
        """File, row group and row."""
        return {"file": self.file, "group": self.group, "row": self.row}

    def close(self) -> None:
        """Close the file."""
        self._close_shard()


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
        groups = None if row_groups is None else tuple(row_groups)
        return ParquetRows(paths, names, _specs(shard.schema, names, paths[0]), groups, fills)
    finally:
        shard.close()


EXAMPLES = ()
"""Files differ by machine: the suite makes them and builds the nodes itself."""
