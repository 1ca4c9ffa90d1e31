"""The sources, one file each: node, operator and EXAMPLES, functions that return a node."""

from __future__ import annotations

from types import ModuleType

from dataflow.sources import (
    arrow,
    counter,
    csv,
    csv_table,
    draws,
    fixed_length,
    from_list,
    generator,
    list_files,
    parquet,
    random,
    range,
    saved,
    sql,
    tensors,
    text,
    tfrecord,
)

SOURCES: tuple[ModuleType, ...] = (
    arrow, counter, csv, csv_table, draws, fixed_length, from_list, generator, list_files, parquet, random,
    range, saved, sql, tensors, text, tfrecord,
)  # fmt: skip
