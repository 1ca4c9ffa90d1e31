"""Reverse-mode gradients: graphs made from graphs, in the same primitives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import Call, Tensor, as_tensor
from estimators.graph.primitives.tables import RowGradient
from estimators.graph.registry import RULES
from estimators.graph.sparse_gradient import SparseGradient
from estimators.graph.variable import VARIABLE

Gradient: TypeAlias = Tensor | RowGradient


def gradients(loss: Tensor, tensors: Sequence[Tensor]) -> list[Gradient | None]:
    """Return the gradient of a scalar for each tensor, None where there is none.

    There is none where the loss does not depend on the tensor, or only through integers or
    `stop_gradient`. Gradients of variables whose rows are gathered are `SparseGradient`; where such a
    table is used in another way too, they are dense.

    Args:
        loss: A scalar.
        tensors: Variables, or any tensors that the loss is computed from.

    Raises:
        InvalidArgumentError: The loss is no scalar, or something on the way has no gradient.

    >>> from estimators.graph.program import Program
    >>> from estimators.graph.variable import Variable
    >>> weight = Variable("weight", ())
    >>> slope, = gradients((weight - 3.0) ** 2, [weight])
    >>> float(Program([], {"slope": slope}).run([], {"weight": np.float32(5.0)})["slope"])
    4.0
    """
    if loss.dtype.kind != "f":
        raise InvalidArgumentError(f"the loss must be a floating-point number, and is {loss.spec}")
    if loss.shape != ():
        raise InvalidArgumentError(
            f"the loss must be a scalar, and is {loss.spec}", hint="reduce it with .mean() or .sum()"
        )
    order = postorder([loss])
    reaches = _between(order, tensors)
    wanted = {id(tensor.call) for tensor in tensors}
    found: dict[tuple[int, int], Gradient] = {_key(loss): as_tensor(np.ones((), loss.dtype))}
    for call in reversed(order):
        if id(call) not in reaches or not any(id(t.call) in reaches for t in call.inputs):
            continue
        for tensor, part in zip(call.inputs, _parts(call, found, keep=id(call) in wanted), strict=True):
            if part is not None and id(tensor.call) in reaches:
                found[_key(tensor)] = _add(found.get(_key(tensor)), part)
    return [_scalable(found.get(_key(tensor))) for tensor in tensors]


def _scalable(gradient: Gradient | None) -> Gradient | None:
    """Return a gradient as model functions get it."""
    if not isinstance(gradient, RowGradient):
        return gradient
    return SparseGradient(gradient.ids, gradient.values, gradient.table)


def _between(order: Sequence[Call], tensors: Sequence[Tensor]) -> set[int]:
    """Return the calls that are computed from one of the tensors, and the tensors' own."""
    reaches: set[int] = {id(tensor.call) for tensor in tensors}
    for call in order:
        if any(id(t.call) in reaches for t in call.inputs):
            reaches.add(id(call))
    return reaches


def _parts(call: Call, found: dict[tuple[int, int], Gradient], *, keep: bool) -> Sequence[Gradient | None]:
    """Return the gradients that a call passes to its inputs."""
    specs = call.primitive.infer(*call.inputs, **call.attributes)
    specs = specs if isinstance(specs, tuple) else (specs,)
    places = [(id(call), i) for i in range(len(specs))]
    given = [found.get(place) if keep else found.pop(place, None) for place in places]
    nothing = all(g is None or spec.dtype.kind != "f" for g, spec in zip(given, specs, strict=True))
    if call.primitive is VARIABLE or nothing:
        return [None] * len(call.inputs)
    rule = RULES.get(call.primitive.name)
    if rule is None:
        raise InvalidArgumentError(
            f"{call.primitive.name} has no gradient (used at {call.line})",
            hint="use another function, or put stop_gradient around it to train without what is behind it",
        )
    return rule(call, *(g.dense() if isinstance(g, RowGradient) else g for g in given))


def _key(tensor: Tensor) -> tuple[int, int]:
    return id(tensor.call), tensor.output


def _add(total: Gradient | None, part: Gradient) -> Gradient:
    if total is None:
        return part
    if isinstance(total, RowGradient) and isinstance(part, RowGradient):
        return total.joined(part)
    dense = [g.dense() if isinstance(g, RowGradient) else g for g in (total, part)]
    result: Tensor = dense[0] + dense[1]
    return result
