"""The datasets over files that have classes of their own in tf.data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.dataset import Dataset
from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from dataflow.options import AUTOTUNE, usable_cores
from dataflow.plan.node import Node
from dataflow.sources.csv import csv_node
from dataflow.sources.fixed_length import fixed_length_node
from dataflow.sources.parquet import parquet_node
from dataflow.sources.sql import sql_node
from dataflow.sources.text import TextLines
from dataflow.sources.tfrecord import TFRecords
from dataflow.spec import BINARY, STRING, Structure, TensorSpec
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

    Text columns give `str` (null: None), lists of scalars give arrays, nulls of floats are NaN and those of
    times NaT. Structs are dicts in the element, and lists of structs are dicts of lists. Times with a zone
    are in UTC, times of day what has passed since midnight. A row group is decoded a block at a time; a
    resume amid one decodes it from its beginning. Footers are kept for the next reader of the same files.

    Args:
        filenames: A path, several, or a dataset of paths; a pattern, such as ``"in/*.parquet"``; or a
            directory: all files below it, sorted by path, without names that begin with ``.`` or ``_`` or
            end in ``.tmp``. The ``_manifest.json`` of `Dataset.write_parquet`, or the directory that has
            one, stands for the files that it lists.
        columns: Names of the columns to read, ``"a.b"`` for a field of a struct; default all. What later
            stages do not use is not read in any case.
        row_groups: Numbers of the row groups to read in each file; default all.
        fill_nulls: Values for nulls by column name; needed for integers and booleans with nulls.
        partitions: Whether directories such as ``year=2024`` are columns, of integers if all values are,
            else of text; they take the place of columns in the files. Or a dict of dtypes by name, for
            those that are not to be found out. None is yes for directories. Files that a `filter` on them
            excludes are not opened.
        schema: What files may differ in, beside the order of columns. "strict": in nothing, in the columns
            that are read. "union": all columns of all files, of which the footers are read now. What a file
            does not have is null, integers and floats are of the type that holds both (int64 of int32 and
            int64, float64 of integers and floats), and times of the finer unit. A dict of dtypes by name:
            these columns, as these dtypes; every file has to have them, or `fill_nulls` a value.
        decimals: "float64" reads decimals as the nearest float64; None refuses them.

    Raises:
        InvalidArgumentError: There is no such column; or, while iterating, a null has no value, or a value
            does not fit its dtype: the iterator goes on behind the row.
        SpecError: A column is of a type that no tensor can hold; or, maybe while iterating, files differ:
            the message says which, and in what.
        DataLossError: While iterating, a file is corrupt (page checksums are verified where there are any):
            file, row group, column and the number of rows that are lost are in the message, and the
            iterator goes on with the next row group, or file. Or text is not UTF-8: it goes on with the
            next row.

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> _ = Dataset.range(3).map(lambda x: {"id": x}).write_parquet(directory + "/year=2024")
    >>> rows = ParquetDataset(directory + "/*/*.parquet", partitions=True)
    >>> [(int(row["id"]), int(row["year"])) for row in rows]
    [(0, 2024), (1, 2024), (2, 2024)]
    """

    def __init__(
        self,
        filenames: Any,
        columns: Sequence[str] | None = None,
        row_groups: Sequence[int] | None = None,
        fill_nulls: Mapping[str, Any] | None = None,
        partitions: bool | Mapping[str, Any] | None = None,
        schema: str | Mapping[str, Any] = "strict",
        decimals: str | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(parquet_node(path, columns, row_groups, fill_nulls, partitions, schema, decimals))

        super().__init__(_over_files(filenames, read, None))


class TFRecordDataset(Dataset):
    """The records of TFRecord files, as `bytes`; `TFRecordWriter` writes such files.

    Args:
        filenames: A path, several, or a dataset of paths; local or URLs.
        compression_type: As in `TextLineDataset`.
        buffer_size: Accepted for compatibility; see ``Options.block_bytes``.
        num_parallel_reads: Interleave so many files, one record each in turn; None reads one after the other.

    Raises:
        NotFoundError: While iterating, a file is missing.
        DataLossError: While iterating, a record does not match its checksum: the iterator goes on behind
            it. Or a length does not, or the file is truncated: the iterator goes on with the next file.
            Path, number of the record (from 0) and byte (of the decompressed file) are in the message.

    >>> import pathlib, tempfile
    >>> from dataflow import TFRecordWriter
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.tfrecord")
    >>> with TFRecordWriter(path) as writer:
    ...     writer.write(b"one")
    ...     writer.write(b"two")
    >>> list(TFRecordDataset(path))
    [b'one', b'two']
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: str | None = None,
        buffer_size: int | None = None,
        num_parallel_reads: int | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(TFRecords(path if isinstance(path, Tensor) else as_paths(path), compression_type))

        super().__init__(_over_files(filenames, read, num_parallel_reads))


class FixedLengthRecordDataset(Dataset):
    """The records of binary files in which every record has the same size, as `bytes`.

    Args:
        filenames: A path, several, or a dataset of paths; local or URLs.
        record_bytes: Size of a record.
        header_bytes: Bytes to leave out at the beginning of each file; None is 0.
        footer_bytes: Bytes to leave out at the end of each file; None is 0.
        buffer_size: Accepted for compatibility; see ``Options.block_bytes``.
        compression_type: As in `TextLineDataset`; sizes are those of decompressed files.
        num_parallel_reads: Interleave so many files, one record each in turn; None reads one after the other.

    Raises:
        InvalidArgumentError: A size is wrong; or, while iterating, what a file has between header and footer
            is no multiple of `record_bytes`: a plain file then gives no records, a compressed one those
            that are whole, and the iterator goes on with the next file.
        NotFoundError: While iterating, a file is missing.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.bin")
    >>> _ = path.write_bytes(b"#aabbcc")
    >>> list(FixedLengthRecordDataset(path, 2, header_bytes=1))
    [b'aa', b'bb', b'cc']
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        buffer_size: int | None = None,
        compression_type: str | None = None,
        num_parallel_reads: int | None = None,
    ) -> None:
        def read(path: Any) -> Dataset:
            return Dataset(
                fixed_length_node(path, record_bytes, header_bytes, footer_bytes, compression_type)
            )

        super().__init__(_over_files(filenames, read, num_parallel_reads))


