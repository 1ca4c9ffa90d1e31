"""Reverse-mode gradients: graphs made from graphs, in the same primitives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import Call, Tensor, as_tensor
from estimators.graph.primitives import unique_rows
from estimators.graph.variable import VARIABLE, Variable

Rule: TypeAlias = Callable[[Call, Tensor], "Sequence[Tensor | RowGradient | None]"]
"""From a call and the gradient of its result to the gradients of its inputs; None: no gradient."""

RULES: dict[str, Rule] = {}
"""Rule by the primitive's name; `estimators.graph.rules` fills it."""


@dataclasses.dataclass(frozen=True, eq=False)
class RowGradient:
    """A gradient that is zero but in some rows of a table.

    Row ``ids[b, j]`` of the table has ``values[b]`` added to its gradient; -1 adds nothing.
    """

    ids: Tensor
    values: Tensor

    def summed(self) -> tuple[Tensor, Tensor]:
        """Return (different rows, gradient of each)."""
        rows, sums = unique_rows(self.ids, self.values)
        return rows, sums


Gradient: TypeAlias = Tensor | RowGradient


def gradients(loss: Tensor, variables: Sequence[Variable]) -> list[Gradient | None]:
    """Return the gradient of a scalar for each variable, None where it does not depend on it.

    Raises:
        InvalidArgumentError: The loss is no scalar, or something on the way has no gradient.

    >>> from estimators.graph.program import Program
    >>> weight = Variable("weight", ())
    >>> slope, = gradients((weight.tensor - 3.0) ** 2, [weight])
    >>> float(Program([], {"slope": slope}).run([], {"weight": np.float32(5.0)})["slope"])
    4.0
    """
    if loss.dtype.kind != "f":
        raise InvalidArgumentError(f"the loss must be a floating-point number, and is {loss.spec}")
    if loss.shape != ():
        raise InvalidArgumentError(
            f"the loss must be a scalar, and is {loss.spec}", hint="reduce it with .mean() or .sum()"
        )
    wanted = {id(variable.tensor.call) for variable in variables}
    order = postorder([loss])
    reaches: set[int] = set()
    for call in order:
        if id(call) in wanted or any(id(t.call) in reaches for t in call.inputs):
            reaches.add(id(call))
    found: dict[int, Gradient] = {id(loss.call): as_tensor(np.ones((), loss.dtype))}
    for call in reversed(order):
        gradient = found.get(id(call))
        if gradient is None or id(call) not in reaches or call.primitive is VARIABLE:
            continue
        if isinstance(gradient, RowGradient):
            raise SpecError(
                f"{call.primitive.name} cannot pass a sparse gradient on", hint="gather from a variable"
            )
        rule = RULES.get(call.primitive.name)
        if rule is None:
            raise InvalidArgumentError(
                f"{call.primitive.name} has no gradient (used at {call.line})",
                hint="use another function, or do not train what is behind it",
            )
        for tensor, part in zip(call.inputs, rule(call, gradient), strict=True):
            if part is not None and id(tensor.call) in reaches:
                found[id(tensor.call)] = _add(found.get(id(tensor.call)), part)
    return [found.get(id(variable.tensor.call)) for variable in variables]


def _add(total: Gradient | None, part: Gradient) -> Gradient:
    if total is None:
        return part
    if isinstance(total, RowGradient) or isinstance(part, RowGradient):
        raise SpecError("a table is used twice with sparse gradients", hint="gather once, with joined ids")
    result: Tensor = total + part
    return result
