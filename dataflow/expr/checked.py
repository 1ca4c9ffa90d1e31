"""Calling a primitive from a public function."""

from __future__ import annotations

from typing import Any

from dataflow.expr.tensor import Primitive, Tensor, as_tensor


def checked(primitive: Primitive, *inputs: Any, **attributes: Any) -> Any:
    """Call a primitive; shapes and dtypes of plain values are checked as those of tensors are.

    Raises:
        SpecError: The primitive does not take such inputs.
    """
    if not any(isinstance(value, Tensor) for value in inputs):
        primitive.infer(*map(as_tensor, inputs), **attributes)
    return primitive(*inputs, **attributes)
