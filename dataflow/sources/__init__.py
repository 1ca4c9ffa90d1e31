"""The sources, one file each: node, operator and EXAMPLES, functions that return a node."""

from __future__ import annotations

from types import ModuleType

from dataflow.sources import csv, generator, list_files, parquet, range, tensors, text

SOURCES: tuple[ModuleType, ...] = (csv, generator, list_files, parquet, range, tensors, text)
