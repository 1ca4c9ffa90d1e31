"""The datasets over files that have classes of their own in tf.data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.dataset import Dataset
from dataflow.expr.tensor import Tensor
from dataflow.options import AUTOTUNE, usable_cores
from dataflow.plan.node import Node
from dataflow.sources.csv import csv_node
from dataflow.sources.parquet import parquet_node
from dataflow.sources.text import TextLines
from dataflow.storage.files import as_paths


class TextLineDataset(Dataset):
    """The lines of text files, without their line ends; every carriage return is dropped.

    Args:
        filenames: A path, several, or a dataset of paths; local or URLs.
        compression_type: None goes by the suffix (.gz, .bz2, .zst, .lz4, .xz); '' is none; or 'GZIP',
            'ZLIB', 'BZ2', 'ZSTD', 'LZ4', 'XZ'.
        buffer_size: Accepted for compatibility; see ``Options.block_bytes``.
        num_parallel_reads: Interleave so many files, one line each in turn; None reads one after the other.

    Raises:
        NotFoundError: While iterating, a file is missing.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.txt")
    >>> _ = path.write_text("one" + chr(10) + "two")
    >>> list(TextLineDataset(str(path)))
    ['one', 'two']
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: str | None = None,
        buffer_size: int | None = None,
        num_parallel_reads: int | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(TextLines(path if isinstance(path, Tensor) else as_paths(path), compression_type))

        super().__init__(_over_files(filenames, read, num_parallel_reads))


class CsvDataset(Dataset):
    """The records of CSV files: tuples of scalars, or dicts by column name if the files have a header.

    Args:
        filenames: A path, several, or a dataset of paths.
        record_defaults: One item per column: a default (gives the dtype), or a dtype, which makes the
            field required. With a header also a dict by column name: then only those columns are read.
        compression_type: As in `TextLineDataset`.
        buffer_size: Accepted for compatibility; see ``Options.block_bytes``.
        header: Whether the first record of each file names the columns.
        field_delim: One ASCII character.
        use_quote_delim: Whether fields may be quoted, and then hold delimiters and line ends.
        na_value: Text that counts as missing, as an empty field does.
        select_cols: Positions of the columns to read, increasing.
        exclude_cols: Positions of the columns to leave out, increasing.

    Raises:
        InvalidArgumentError: A setting is wrong; or, while iterating, a record is: file, line, column and
            value are in the message, and the iterator goes on behind it.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("id,fare" + chr(10) + "7,2.5")
    >>> list(CsvDataset(str(path), [int, 0.0], header=True))
    [{'id': np.int32(7), 'fare': np.float32(2.5)}]
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Sequence[Any] | Mapping[str, Any],
        compression_type: str | None = None,
        buffer_size: int | None = None,
        header: bool = False,
        field_delim: str = ",",
        use_quote_delim: bool = True,
        na_value: str = "",
        select_cols: Sequence[int] | None = None,
        exclude_cols: Sequence[int] | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(
                csv_node(
                    path, record_defaults, compression_type, header, field_delim, use_quote_delim, na_value,
                    select_cols, exclude_cols,
                )
            )  # fmt: skip

        super().__init__(_over_files(filenames, read, None))


class ParquetDataset(Dataset):
    """The rows of Parquet files as dicts of columns.

    Text columns give `str` (null: None), lists of scalars give arrays, nulls of floats are NaN.

    Args:
        filenames: A path, several, or a dataset of paths.
        columns: Names of the columns to read; default all. What later stages do not use is not read
            in any case.
        row_groups: Numbers of the row groups to read in each file; default all.
        fill_nulls: Values for nulls by column name; needed for integers and booleans with nulls.

    Raises:
        InvalidArgumentError: There is no such column; or, while iterating, a null has no value.
        DataLossError: A file is corrupt; page checksums are verified.
    """

    def __init__(
        self,
        filenames: Any,
        columns: Sequence[str] | None = None,
        row_groups: Sequence[int] | None = None,
        fill_nulls: Mapping[str, Any] | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(parquet_node(path, columns, row_groups, fill_nulls))

        super().__init__(_over_files(filenames, read, None))


def _over_files(filenames: Any, read: Any, parallel: int | None) -> Node:
    """Return the plan that reads one path, several, or a dataset of them."""
    if isinstance(filenames, Dataset) or parallel is not None:
        paths = (
            filenames
            if isinstance(filenames, Dataset)
            else Dataset.from_tensor_slices(list(as_paths(filenames)))
        )
        if parallel is None:
            return paths.flat_map(read).node
        cycle = usable_cores() if parallel == AUTOTUNE else parallel
        return paths.interleave(read, cycle_length=cycle).node
    node: Node = read(filenames).node
    return node
