"""The one place that decides how kernels are compiled.

Numba takes a while to compile, and a program waits for it before its first step. So a kernel goes through
LLVM once, together with the parts that it calls (Numba would compile each of them by itself first); a kernel
from the disk is loaded without what only the compiler needs; and Python's garbage collector, which would find
nothing, pauses meanwhile.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from dataflow.kernels.pausing import no_collection

with no_collection():
    import numba
    import numba.core.typing
    import numba.extending

P = ParamSpec("P")
R = TypeVar("R")

_core: Any = numba.core
_extending: Any = numba.extending
_types: Any = numba.types

ENABLED = os.environ.get("DATAFLOW_JIT", "1") != "0"
"""Set the environment variable ``DATAFLOW_JIT=0`` to run every kernel as plain Python."""
QUICK = (0, 60) <= numba.version_info[:2] <= (0, 68)
"""Whether `compiling` knows this version of Numba; others compile in their own way, which takes longer."""
if QUICK:
    from dataflow.kernels import compiling


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with Numba: no GIL, cached on disk, IEEE division.

    A kernel may call only kernels and parts of its own file: the cache does not see edits in other files.
    """
    if not ENABLED:
        return function
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    if not QUICK:
        return cast("Callable[P, R]", numba.njit(cache=True, **options)(function))
    compiled: Any = numba.njit(pipeline_class=compiling.KernelCompiler, **options)(function)
    compiled._cache = compiling.Cache(function)
    return cast("Callable[P, R]", compiled)


def part(function: Callable[P, R]) -> Callable[P, R]:
    """Compile what only kernels call; it cannot be called from Python."""
    if not ENABLED:
        return function
    options: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    if QUICK:
        options["pipeline_class"] = compiling.PartCompiler
    return cast("Callable[P, R]", numba.njit(**options)(function))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """As `part`, for what takes longer to call than to copy into the kernel."""
    return cast("Callable[P, R]", numba.njit(inline="always")(function)) if ENABLED else function


def instruction(
    code: Callable[..., Any], result: Any, *kinds: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile calls of a function to machine instructions that Numba has no name for.

    Args:
        code: Builds them, as `numba.extending.lower_builtin` describes it. The function is its plain twin.
        result: Numba's type of the result.
        kinds: And of the arguments; ``types.Array`` for arrays of any kind.
    """

    def decorate(plain: Callable[P, R]) -> Callable[P, R]:
        def typed(*given: Any) -> Any:
            pairs = zip(kinds, given, strict=True)
            return _core.typing.signature(
                result, *(own if kind is _types.Array else kind for kind, own in pairs)
            )

        if ENABLED:
            typed.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
            _extending.type_callable(plain)(lambda _context: typed)
            _extending.lower_builtin(plain, *kinds)(code)
        return plain

    return decorate
