"""What hand-written vector code shares: the size of this CPU's registers, and pieces of LLVM."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba.core import cgutils, types


def _register_bytes() -> int:
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # not known of this CPU
        return 16
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


REGISTER_BYTES = _register_bytes()
"""Of one vector register."""

CODE: Any = cgutils
"""Numba's own helpers for LLVM code."""
INT32, INT64 = ir.IntType(32), ir.IntType(64)


def lanes_of(item_bits: int) -> int:
    """Return how many items fill a register."""
    return REGISTER_BYTES * 8 // item_bits


def data_of(context: Any, builder: Any, signature: Any, args: Any) -> dict[int, Any]:
    """Return the address of the first item of each argument that is an array."""
    return {
        i: context.make_array(kind)(context, builder, args[i]).data
        for i, kind in enumerate(signature.args)
        if isinstance(kind, types.Array)
    }


def address(builder: Any, data: Any, offset: Any, vector: Any) -> Any:
    """Return the address of a vector that begins at an item."""
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


def splat(builder: Any, value: Any, vector: Any) -> Any:
    """Return a vector with the value in all lanes."""
    nothing = ir.Constant(vector, ir.Undefined)
    same = ir.Constant(ir.VectorType(INT32, vector.count), None)
    return builder.shuffle_vector(builder.insert_element(nothing, value, INT32(0)), nothing, same)