class SqlDataset(Dataset):
    """The rows of a query on a SQLite database, which is opened for reading only.

    A null is NaN in columns of floats and None in columns of text. To resume, the query is run again and
    the rows that were delivered are passed over: so it should end with ORDER BY.

    Args:
        driver_name: "sqlite".
        data_source_name: Path of the database, a local file.
        query: One SELECT statement.
        output_types: A structure of dtypes, one for each column: integers, floats, bool, str or bytes. A
            number is True as bool if it is not 0.

    Raises:
        InvalidArgumentError: The driver is another; or, while iterating, the database refuses the query,
            the number of columns is another, or a value is of another kind or out of range: row, column and
            value are in the message, and the iterator goes on behind it.
        NotFoundError: While iterating, there is no such database.
        DataLossError: While iterating, the database is corrupt.

    >>> import contextlib, pathlib, sqlite3, tempfile
    >>> path = str(pathlib.Path(tempfile.mkdtemp(), "a.sqlite"))
    >>> with contextlib.closing(sqlite3.connect(path)) as connection:
    ...     _ = connection.executescript("CREATE TABLE t (id, fare); INSERT INTO t VALUES (7, 2.5);")
    >>> list(SqlDataset("sqlite", path, "SELECT id, fare FROM t ORDER BY id", (int, float)))
    [(np.int64(7), np.float64(2.5))]
    """

    def __init__(self, driver_name: str, data_source_name: Any, query: Any, output_types: Structure) -> None:
        super().__init__(sql_node(driver_name, data_source_name, query, output_types))


def _over_files(filenames: Any, read: Any, parallel: int | None) -> Node:
    """Return the plan that reads one path, several, or a dataset of them."""
    if isinstance(filenames, Dataset) and not _is_text(filenames.element_spec):
        raise SpecError(f"filenames must be a dataset of paths, not of {filenames.element_spec}")
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


def _is_text(spec: Structure) -> bool:
    """Tell whether elements can be paths."""
    return isinstance(spec, TensorSpec) and spec.dtype in (STRING, BINARY)
