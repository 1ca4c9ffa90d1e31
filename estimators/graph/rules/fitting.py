"""Gradients in the shapes and dtypes of what they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.expr.primitives.shape import reshape
from dataflow.expr.tensor import Tensor
from dataflow.spec import Shape
from estimators.graph.primitives.shapes import reshape_like, sum_to


def fitted(part: Tensor, x: Tensor, others: Sequence[Shape] = ()) -> Tensor | None:
    """Return the gradient of an input, from one of the shape that it was broadcast to.

    Args:
        part: The gradient, in the broadcast shape.
        x: The input.
        others: The shapes that it was broadcast against.
    """
    if x.dtype.kind != "f":
        return None
    summed = part if _was_not_broadcast(part, x, others) else sum_to(part, x)
    return summed if summed.dtype == x.dtype else summed.astype(x.dtype)


def _was_not_broadcast(part: Tensor, x: Tensor, others: Sequence[Shape]) -> bool:
    if part.ndim != x.ndim:
        return False
    for axis in range(-x.ndim, 0):
        if x.shape[axis] is None:
            sizes = {other[axis] for other in others if len(other) >= -axis}
            if not sizes <= {1}:
                return False
        elif x.shape[axis] != part.shape[axis]:
            return False
    return True


def reshaped(part: Tensor, x: Tensor) -> Tensor:
    """Return the gradient with its values in the shape of x."""
    if x.shape == part.shape and None not in x.shape:
        return part
    result: Tensor
    if x.shape.count(None) <= 1 and 0 not in x.shape:
        result = reshape(part, shape=tuple(-1 if n is None else n for n in x.shape))
    else:
        result = reshape_like(part, x)
    return result
