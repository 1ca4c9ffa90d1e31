"""Parquet files: row groups in pieces, pieces as blocks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.arrow_columns import is_text_type
from dataflow.block import Block, Origin
from dataflow.errors import DataLossError, Location
from dataflow.storage.files import atomic_writer, open_binary
from dataflow.storage.parquet_columns import NO_FILL, Columns, Wanted
from dataflow.storage.parquet_footers import READ_ERRORS, Outline, failure_of, footer_of, raise_unless_corrupt
from dataflow.storage.parquet_schema import (
    Path,
    component,
    depth,
    holds_nulls,
    is_exact,
    keys,
    label,
    value_type,
)
from dataflow.storage.parquet_statistics import Condition, bounds, excludes, may_have_nulls
from dataflow.storage.parquet_values import Constant, checked

__all__ = ["NO_FILL", "Condition", "ParquetShard", "Wanted", "write_example"]

DICTIONARY_BYTES = 1 << 20
"""What writers let a dictionary grow to before they write a column without it."""
GROUPS_KNOWN = 4
"""Row groups of which what the footer says of each column is at hand."""
MIN_ROWS = 1 << 14
"""Rows worth decoding at once, as long as they take no more than four blocks."""
CHUNK_BYTES = 32 << 20
"""Compressed bytes of a row group that are read whole; of larger ones, a part of each column at a time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a row group: an array for each component that is in the file."""

    arrays: tuple[pa.Array, ...]
    rows: int

    def slice(self, start: int, rows: int | None = None) -> Piece:
        """Return rows from `start` on, without a copy."""
        left = max(0, self.rows - start)
        rows = left if rows is None else min(rows, left)
        return Piece(tuple(array.slice(start, rows) for array in self.arrays), rows)


class ParquetShard:
    """One Parquet file. Text that is dictionary-encoded in the file stays so.

    Args:
        path: Local path or URL.
        wanted: The components to read; what the file does not have is null.
        constants: Components that are the same for all rows, whatever the file has.

    Attributes:
        group_rows: Number of rows of each row group.
        leaves: The components that it has.

    Raises:
        NotFoundError, DataLossError: It is not there, or is not a Parquet file.
    """

    def __init__(
        self, path: str, wanted: Sequence[Wanted] = (), constants: Mapping[Path, Constant] | None = None
    ) -> None:
        self.path = path
        self._constants = constants or {}
        self._wanted = sorted(wanted, key=lambda want: keys(want.path))
        self._raw = open_binary(path)
        self._file: pq.ParquetFile | None = None
        self._known: dict[int, tuple[dict[Path, Any], BaseException | None]] = {}
        try:
            self._footer = footer_of(path, self._raw)
        except BaseException:
            self._raw.close()
            raise
        outline: Outline = self._footer.outline
        self.group_rows, self.leaves = outline.group_rows, outline.leaves
        self._columns_of = Columns(self._wanted, self.leaves, self._constants)

    @functools.cached_property
    def _read(self) -> list[Wanted]:
        """The components that are read from the file."""
        return [w for w in self._wanted if w.path not in self._constants and w.path in self.leaves]

    @functools.cached_property
    def _columns(self) -> dict[Path, int]:
        """The number of the column of each component that is read."""
        return {want.path: self.leaves[want.path].columns[0] for want in self._read}

    def may_refuse(self, group: int) -> bool:
        """Tell whether a row of a row group may be refused: for a null, or a value that does not fit."""
        chunks = self._chunks(group)
        for want in self._read if chunks else ():
            kind = self.leaves[want.path].kind
            if not is_exact(kind, want.kind) or depth(want.kind) > 1:
                return True
            refuses = not holds_nulls(want.kind) and want.fill is NO_FILL
            inside = depth(want.kind) and not holds_nulls(value_type(want.kind))
            if (refuses or inside) and may_have_nulls(chunks[want.path]):
                return True
        return False

    def excludes(self, group: int, where: Sequence[Condition]) -> bool:
        """Tell whether the statistics of a row group show that no row meets all conditions.

        Not where a row that is refused would be passed over unseen.
        """
        wanted = {want.path: want for want in self._read}
        chunks = self._chunks(group)
        for path, how, value in where:
            want = wanted.get(path)
            if want is None or not chunks or not _comparable(self.leaves[path].kind, want.kind):
                continue
            column = chunks[path]
            if want.fill is not NO_FILL and may_have_nulls(column):
                continue  # the value that stands for them is not in the statistics
            if excludes(column, how, value):
                return not self.may_refuse(group)
        return False

    def rows_at_once(self, group: int, block_bytes: int) -> int:
        """Return how many rows of a row group make a block of about so many bytes."""
        used, total = self._chunks(group).values(), max(1, self.group_rows[group])
        widths = [max(8, chunk.total_uncompressed_size // total) for chunk in used]
        rows = block_bytes // max(8, sum(widths))
        return int(min(max(1, rows, min(MIN_ROWS, 4 * rows)), 1 << 17))

    def pieces(
        self, group: int, rows: int, *, threads: bool = False, following: int | None = None
    ) -> Iterator[Piece]:
        """Yield a row group in pieces of at most `rows` rows; of a remote file, `following` is fetched too.

        Raises:
            DataLossError: It is corrupt; what comes behind is lost, and the message says how many rows.
        """
        total, done = self.group_rows[group], 0
        try:
            if (failure := self._known_of(group)[1]) is not None:
                raise failure
            self._check(group)
            for piece in self._decoded(group, rows, list(self._columns.values()), threads, following):
                if piece.rows > total - done:
                    raise pa.ArrowInvalid("it has more rows than its footer says")
                done += piece.rows
                yield piece
            if done < total:
                raise pa.ArrowInvalid("it has fewer rows than its footer says")
        except READ_ERRORS as error:
            raise_unless_corrupt(error)
            column = self._culprit(group, rows)
            name = "" if column is None else f"column {column!r} of "
            raise DataLossError(
                f"{name}row group {group} of {self.path} is corrupt: {error}; "
                f"{total - done} of its {total} rows are lost",
                location=Location(self.path, done, "row", column, row_group=group),
                hint="write the file again; ignore_errors() goes on with the next row group",
            ) from error

    def expect(self, groups: Sequence[int], columns: Collection[int] | None = None) -> None:
        """Begin to fetch row groups of a remote file."""
        if expect := getattr(self._raw, "expect", None):
            paths = [p for p, column in self._columns.items() if columns is None or column in columns]
            runs = [] if self._buffer_bytes else [self._chunks(group) for group in groups]
            # what is read in small steps is not fetched: nothing else may be held for it
            expect(*([_extent(chunks[path]) for path in paths] for chunks in runs if chunks))

    def _decoded(
        self, group: int, rows: int, columns: list[int], threads: bool, following: int | None = None
    ) -> Iterator[Piece]:
        if not columns:
            left = self.group_rows[group]
            yield from (Piece((), min(rows, left - first)) for first in range(0, left, rows))
            return
        file = self._opened()
        names, chosen = self._names(columns), set(columns)
        self.expect([g for g in (group, following) if g is not None], columns)
        ways = [keys(path) for path, column in self._columns.items() if column in chosen]
        for batch in file.iter_batches(rows, row_groups=[group], columns=names, use_threads=threads):
            tops = {name: array for name, array in zip(batch.schema.names, batch.columns, strict=True)}
            parts = [component(tops[top], below) for top, *below in ways]
            yield Piece(tuple(map(checked, parts)), batch.num_rows)

    def _opened(self) -> pq.ParquetFile:
        """Return the reader, with the dictionaries and buffers that suit what is read."""
        if self._file is None:
            coded = [label(w.path) for w in self._read if w.fill is NO_FILL and self._is_coded(w)]
            self._file = pq.ParquetFile(
                self._raw,
                metadata=self._footer.metadata,
                read_dictionary=coded or None,
                page_checksum_verification=True,
                pre_buffer=False,
                buffer_size=self._buffer_bytes,
            )
        return self._file

    @functools.cached_property
    def _buffer_bytes(self) -> int:
        """Return how much of a column is read at once, as large row groups must not fill memory; 0 is all."""
        metadata = self._footer.metadata
        groups = range(metadata.num_row_groups)
        large = [group for group in groups if metadata.row_group(group).total_byte_size > CHUNK_BYTES]
        sizes = [sum(c.total_compressed_size for c in self._chunks(group).values()) for group in large]
        if max(sizes, default=0) <= CHUNK_BYTES:
            return 0
        return min(max(CHUNK_BYTES // max(1, len(self._columns)), 1 << 14), 1 << 20)

    def _chunks(self, group: int) -> dict[Path, Any]:
        """Return what the footer says of the columns of a row group that are read; empty if it is corrupt."""
        return self._known_of(group)[0]

    def _known_of(self, group: int) -> tuple[dict[Path, Any], BaseException | None]:
        """Return what the footer says of the columns of a row group, and why that makes no sense, if so."""
        if group not in self._known:
            if len(self._known) >= GROUPS_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[group] = self._looked_up(group)
        return self._known[group]

    def _looked_up(self, group: int) -> tuple[dict[Path, Any], BaseException | None]:
        """Ask Arrow, which ends the process over some footers unless it was made to read before."""
        metadata = self._footer.metadata
        names = self._names(self._columns.values())
        failure = failure_of(metadata, self._footer.size, group, names) if names else None
        if failure is not None:
            return {}, failure
        info = metadata.row_group(group)
        chunks = {path: info.column(column) for path, column in self._columns.items()}
        for path, column in self._columns.items():
            kind, wanted = chunks[path].physical_type, metadata.schema.column(column).physical_type
            if kind != wanted:
                return {}, pa.ArrowInvalid(f"column {label(path)!r} is said to be {kind} and {wanted}")
        return chunks, None

    def _names(self, columns: Iterable[int]) -> list[str]:
        return [self._footer.metadata.schema.column(column).path for column in columns]

    def _check(self, group: int) -> None:
        """Raise for what the footer cannot mean, before it is acted upon."""
        chunks = self._chunks(group)
        for path, number in self._columns.items():
            info, name = chunks[path], label(path)
            start, stop = _extent(info)
            if not 4 <= start <= stop <= self._footer.size - 8:
                raise pa.ArrowInvalid(f"column {name!r} is said to be outside of the file")
            flat = self._footer.metadata.schema.column(number).max_repetition_level == 0
            if info.num_values != self.group_rows[group] if flat else info.num_values < 0:
                raise pa.ArrowInvalid(f"column {name!r} is said to have {info.num_values} values")
            if info.file_path:
                raise pa.ArrowInvalid(f"column {name!r} is in another file, {info.file_path!r}")

    def _culprit(self, group: int, rows: int) -> str | None:
        """Return the column that alone cannot be read, None if that cannot be told."""
        for path, column in self._columns.items():
            try:
                for _ in self._decoded(group, rows, [column], False):
                    pass
            except READ_ERRORS:
                return label(path)
        return None

    def block(self, piece: Piece, group: int, first: int) -> Block:
        """Return the block of a piece that begins at row `first` of a row group.

        Raises:
            InvalidArgumentError: A null has no value, or a value does not fit; ``row`` is its place.
            DataLossError: Text is not UTF-8; ``row`` is its place.
        """
        arrays = dict(zip((want.path for want in self._read), piece.arrays, strict=True))
        return self._columns_of.block(arrays, piece.rows, Origin(self.path, first, "row", group))

    def _is_coded(self, want: Wanted) -> bool:
        """Tell whether text is dictionary-encoded throughout, as far as sizes tell."""
        leaf, metadata = self.leaves[want.path], self._footer.metadata
        name = label(want.path)
        if (
            not metadata.num_row_groups
            or "." in name
            or leaf.kind != want.kind
            or not is_text_type(leaf.kind)
        ):
            return False
        if pa.types.is_fixed_size_binary(self._footer.schema.field(name).type):
            return False
        column = self._chunks(0).get(want.path)
        if column is None:
            return False
        rows, size = column.num_values, column.total_uncompressed_size
        if not column.has_dictionary_page or size > DICTIONARY_BYTES + 2.5 * rows:
            return False
        ends = bounds(column)
        length = 4 + len(ends[0]) if ends is not None else 8
        return bool((size - 2 * rows) // length <= rows // 2)  # entries: all but about two bytes a code

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


def _extent(chunk: Any) -> tuple[int, int]:
    """Return where the bytes of a column of a row group begin and end."""
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
        start = min(start, chunk.dictionary_page_offset or start)
    return start, start + chunk.total_compressed_size


def _comparable(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether statistics of a type compare as the values do that are read as another one."""
    return bool(kind == wanted or pa.types.is_integer(kind))


def write_example(path: str, table: pa.Table, rows_per_group: int) -> str:
    """Write a small file with checksums for the examples of the source, and return its path."""
    with atomic_writer(path) as file:
        pq.write_table(table, file, row_group_size=rows_per_group, write_page_checksum=True)
    return path
