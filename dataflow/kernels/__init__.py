"""Hand-written Numba kernels, one file per family.

Importing Numba takes a quarter of a second, so a family is imported when it is first used:
``kernels.shuffle.draw(...)`` imports `dataflow.kernels.shuffle` then.
"""

from __future__ import annotations

import importlib
from types import ModuleType

FAMILIES = (
    "csv", "csv_fields", "csv_numbers", "csv_table", "distinct", "hashing", "loops", "random", "ranges",
    "records", "shuffle", "text",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name in FAMILIES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
