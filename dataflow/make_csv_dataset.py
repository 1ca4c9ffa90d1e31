"""`make_csv_dataset`: from CSV files to batches of features by column name, in one call."""

from __future__ import annotations

import codecs
import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.csv.inference import KINDS, widened
from dataflow.csv_format import CsvFormat, csv_format
from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.options import AUTOTUNE, usable_cores
from dataflow.seeds import seed_pair
from dataflow.sources.csv import CsvRecords, read_header
from dataflow.sources.list_files import list_files_node
from dataflow.spec import STRING
from dataflow.storage.files import ByteStream, as_paths, check_compression, compression_of
from dataflow.transforms.shuffle import Shuffle


def make_csv_dataset(
    file_pattern: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    batch_size: int,
    column_names: Sequence[str] | None = None,
    column_defaults: Sequence[Any] | None = None,
    label_name: str | None = None,
    select_columns: Sequence[str | int] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: str | None = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
) -> Dataset:
    """Read CSV files into batches of features by column name, with tf.data's rules and order.

    Files are taken in sorted order, or shuffled with the seed; their records are interleaved, shuffled,
    repeated, and batched, across the borders of epochs. Elements are an OrderedDict of features by column
    name, in the order of the file, or pairs (features, label); each is an array ``[batch]``.

    Without `column_defaults` the dtypes are inferred from the first records: the first of int32, int64,
    float32, float64 and text that holds all values seen; text if none was seen. **As in tf.data, a missing
    value of an inferred column silently becomes 0, or empty text.** Give `column_defaults` to have it
    otherwise, such as ``np.nan`` for a float, or a dtype for a field that must not be missing.

    Args:
        file_pattern: One glob pattern or several; local paths or URLs.
        batch_size: Records per batch.
        column_names: Names of all columns; default the header of the files.
        column_defaults: One item for each column that is read, in the order of the file: a default (gives
            the dtype), or a dtype, which makes the field required.
        label_name: The column that is the label.
        select_columns: Names or positions of the columns to read; default all.
        field_delim: One ASCII character.
        use_quote_delim: Whether fields may be quoted, and then hold delimiters and line ends.
        na_value: Text that counts as missing, as an empty field does.
        header: Whether the first record of each file names the columns; it is skipped.
        num_epochs: How often to go through the files; None is forever, and then all batches are full.
        shuffle: Whether to shuffle files and records, anew in each epoch.
        shuffle_buffer_size: Records to draw from.
        shuffle_seed: Seed of both shuffles; without one, runs differ.
        prefetch_buffer_size: Batches to have ready; None chooses.
        num_parallel_reads: How many files take turns, one record each. Default 1: one after the other.
            AUTOTUNE is the number of usable cores, so the order depends on the machine.
        sloppy: Accepted for compatibility; order never depends on timing.
        num_rows_for_inference: How many records to infer dtypes from, in all files together; None is all.
        compression_type: None goes by the suffix; as in `TextLineDataset`.
        ignore_errors: Leave out records that cannot be read.
        encoding: Only "utf-8".

    Raises:
        InvalidArgumentError: A setting is wrong, the headers of the files differ, or a record that dtypes
            are inferred from is broken: its file and line are in the message.
        NotFoundError: No file matches; a `ValueError` too.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("id,fare" + chr(10) + "7,2.5" + chr(10) + "8,")
    >>> dataset = make_csv_dataset(str(path), 2, label_name="fare", num_epochs=1, shuffle=False)
    >>> features, label = next(iter(dataset))
    >>> features["id"], label
    (array([7, 8], dtype=int32), array([2.5, 0. ], dtype=float32))
    """
    if codecs.lookup(encoding).name not in ("utf-8", "ascii"):
        raise InvalidArgumentError(
            f"encoding must be 'utf-8', not {encoding!r}", hint="convert the files to UTF-8 first"
        )
    check_compression(compression_type)
    rules: dict[str, Any] = {
        "field_delim": field_delim,
        "use_quote_delim": use_quote_delim,
        "na_value": na_value,
    }
    files = list_files_node(as_paths(file_pattern))
    paths = files.paths
    names = _column_names(paths, column_names, header, compression_type, rules)
    chosen = None if select_columns is None else _positions(select_columns, names)
    if column_defaults is None:
        text = csv_format([""] * len(names), names=names, **rules)
        records = Dataset(CsvRecords(paths, text, header, None, compression_type))
        found = _inferred(records.take(-1 if num_rows_for_inference is None else num_rows_for_inference))
        column_defaults = found if chosen is None else [found[i] for i in chosen]
    names = names if chosen is None else [names[i] for i in chosen]
    if len(column_defaults) != len(names):
        raise InvalidArgumentError(
            f"column_defaults has {len(column_defaults)} items for {len(names)} columns: {names}",
            hint="give one default or dtype for each column that is read, in the order of the file",
        )
    if label_name is not None and label_name not in names:
        raise InvalidArgumentError(f"there is no column {label_name!r}", hint=did_you_mean(label_name, names))
    form = csv_format(column_defaults, select_cols=chosen, names=names, allow_dtypes=True, **rules)

    def read(path: Any) -> Dataset:
        records = Dataset(CsvRecords(path, form, header, tuple(names), compression_type))
        return records.ignore_errors() if ignore_errors else records

    def features_and_label(row: dict[str, Any]) -> Any:
        features = OrderedDict((name, row[name]) for name in names)
        return features if label_name is None else (features, features.pop(label_name))

    cycle = usable_cores() if num_parallel_reads == AUTOTUNE else num_parallel_reads
    dataset = Dataset(Shuffle(files, len(paths), seed_pair(shuffle_seed)) if shuffle else files)
    dataset = dataset.interleave(read, cycle_length=1 if cycle is None else cycle)
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None).map(features_and_label)
    if prefetch_buffer_size in (None, AUTOTUNE):  # comes at the end of every plan, behind what follows here
        return dataset
    return dataset.prefetch(prefetch_buffer_size)


