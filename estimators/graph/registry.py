"""What is known of primitives beside their records: gradient rules, and kernels of programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dataflow.expr.tensor import Call, Tensor

if TYPE_CHECKING:
    from estimators.graph.primitives.tables import RowGradient

Rule: TypeAlias = "Callable[..., Sequence[Tensor | RowGradient | None]]"
"""``rule(call, *gradients)``: from the gradients of a call's results to those of its inputs.

There is one gradient per result; it is None for a result that the loss does not depend on (never for a
call of one result). The rule returns one part per input, None where there is no gradient. Parts that
nobody needs are not computed: they are only symbolic.
"""

RULES: dict[str, Rule] = {}
"""Rule by the primitive's name."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """How a program computes a primitive into arrays that it keeps from batch to batch.

    The primitive's own `compute` is the reference, in plain NumPy; a kernel gives the same values.

    Attributes:
        run: ``run(out, scratch, *values, **attributes)`` fills the arrays of the tuple `out`, one per
            result, C-contiguous, with undefined content. Values are arrays of any layout.
        scratch: ``scratch(*specs, **attributes)`` gets the `TensorSpec` of each input, with all sizes
            known, and returns the specs of working arrays, which are kept too.
        in_place: Each result may share memory with any input of its shape: every position is read
            before it is written, and positions do not depend on each other.
    """

    run: Callable[..., None]
    scratch: Callable[..., Sequence[Any]] | None = None
    in_place: bool = False


KERNELS: dict[str, Kernel] = {}
"""Kernel by the primitive's name."""

FRESH: dict[str, Callable[..., Any]] = {}
"""By the primitive's name, ``fresh(*values, **attributes)``: a fast form of `compute` that returns new
arrays, for results whose sizes depend on values."""

ROW_STEPS: dict[str, Callable[[Mapping[str, Any]], Callable[..., None] | None]] = {}
"""By the name of an optimizer's step: for its attributes, a function that changes rows of tables in place,
``fill(tables, rows, gradient, *scalars, **attributes)``, or None if there is none."""


def output(call: Call, index: int = 0) -> Tensor:
    """Return a result of a call as a tensor."""
    specs = call.primitive.infer(*call.inputs, **call.attributes)
    return Tensor(call, specs[index] if isinstance(specs, tuple) else specs, index)
