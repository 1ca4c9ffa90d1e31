"""Numba kernels of the hot steps, imported when first used."""

from __future__ import annotations

import importlib
from types import ModuleType

FAMILIES = (
    "activations", "classification", "columns", "convolution", "elementwise", "layer_norm",
    "normalization", "pooling", "recurrent", "sparse", "updates",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    if name in FAMILIES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
