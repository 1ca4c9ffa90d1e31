"""The one place that decides how kernels are compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

ENABLED = os.environ.get("DATAFLOW_JIT", "1") != "0"
"""Set the environment variable ``DATAFLOW_JIT=0`` to run every kernel as plain Python."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with Numba: no GIL, cached on disk, IEEE division.

    A kernel may call only kernels of its own file: the cache does not see edits in other files.
    """
    if not ENABLED:
        return function
    return cast("Callable[P, R]", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
