"""Running `ParquetRows`: one row group after the other, cut into blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflow.block import Block
from dataflow.errors import DataflowError, DataLossError
from dataflow.runtime.operator import Operator, State
from dataflow.runtime.threads import Future, Workers
from dataflow.sources.parquet_schemas import check_file, chosen_groups, disagreement
from dataflow.storage.files import is_url
from dataflow.storage.parquet import NO_FILL, ParquetShard, Piece, Wanted
from dataflow.storage.parquet_schema import Path
from dataflow.storage.parquet_values import Constant, constant

if TYPE_CHECKING:
    from dataflow.sources.parquet import ParquetRows


class ParquetRowsOperator(Operator):
    """Reads one row group after the other, cut into blocks."""

    node: ParquetRows
    shard: ParquetShard | None = None
    pieces: Iterator[Piece] | None = None
    upcoming: tuple[int, Future[ParquetShard]] | None = None
    """A remote file that is opened while the one before it is read, and its number."""
    pool: Workers | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first row group, or seek to the saved one."""
        self.file = 0 if own is None else own["file"]
        self.group = 0 if own is None else own["group"]
        self.row = 0 if own is None else own["row"]
        self.base = 0 if own is None else own["base"]  # number of the first row of the row group
        self.skip = self.node.skip_rows if own is None else own["skip"]
        self.rest: Piece | None = None  # what was read behind a bad row
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
                piece = self._next_piece(shard, group)
            except DataLossError:
                self._next_group()
                raise
            if piece is None:
                self._next_group()
                continue
            try:
                piece = piece.slice(0, self._span[1] - self.base - self.row)
                block = self._block(shard, piece, group)
            finally:
                if self.row >= shard.group_rows[group]:
                    self._next_group()  # so that a saved position needs nothing of this one
                    self._look_ahead()
            if block.length:
                return block

    def _find(self) -> ParquetShard | None:
        """Go to the next row that is wanted, and return its open file; None at the end."""
        while self.file < len(self.node.paths):
            if not self.resumed and self.node.excludes(self.file):
                self._next_file()
                continue
            if self.shard is None:
                self.shard = self._opened(self.file)
            groups = chosen_groups(self.shard, self.node.row_groups)
            while self.group < len(groups):
                group = groups[self.group]
                rows = self.shard.group_rows[group] - self.row
                first, last = self._span
                if self.base + self.row >= last:
                    break
                if self.base + self.row + rows <= first:
                    self._next_group()
                    continue
                self.row = max(self.row, first - self.base)
                rows = min(self.shard.group_rows[group], last - self.base) - self.row
                seek = self.skip and not self.shard.may_refuse(group)
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

    @property
    def _span(self) -> tuple[int, int]:
        """The rows that are wanted of the file."""
        return (0, 1 << 62) if self.node.spans is None else self.node.spans[self.file]

    def _excluded(self, shard: ParquetShard, group: int) -> bool:
        return bool(self.node.where) and shard.excludes(group, self.node.where)

    def _look_ahead(self) -> None:
        """Pass over what is not wanted now, so that positions name rows that are read.

        They then mean the same with and without conditions.
        """
        if self.node.where or self.skip or self.node.spans:
            with contextlib.suppress(OSError, DataflowError):  # raised again when it is this file's turn
                self._find()

    def _block(self, shard: ParquetShard, piece: Piece, group: int) -> Block:
        """Return the rows before the first bad one; a bad one that is the first raises."""
        try:
            block = shard.block(piece, group, self.row)
        except DataflowError as error:
            if error.row is None:
                raise
            self.rest = piece.slice(max(error.row, 1))
            if error.row == 0:
                self.row += 1
                raise
            block = shard.block(piece.slice(0, error.row), group, self.row)
        self.row += block.length
        left_out = min(self.skip, block.length)
        self.skip -= left_out
        return block.slice(left_out)

    def _opened(self, file: int) -> ParquetShard:
        upcoming, self.upcoming = self.upcoming, None
        return upcoming[1].result() if upcoming is not None and upcoming[0] == file else self._open(file)

    def _open_ahead(self, file: int) -> None:
        """Begin to open a remote file, which takes some requests one after the other."""
        if self.upcoming is not None or file >= len(self.node.paths) or not is_url(self.node.paths[file]):
            return
        if self.context.options.threads and not self.node.excludes(file):
            self.pool = self.pool or Workers(1)
            self.upcoming = (file, self.pool.submit(self._open_and_expect, file))

    def _open_and_expect(self, file: int) -> ParquetShard:
        shard = self._open(file)
        groups = chosen_groups(shard, self.node.row_groups)
        shard.expect([group for group in groups if not self._excluded(shard, group)][:1])
        return shard

    def _open(self, file: int) -> ParquetShard:
        node = self.node
        fills = dict(node.fill_nulls)
        pairs = zip(node.columns, node.types, strict=True)
        wanted = [Wanted(path, kind, fills.get(path, NO_FILL)) for path, kind in pairs]
        constants: dict[Path, Constant] = {p.name: constant(p.values[file], p.dtype) for p in node.partitions}
        wanted += [Wanted(name, pa.null()) for name in constants]
        shard = ParquetShard(node.paths[file], wanted, constants)
        if node.layout is not None and check_file(shard.leaves, node.layout, node.decimals, fills):
            shard.close()
            raise disagreement(node.paths, file, node.layout, node.decimals, fills)
        return shard

    def _following(self, shard: ParquetShard, group: int) -> int | None:
        """Return the row group of this file that is read after one; None if it is the last."""
        groups = chosen_groups(shard, self.node.row_groups)[self.group + 1 :]
        if self.base + shard.group_rows[group] >= self._span[1]:
            return None
        return next((g for g in groups if not (self.node.where and shard.excludes(g, self.node.where))), None)

    def _next_piece(self, shard: ParquetShard, group: int) -> Piece | None:
        """Return rows of the row group from `self.row` on, None at its end."""
        if self.rest is not None and self.rest.rows:
            piece, self.rest = self.rest, None
            return piece
        skip = 0
        if self.pieces is None:
            rows = shard.rows_at_once(group, self.context.options.block_bytes or 1)
            following = self._following(shard, group)
            if following is None:
                self._open_ahead(self.file + 1)
            self.pieces = shard.pieces(group, rows, threads=self.node.threads > 1, following=following)
            skip = self.row
        for piece in self.pieces:
            if piece.rows > skip:
                return piece.slice(skip)
            skip -= piece.rows
        return None

    def _next_group(self) -> None:
        if self.shard is not None:
            self.base += self.shard.group_rows[chosen_groups(self.shard, self.node.row_groups)[self.group]]
        self.pieces, self.rest = None, None
        self.group, self.row, self.resumed = self.group + 1, 0, False

    def _next_file(self) -> None:
        self._close_file()
        self.file, self.group, self.row, self.base = self.file + 1, 0, 0, 0
        self.resumed = False

    def _close_file(self) -> None:
        if self.shard is not None:
            self.shard.close()
        self.shard, self.pieces = None, None

    def release(self) -> None:
        """Close the file, and the one that is opened ahead."""
        self._close_file()
        if self.pool is not None:
            self.pool.stop()
            self.pool = None
        upcoming, self.upcoming = self.upcoming, None
        if upcoming is not None and not upcoming[1].cancelled():
            with contextlib.suppress(OSError, DataflowError):  # of a file that nobody reads
                upcoming[1].result().close()

    def own_state(self) -> State:
        """File, row group and row; rows before the row group; how many rows behind it are to be left out."""
        return {
            "file": self.file,
            "group": self.group,
            "row": self.row,
            "base": self.base,
            "skip": self.skip,
        }
