"""Parquet files: schema from the footer, row groups as blocks."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.block import Block, Column, Origin, Ragged, Strings
from dataflow.errors import DataLossError, InvalidArgumentError, Location, SpecError
from dataflow.spec import BINARY, STRING, TensorSpec
from dataflow.storage.files import atomic_writer, open_binary


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def spec_of(field: pa.Field) -> TensorSpec:
    """Return the spec of a column of scalars or of lists of scalars."""
    kind, shape = field.type, ()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, shape = kind.value_type, (None,)  # type: ignore[assignment]
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if _is_text(kind):
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        return TensorSpec(shape, BINARY if binary else STRING)
    try:
        return TensorSpec(shape, kind.to_pandas_dtype())
    except (NotImplementedError, SpecError) as error:
        raise SpecError(
            f"column {field.name!r} has type {field.type}, which no tensor can hold",
            hint="read other columns: ParquetDataset(..., columns=[...])",
        ) from error


class ParquetShard:
    """One Parquet file.

    Raises:
        NotFoundError, DataLossError: It is not there, or is not a Parquet file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._raw = open_binary(path)
        try:
            self._file = pq.ParquetFile(self._raw, page_checksum_verification=True, pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            self._raw.close()
            raise DataLossError(f"{path} is not a readable Parquet file: {error}") from error
        self.schema: pa.Schema = self._file.schema_arrow

    @functools.cached_property
    def group_rows(self) -> list[int]:
        """Number of rows of each row group."""
        metadata = self._file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def group_bytes_per_row(self, group: int, columns: Sequence[str]) -> int:
        """Uncompressed bytes per row of the columns in a row group, at least 1."""
        info = self._file.metadata.row_group(group)
        used = [info.column(i) for i in range(info.num_columns)]
        total = sum(c.total_uncompressed_size for c in used if c.path_in_schema.split(".")[0] in columns)
        return max(1, int(total // max(1, info.num_rows)))

    def batches(
        self, group: int, columns: Sequence[str], rows: int, fills: Mapping[str, Any]
    ) -> Iterator[pa.RecordBatch]:
        """Yield a row group in pieces of at most `rows` rows, columns in the order given, nulls filled."""
        batches = self._file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False)
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
            filled = [a.fill_null(fills[n]) if n in fills and a.null_count else a for n, a in arrays]
            yield pa.RecordBatch.from_arrays(filled, names=list(columns))

    def block(self, batch: pa.RecordBatch, group: int, first: int) -> Block:
        """Return the block of a batch that begins at row `first` of a row group.

        Raises:
            InvalidArgumentError: A null has no value; ``row`` is its place in the batch.
        """
        origin = Origin(self.path, first, "row", group)
        names = batch.schema.names
        columns = tuple(_column(a, n, origin) for n, a in zip(names, batch.columns, strict=True))
        return Block(columns, batch.num_rows, origin)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


def _column(array: pa.Array, name: str, origin: Origin) -> Column:
    kind = array.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_dictionary(kind) or _is_text(kind):
        return Strings(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        sizes = np.asarray(array.value_lengths().fill_null(0)).astype(np.int64)
        items = array.flatten()
        owner = np.repeat(np.arange(len(array)), sizes)
        _refuse_nulls(items, name, origin, owner)
        return Ragged(_column(items, name, origin), sizes[:, None])
    _refuse_nulls(array, name, origin, np.arange(len(array)))
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _refuse_nulls(array: pa.Array, name: str, origin: Origin, rows: npt.NDArray[np.int64]) -> None:
    """Raise for a null that no value can stand for; `rows` says which element an item belongs to."""
    kind = array.type
    missing = pa.types.is_floating(kind) or pa.types.is_temporal(kind) or pa.types.is_dictionary(kind)
    if not array.null_count or missing or _is_text(kind):
        return
    row = int(rows[np.flatnonzero(np.asarray(array.is_null()))[0]])
    error = InvalidArgumentError(
        f"column {name!r} of type {kind} has a null, and no value can stand for it",
        location=origin.location(row, name, "null"),
        hint=f"give a default: ParquetDataset(..., fill_nulls={{{name!r}: 0}})",
    )
    error.row = row
    raise error


def write_example(path: str, table: pa.Table, rows_per_group: int) -> str:
    """Write a small file with checksums for the examples of the source, and return its path."""
    with atomic_writer(path) as file:
        pq.write_table(table, file, row_group_size=rows_per_group, write_page_checksum=True)
    return path