def _column_names(
    paths: Sequence[str],
    given: Sequence[str] | None,
    header: bool,
    compression_type: str | None,
    rules: dict[str, Any],
) -> list[str]:
    """Return the given names, or those in the headers of the files, which must be equal.

    Raises:
        InvalidArgumentError: Headers differ or are missing, or two columns have the same name.
    """
    if given is None:
        if not header:
            raise InvalidArgumentError(
                "the names of the columns are not known", hint="give column_names, or set header=True"
            )
        form = csv_format([""], **rules)
        names = _header_of(paths[0], form, compression_type)
        for path in paths[1:]:
            if (other := _header_of(path, form, compression_type)) != names:
                raise InvalidArgumentError(
                    f"the files have different headers: {paths[0]} has {names}, and {path} has {other}",
                    hint="give column_names if the columns are the same",
                )
    else:
        names = list(given)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        where = f"the header of {paths[0]}" if given is None else "column_names"
        raise InvalidArgumentError(f"{where} has columns of the same name: {twice}")
    return names


def _header_of(path: str, form: CsvFormat, compression_type: str | None) -> list[str]:
    stream = ByteStream(path, compression_of(path, compression_type))
    try:
        return read_header(path, stream, form)[0].fields
    finally:
        stream.close()


def _positions(columns: Sequence[str | int], names: Sequence[str]) -> list[int]:
    """Return the increasing positions of columns that are given by name or position.

    Raises:
        InvalidArgumentError: There is no such column, or one is given twice.
    """
    found = []
    for column in columns:
        if isinstance(column, str):
            if column not in names:
                raise InvalidArgumentError(
                    f"select_columns has {column!r}, and there is no such column",
                    hint=did_you_mean(column, names),
                )
            found.append(names.index(column))
        elif 0 <= column < len(names):
            found.append(int(column))
        else:
            raise InvalidArgumentError(
                f"select_columns has {column}, and there are {len(names)} columns, counted from 0"
            )
    twice = [names[position] for position, count in Counter(found).items() if count > 1]
    if twice:
        raise InvalidArgumentError(f"select_columns has columns twice: {twice}")
    return sorted(found)


def _inferred(records: Dataset) -> list[Any]:
    """Return for each column of text the default that stands for its narrowest dtype."""
    kinds: list[int | None] = [None] * len(records.element_spec)
    blocks = records.blocks()
    try:
        while (block := blocks.read(1 << 62)) is not None:
            texts = [column.decoded().values for column in block.columns]  # type: ignore[union-attr]
            kinds = [widened(kind, values) for kind, values in zip(kinds, texts, strict=True)]
    finally:
        blocks.close()
    dtypes = [STRING if kind is None else KINDS[kind] for kind in kinds]
    return ["" if dtype == STRING else np.zeros(1, dtype) for dtype in dtypes]
