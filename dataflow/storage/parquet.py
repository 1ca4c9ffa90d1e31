"""Parquet files: schema from the footer, row groups as blocks."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.arrow_columns import block_of, filled, is_text_type
from dataflow.block import Block, Origin
from dataflow.errors import DataLossError, Location
from dataflow.storage.files import atomic_writer, open_binary
from dataflow.strings import Dictionary

Condition: TypeAlias = tuple[str, str, Any]
"""A column, the name of a NumPy comparison, and the number or text on its right side."""
DICTIONARY_BYTES = 1 << 20
"""What writers let a dictionary grow to before they write a column without it."""
MIN_ROWS = 1 << 14
"""Rows worth decoding at once, as long as they take no more than four blocks."""


class ParquetShard:
    """One Parquet file. Text that is dictionary-encoded in the file stays so.

    Args:
        path: Local path or URL.
        plain: Columns whose text is read without its dictionary.

    Raises:
        NotFoundError, DataLossError: It is not there, or is not a Parquet file.
    """

    def __init__(self, path: str, plain: Collection[str] = ()) -> None:
        self.path = path
        self._raw = open_binary(path)
        self._dictionaries: dict[str, Dictionary] = {}
        try:
            self._file = pq.ParquetFile(self._raw, page_checksum_verification=True, pre_buffer=False)
            coded = [name for name in _coded_columns(self._file) if name not in plain]
            if coded:
                self._file = pq.ParquetFile(
                    self._raw,
                    metadata=self._file.metadata,
                    read_dictionary=coded,
                    page_checksum_verification=True,
                    pre_buffer=False,
                )
        except (pa.ArrowInvalid, OSError) as error:
            self._raw.close()
            raise DataLossError(f"{path} is not a readable Parquet file: {error}") from error
        self.schema: pa.Schema = self._file.schema_arrow

    @functools.cached_property
    def group_rows(self) -> list[int]:
        """Number of rows of each row group."""
        metadata = self._file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def may_refuse(self, group: int, columns: Collection[str]) -> bool:
        """Tell whether a row group may have a null in a column that has no value for it."""
        metadata = self._file.metadata.row_group(group)
        used = [metadata.column(i) for i in range(metadata.num_columns)]
        return any(_may_refuse(column) for column in used if column.path_in_schema in columns)

    def excludes(self, group: int, where: Sequence[Condition], columns: Collection[str]) -> bool:
        """Tell whether the statistics of a row group show that no row meets all conditions.

        Not where a null that no value stands for would be passed over unseen.
        """
        metadata = self._file.metadata.row_group(group)
        used = [metadata.column(i) for i in range(metadata.num_columns)]
        statistics = {column.path_in_schema: column.statistics for column in used}
        excluded = any(_excludes(statistics.get(name), how, value) for name, how, value in where)
        return excluded and not self.may_refuse(group, columns)

    def rows_at_once(self, group: int, columns: Collection[str], block_bytes: int) -> int:
        """Return how many rows of a row group make a block of about so many bytes."""
        info = self._file.metadata.row_group(group)
        used = [info.column(i) for i in range(info.num_columns)]
        widths = [
            max(8, column.total_uncompressed_size // max(1, info.num_rows))
            for column in used
            if column.path_in_schema.split(".")[0] in columns
        ]
        rows = block_bytes // max(1, sum(widths))
        return int(min(max(1, rows, min(MIN_ROWS, 4 * rows)), 1 << 17))

    def batches(
        self,
        group: int,
        columns: Sequence[str],
        rows: int,
        fills: Mapping[str, Any],
        *,
        threads: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Yield a row group in pieces of at most `rows` rows, columns in the order given, nulls filled."""
        batches = self._file.iter_batches(
            rows, row_groups=[group], columns=list(columns), use_threads=threads
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise DataLossError(
                    f"row group {group} of {self.path} is corrupt: {error}",
                    location=Location(self.path, row_group=group),
                ) from error
            if batch is None:
                return
            arrays = [(name, batch.column(name)) for name in columns]
            complete = [filled(a, fills[n]) if n in fills else a for n, a in arrays]
            shared = [self._shared(n, a) for n, a in zip(columns, complete, strict=True)]
            yield pa.RecordBatch.from_arrays(shared, names=list(columns))

    def _shared(self, name: str, array: pa.Array) -> pa.Array:
        """Return the array over the dictionary of the batch before it, if that has the same entries."""
        if not pa.types.is_dictionary(array.type):
            return array
        known = self._dictionaries.get(name)
        if known is not None and known.values.equals(array.dictionary):
            return pa.DictionaryArray.from_arrays(array.indices, known.values)
        self._dictionaries[name] = Dictionary.of(array.dictionary)
        return array

    def block(self, batch: pa.RecordBatch, group: int, first: int) -> Block:
        """Return the block of a batch that begins at row `first` of a row group.

        Raises:
            InvalidArgumentError: A null has no value; ``row`` is its place in the batch.
        """
        return block_of(batch, Origin(self.path, first, "row", group))

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


def _excludes(statistics: Any, comparison: str, value: Any) -> bool:
    """Tell whether no value between the least and the greatest of a row group compares as wanted."""
    if statistics is None or not statistics.has_min_max:
        return False
    least, greatest = statistics.min, statistics.max
    if not isinstance(least, type(value) if isinstance(value, str) else (int, float)) or least != least:
        return False
    match comparison:
        case "equal":
            return bool(value < least or value > greatest)
        case "less":
            return bool(least >= value)
        case "less_equal":
            return bool(least > value)
        case "greater":
            return bool(greatest <= value)
        case "greater_equal":
            return bool(greatest < value)
    return False


def _may_refuse(column: Any) -> bool:
    """Tell whether reading a column of a row group may refuse a null, as far as its statistics tell."""
    if column.physical_type not in ("INT32", "INT64", "BOOLEAN"):
        return False
    statistics = column.statistics
    return statistics is None or not statistics.has_null_count or statistics.null_count > 0


def _coded_columns(file: pq.ParquetFile) -> list[str]:
    """Return the text columns that are dictionary-encoded throughout, as far as sizes tell."""
    metadata = file.metadata
    if not metadata.num_row_groups:
        return []
    first = metadata.row_group(0)
    found = []
    for i in range(first.num_columns):
        column = first.column(i)
        name = column.path_in_schema
        if (
            not column.has_dictionary_page
            or "." in name
            or not is_text_type(file.schema_arrow.field(name).type)
        ):
            continue
        if column.total_uncompressed_size <= DICTIONARY_BYTES + 2.5 * column.num_values:
            found.append(name)
    return found


def write_example(path: str, table: pa.Table, rows_per_group: int) -> str:
    """Write a small file with checksums for the examples of the source, and return its path."""
    with atomic_writer(path) as file:
        pq.write_table(table, file, row_group_size=rows_per_group, write_page_checksum=True)
    return path
