"""Gradient rules of what moves values: shapes, parts, joins, copies and order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.expr.primitives.indexing import gather, index, take_along_axis
from dataflow.expr.primitives.order import argsort
from dataflow.expr.primitives.rearrange import repeat, roll, tile
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Call, Tensor
from estimators.graph.primitives.shapes import (
    add_along,
    add_at,
    part_of,
    put_like,
    reshape_like,
    sum_copies,
    sum_to,
)
from estimators.graph.primitives.tables import RowGradient
from estimators.graph.registry import RULES, output
from estimators.graph.rules.fitting import fitted, reshaped

_ALL, _TURNED = slice(None), slice(None, None, -1)


def _index(call: Call, g: Tensor) -> Sequence[Tensor]:
    x, key = call.inputs[0], call.attributes["key"]
    taken = [part for part in key if part is not None]
    whole = [
        part == _ALL or (isinstance(part, int) and size == 1)
        for part, size in zip(taken, x.shape, strict=False)
    ]
    if all(whole):
        return (reshaped(g, x),)
    if all(part in (_ALL, _TURNED) for part in taken):
        return (index(g, key=tuple(0 if part is None else part for part in key)),)
    return (put_like(g, x, key=key),)


def _stack(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    axis = call.attributes["axis"] % g.ndim
    return [fitted(index(g, key=(*(_ALL,) * axis, i)), x) for i, x in enumerate(call.inputs)]


def _concatenate(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    axis = call.attributes["axis"] % g.ndim
    parts: list[Tensor | None] = []
    start: int | None = 0
    for i, x in enumerate(call.inputs):
        size = x.shape[axis]
        stop = None if start is None or size is None else start + size
        if stop is None:
            part = part_of(g, *call.inputs[: i + 1], axis=axis)
        else:
            part = index(g, key=(*(_ALL,) * axis, slice(start, stop)))
        parts.append(fitted(part, x))
        start = stop
    return parts


def _split(call: Call, *gradients: Tensor | None) -> Sequence[Tensor]:
    given: list[Any] = [np.zeros_like(output(call, i)) if g is None else g for i, g in enumerate(gradients)]
    return (concatenate(*given, axis=call.attributes["axis"]),)


def _pad(call: Call, g: Tensor) -> Sequence[Tensor]:
    return (index(g, key=tuple(slice(a, -b or None) for a, b in call.attributes["widths"])),)


def _roll(call: Call, g: Tensor) -> Sequence[Tensor]:
    return (roll(g, shift=tuple(-s for s in call.attributes["shift"]), axis=call.attributes["axis"]),)


def _gather(call: Call, g: Tensor) -> Sequence[Tensor | RowGradient | None]:
    x, ids = call.inputs
    row = x.shape[1:]
    if call.attributes["axis"] or None in row:
        return add_at(ids, g, x, axis=call.attributes["axis"]), None
    long = ids if ids.dtype == np.int64 else ids.astype(np.int64)
    values = g if ids.ndim == 1 else g.reshape(-1, *row)
    return RowGradient(long.reshape(-1, 1), values, x), None


def _take_along_axis(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    x, ids = call.inputs
    return add_along(ids, g, x, axis=call.attributes["axis"], unique=False), None


def _sort(call: Call, g: Tensor) -> Sequence[Tensor]:
    x, axis = call.inputs[0], call.attributes["axis"]
    return (add_along(argsort(x, axis=axis, stable=True), g, x, axis=axis, unique=True),)


def _top_k(call: Call, values: Tensor | None, positions: Any) -> Sequence[Tensor | None]:
    if values is None:
        return (None,)
    x = call.inputs[0]
    return (add_along(output(call, 1), values, x, axis=x.ndim - 1, unique=True),)


def _sum_copies(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    again = repeat if call.attributes["inner"] else tile
    return again(g, copies=call.attributes["copies"]), None


RULES.update(
    index=_index, stack=_stack, concatenate=_concatenate, split=_split, pad=_pad, roll=_roll,
    gather=_gather, take_along_axis=_take_along_axis, sort=_sort, top_k=_top_k, sum_copies=_sum_copies,
)  # fmt: skip
RULES["reshape"] = lambda call, g: (reshaped(g, call.inputs[0]),)
RULES["tile"] = lambda call, g: (
    sum_copies(g, call.inputs[0], copies=call.attributes["copies"], inner=False),
)
RULES["repeat"] = lambda call, g: (
    sum_copies(g, call.inputs[0], copies=call.attributes["copies"], inner=True),
)
RULES["one_hot"] = lambda call, g: (None,)

# Gradients of gradients ------------------------------------------------------------------------------
RULES["reshape_like"] = lambda call, g: (reshape_like(g, call.inputs[0]), None)
RULES["put_like"] = lambda call, g: (index(g, key=call.attributes["key"]), None)
RULES["add_at"] = lambda call, g: (None, gather(g, call.inputs[0], axis=call.attributes["axis"]), None)
RULES["add_along"] = lambda call, g: (
    None,
    sum_to(take_along_axis(g, call.inputs[0], axis=call.attributes["axis"]), call.inputs[1]),
    None,
)
