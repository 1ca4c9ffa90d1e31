"""Compiling and loading kernels in less time than Numba takes by itself: `docs/decisions/0014`.

This uses parts of Numba that may change, so `jit` turns to it only with versions that are known.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

import numba.core.caching
import numba.core.codegen
import numba.core.compiler
import numba.core.runtime

from dataflow.kernels.pausing import no_collection

R = TypeVar("R")
_core: Any = numba.core


def _call(function: Callable[..., R], *args: Any) -> R:
    return function(*args)


# CPython takes memory for frames from the system, 16 KiB at a time, and gives each piece back at once. What
# is called in a loop just beyond such a piece costs two system calls, and the compiler makes 100,000 of them.
# A call that asks for a large frame gets a large piece, which has room for all the frames above it.
_roomy_call = FunctionType(_call.__code__.replace(co_stacksize=1 << 15), globals())


class _Library(_core.codegen.JITCodeLibrary):  # type: ignore[misc]
    """The LLVM code of a kernel, which is optimized once: in Numba's way it is three times."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        made = self._codegen._module_pass_manager()
        passes, *builder = made if isinstance(made, tuple) else (made,)
        passes.run(self._final_module, *builder)


class _NoEnvironment:
    """In place of what makes machine code; parts have no Python objects to be told of."""

    @staticmethod
    def set_env(env_name: str, env: object) -> None:
        """Do nothing."""


class _PartLibrary(_Library):
    """The LLVM code of a part, which becomes machine code only within the kernels that call it."""

    @property
    def codegen(self) -> type[_NoEnvironment]:
        return _NoEnvironment

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0


class KernelCompiler(_core.compiler.Compiler):  # type: ignore[misc]
    """Numba's compiler, with a library of its own, without collections, and with room for its frames."""

    library = _Library

    def __init__(self, *args: Any) -> None:
        with no_collection():  # the first one imports much of Numba
            super().__init__(*args)

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile a function."""
        with no_collection():
            return _roomy_call(super().compile_extra, func)

    def define_pipelines(self) -> list[Any]:
        """Return the passes; this is where the library can be chosen."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return cast("list[Any]", super().define_pipelines())


class PartCompiler(KernelCompiler):
    """As that of kernels, for parts."""

    library = _PartLibrary


class Cache(_core.caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache on the disk; but to load a kernel it does not import all that Numba knows of NumPy."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return a compiled kernel, or None."""
        with no_collection(), self._guard_against_spurious_io_errors():
            _core.runtime.rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
