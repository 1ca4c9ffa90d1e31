"""Asking the CPU for memory that is needed soon: rows of a large table are nowhere near it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types

from dataflow.kernels.jit import instruction
from estimators.kernels.vectors import CODE, INT32, data_of

AHEAD = 16
"""How many rows before a row is used it is asked for: the time of some cache misses."""
TO_WRITE, KEEP, DATA = INT32(1), INT32(3), INT32(1)
"""What LLVM wants to know of a prefetch: the row is changed, kept in all caches, and is no code."""


def _prefetch(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, INT32, INT32, INT32])
    function = CODE.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    shape = context.make_array(signature.args[0])(context, builder, args[0]).shape
    first = builder.mul(args[1], builder.extract_value(shape, 1))
    row = builder.gep(data_of(context, builder, signature, args)[0], [first])
    builder.call(function, [builder.bitcast(row, byte), TO_WRITE, KEEP, DATA])
    return context.get_dummy_value()


@instruction(_prefetch, types.void, types.Array, types.int64)
def prefetch(table: Any, row: Any) -> None:
    """Say that a row of a contiguous table ``[rows, units]`` will be changed soon.

    Never fails: of a row that is not there nothing is fetched.
    """
