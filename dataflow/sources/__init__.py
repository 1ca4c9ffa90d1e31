"""The sources, one file each: node, operator and EXAMPLES, functions that return a node."""

from __future__ import annotations

from types import ModuleType

from dataflow.sources import (
    counter,
    csv,
    draws,
    from_list,
    generator,
    list_files,
    parquet,
    random,
    range,
    tensors,
    text,
)

SOURCES: tuple[ModuleType, ...] = (
    counter, csv, draws, from_list, generator, list_files, parquet, random, range, tensors, text,
)  # fmt: skip
