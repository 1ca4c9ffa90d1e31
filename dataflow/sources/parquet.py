"""`ParquetDataset`: rows of Parquet files as dicts of columns."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pyarrow as pa

from dataflow.arrow_columns import checked_fills, kept_columns, specs_of
from dataflow.block import Block
from dataflow.errors import (
    DataflowError,
    DataLossError,
    InvalidArgumentError,
    SpecError,
    TraceError,
)
from dataflow.expr.tensor import Tensor
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec
from dataflow.storage.files import as_paths, join
from dataflow.storage.parquet import Condition, ParquetShard, write_example


@dataclasses.dataclass(frozen=True)
class ParquetRows(Node):
    """Dicts of the columns, files and row groups in order.

    With `threads` above 1, the columns of a row group are decoded side by side, in Arrow's threads.
    `skip_rows` leaves out the first rows. Row groups of which statistics say that no row meets all
    conditions of `where` are passed over; the rows of the others come all.
    """

    paths: tuple[str, ...]
    columns: tuple[str, ...]
    specs: tuple[TensorSpec, ...] = dataclasses.field(repr=False)
    row_groups: tuple[int, ...] | None = None
    fill_nulls: tuple[tuple[str, Any], ...] = ()
    skip_rows: int = 0
    threads: int = dataclasses.field(default=1, metadata={"physical": True})
    where: tuple[Condition, ...] = dataclasses.field(default=(), metadata={"physical": True})

    def infer_spec(self) -> Structure:
        """The columns."""
        return dict(zip(self.columns, self.specs, strict=True))

    def infer_cardinality(self) -> int:
        """The number of rows, as the footers of all files say; unknown with conditions."""
        return UNKNOWN_CARDINALITY if self.where else self._rows

    @functools.cached_property
    def _rows(self) -> int:
        total = 0
        for path in self.paths:
            try:
                shard = ParquetShard(path)
            except (OSError, DataflowError):
                return UNKNOWN_CARDINALITY  # the error is raised where the file is read
            groups = chosen_groups(shard, self.row_groups)
            total += sum(shard.group_rows[group] for group in groups)
            shard.close()
        return max(total - self.skip_rows, 0)

    def operator(self, *inputs: Operator) -> Operator:
        """Read row groups."""
        return ParquetRowsOperator(self)

    def with_columns(self, components: Sequence[int]) -> Self:
        """Return the node that reads only some components, numbered in `flatten` order."""
        return dataclasses.replace(self, **kept_columns(self.columns, self.specs, components))


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
        self.skip = self.node.skip_rows if own is None else own["skip"]
        self.rest: pa.RecordBatch | None = None  # what was read behind a bad row
        self.resumed = own is not None
        if own is None:
            self._look_ahead()

    def produce(self) -> Block | None:
        """Return the next rows; what cannot be read raises when its turn comes, and is then passed over."""
        while True:
            try:
                shard = self._find()
            except (OSError, DataflowError):
                self._next_file()
                raise
            if shard is None:
                return None
            group = chosen_groups(shard, self.node.row_groups)[self.group]
            try:
                batch = self._next_batch(shard, group)
            except DataLossError:
                self._next_group()
                raise
            if batch is None:
                self._next_group()
                continue
            try:
                block = self._block(shard, batch, group)
            finally:
                if self.row >= shard.group_rows[group]:
                    self._next_group()  # so that a saved position needs nothing of this one
                    self._look_ahead()
            if block.length:
                return block

    def _find(self) -> ParquetShard | None:
        """Go to the next row that is wanted, and return its open file; None at the end."""
        while self.file < len(self.node.paths):
            if self.shard is None:
                self.shard = self._open(self.node.paths[self.file])
            groups = chosen_groups(self.shard, self.node.row_groups)
            while self.group < len(groups):
                group = groups[self.group]
                rows = self.shard.group_rows[group] - self.row
                seek = self.skip and not self.shard.may_refuse(group, self.node.columns)
                if seek and self.skip >= rows:
                    self.skip -= rows
                elif seek:
                    self.row, self.skip = self.row + self.skip, 0
                    return self.shard
                elif self.resumed or self.row or not self._excluded(self.shard, group):
                    return self.shard
                self._next_group()
            self._next_file()
        return None

    def _excluded(self, shard: ParquetShard, group: int) -> bool:
        return bool(self.node.where) and shard.excludes(group, self.node.where, self.node.columns)

    def _look_ahead(self) -> None:
        """Pass over what is not wanted now, so that positions name rows that are read.

        They then mean the same with and without conditions.
        """
        if self.node.where or self.skip:
            with contextlib.suppress(OSError, DataflowError):  # raised again when it is this file's turn
                self._find()

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
        left_out = min(self.skip, block.length)
        self.skip -= left_out
        return block.slice(left_out)

    def _open(self, path: str) -> ParquetShard:
        shard = ParquetShard(path, dict(self.node.fill_nulls))
        try:
            found = specs_of(shard.schema, self.node.columns, path)
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
            rows = shard.rows_at_once(group, columns, self.context.options.block_bytes or 1)
            fills, threads = dict(self.node.fill_nulls), self.node.threads > 1
            self.batches = shard.batches(group, columns, rows, fills, threads=threads)
            skip = self.row
        for batch in self.batches:
            if batch.num_rows > skip:
                return batch.slice(skip)
            skip -= batch.num_rows
        return None

    def _next_group(self) -> None:
        self.batches, self.rest = None, None
        self.group, self.row, self.resumed = self.group + 1, 0, False

    def _next_file(self) -> None:
        self.release()
        self.file, self.group, self.row, self.resumed = self.file + 1, 0, 0, False

    def release(self) -> None:
        """Close the file."""
        if self.shard is not None:
            self.shard.close()
        self.shard, self.batches = None, None

    def own_state(self) -> State:
        """File, row group and row, and how many rows behind it are to be left out."""
        return {"file": self.file, "group": self.group, "row": self.row, "skip": self.skip}


def chosen_groups(shard: ParquetShard, wanted: Sequence[int] | None) -> Sequence[int]:
    """Return the row groups of a file that are read."""
    every = range(len(shard.group_rows))
    return every if wanted is None else [group for group in wanted if group in every]


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
        fills = checked_fills(shard.schema, fill_nulls, paths[0])
        groups = None if row_groups is None else tuple(row_groups)
        return ParquetRows(paths, names, specs_of(shard.schema, names, paths[0]), groups, fills)
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
    whole = parquet_node(paths)
    return [
        whole,
        dataclasses.replace(whole, skip_rows=11),
        dataclasses.replace(whole, where=(("id", "greater", 3),)),
        parquet_node(paths, ["kind", "id"], row_groups=[1]),
        parquet_node(paths, ["tags"]),
    ]
