"""LSTM over whole sequences, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.classification import sigmoid
from estimators.graph.primitives.recurrent import (
    blockwise,
    check_batch,
    check_inputs,
    given_slopes,
    kernel_lengths,
    plus_one,
    steps,
)
from estimators.graph.registry import KERNELS, RULES, Kernel, output


def _sigmoid(x: Any) -> Any:
    return sigmoid.compute(0, x)


def _lstm_infer(
    projected: Tensor, recurrent: Tensor, hidden: Tensor, cell: Tensor, *lengths: Tensor, backwards: bool
) -> tuple[TensorSpec, ...]:
    batch, time, units = check_inputs("lstm_sequence", 4, projected, recurrent, (hidden, cell), lengths)
    dtype = projected.dtype
    state, states = TensorSpec((batch, units), dtype), TensorSpec((plus_one(time), batch, units), dtype)
    gates = TensorSpec((time, batch, 4 * units), dtype)
    return TensorSpec((batch, time, units), dtype), state, state, gates, states, states


def _lstm(
    projected: Any, recurrent: Any, hidden: Any, cell: Any, lengths: Any = None, *, backwards: bool
) -> tuple[Any, ...]:
    batch, time, width = projected.shape
    check_batch("lstm_sequence", batch, hidden, cell, *([] if lengths is None else [lengths]))
    units = width // 4
    outputs = np.zeros((batch, time, units), projected.dtype)
    gates = np.empty((time, batch, width), projected.dtype)
    hiddens, cells = np.empty((2, time + 1, batch, units), projected.dtype)
    hiddens[0], cells[0] = hidden, cell
    for step, at, live in steps(batch, time, lengths, backwards):
        sums = np.split(projected[:, at] + np.matmul(hiddens[step], recurrent), 4, axis=1)
        i, f, g, o = _sigmoid(sums[0]), _sigmoid(sums[1]), np.tanh(sums[2]), _sigmoid(sums[3])
        new_cell = f * cells[step] + i * g
        new = o * np.tanh(new_cell)
        gates[step] = np.concatenate([i, f, g, o], axis=1)
        cells[step + 1] = np.where(live, new_cell, cells[step])
        hiddens[step + 1] = np.where(live, new, hiddens[step])
        outputs[:, step] = np.where(live, new, 0)
    return outputs, hiddens[time].copy(), cells[time].copy(), gates, hiddens, cells


def _lstm_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    rng = np.random.default_rng(0)
    arrays = tuple(rng.normal(size=shape) for shape in ((2, 3, 8), (2, 8), (2, 2), (2, 2)))
    floats = tuple(a.astype(np.float32) for a in arrays)
    return [(arrays, {"backwards": False}), ((*floats, np.array([3, 1])), {"backwards": True})]


lstm_sequence = Primitive("lstm_sequence", _lstm_infer, blockwise(_lstm), _lstm_samples)
"""A long short-term memory over sequences.

``i, f, g, o`` are the parts of ``projected[:, t] + h @ recurrent``; ``c = sigmoid(f) c + sigmoid(i)
tanh(g)`` and ``h = sigmoid(o) tanh(c)``. Source: Hochreiter & Schmidhuber, 1997; Gers et al., 2000.

Takes projected ``[batch, time, 4 units]`` (inputs times kernel, plus bias), recurrent ``[units, 4 units]``,
hidden and cell ``[batch, units]``, perhaps lengths ``[batch]``. Returns outputs ``[batch, time, units]``,
last hidden and cell, and for the gradient gates ``[time, batch, 4 units]``, hiddens and cells
``[time + 1, batch, units]``.
"""


def _lstm_gradient_infer(
    recurrent: Tensor, gates: Tensor, hiddens: Tensor, cells: Tensor, *_: Tensor, **__: Any
) -> tuple[TensorSpec, ...]:
    time, batch, width = gates.shape
    state = TensorSpec(hiddens.shape[1:], gates.dtype)
    return TensorSpec((batch, time, width), gates.dtype), recurrent.spec, state, state


def _lstm_gradient(
    recurrent: Any,
    gates: Any,
    hiddens: Any,
    cells: Any,
    *rest: Any,
    given: tuple[bool, ...],
    backwards: bool,
) -> tuple[Any, ...]:
    (d_outputs, d_hidden, d_cell), lengths = given_slopes(rest, given, None)
    time, batch, width = gates.shape
    d_hidden = np.zeros_like(hiddens[0]) if d_hidden is None else d_hidden
    d_cell = np.zeros_like(cells[0]) if d_cell is None else d_cell
    d_projected, d_recurrent = np.empty((batch, time, width), gates.dtype), np.zeros_like(recurrent)
    for step, at, live in reversed([*steps(batch, time, lengths, backwards)]):
        i, f, g, o = np.split(gates[step], 4, axis=1)
        tanh = np.tanh(cells[step + 1])
        slope = d_hidden if d_outputs is None else d_hidden + d_outputs[:, step]
        inner = d_cell + slope * o * (1 - tanh * tanh)
        sums = [
            inner * g * i * (1 - i), inner * cells[step] * f * (1 - f),
            inner * i * (1 - g * g), slope * tanh * o * (1 - o),
        ]  # fmt: skip
        d_sums = np.where(live, np.concatenate(sums, axis=1), 0)
        d_projected[:, at] = d_sums
        d_recurrent += np.matmul(hiddens[step].T, d_sums)
        d_hidden = np.where(live, np.matmul(d_sums, recurrent.T), d_hidden)
        d_cell = np.where(live, inner * f, d_cell)
    return d_projected, d_recurrent, d_hidden, d_cell


def _lstm_gradient_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    samples = []
    for inputs, attributes in _lstm_samples():
        outputs, last, _, *kept = _lstm(*inputs, **attributes)
        slopes = {(True, False, True): (outputs, last), (False, True, False): (last,)}
        samples += [
            ((inputs[1], *kept, *some, *inputs[4:]), {"given": given, **attributes})
            for given, some in slopes.items()
        ]
    return samples


lstm_gradient = Primitive(
    "lstm_gradient", _lstm_gradient_infer, blockwise(_lstm_gradient), _lstm_gradient_samples
)
"""Slopes of projected, recurrent, hidden and cell: from what `lstm_sequence` took and kept, and those slopes
of its outputs, last hidden and last cell that are `given`."""


def _lstm_rule(call: Call, *slopes: Tensor | None) -> Sequence[Tensor | None]:
    recurrent, lengths = call.inputs[1], call.inputs[4:]
    kept = [output(call, i) for i in (3, 4, 5)]
    given = tuple(slope is not None for slope in slopes[:3])
    some = [slope for slope in slopes[:3] if slope is not None]
    parts = lstm_gradient(recurrent, *kept, *some, *lengths, given=given, **call.attributes)
    return (*parts, *(None for _ in lengths))


RULES["lstm_sequence"] = _lstm_rule


def _lstm_run(
    out: tuple[Any, ...],
    scratch: tuple[Any, ...],
    projected: Any,
    recurrent: Any,
    *rest: Any,
    backwards: bool,
) -> None:
    check_batch("lstm_sequence", len(projected), *rest)
    hidden, cell, *lengths = rest
    kernels.recurrent.lstm(
        out, scratch[0], np.ascontiguousarray(projected), recurrent, (hidden, cell),
        kernel_lengths(*lengths), backwards,
    )  # fmt: skip


def _lstm_gradient_run(
    out: tuple[Any, ...],
    scratch: tuple[Any, ...],
    recurrent: Any,
    *rest: Any,
    given: tuple[bool, ...],
    backwards: bool,
) -> None:
    gates, hiddens, cells = (np.ascontiguousarray(value) for value in rest[:3])
    found, lengths = given_slopes(rest[3:], given, np.empty((0, 0, 0), recurrent.dtype))
    d_outputs, d_hidden, d_cell = found
    kernels.recurrent.lstm_gradient(
        out, scratch, recurrent, (gates, hiddens, cells),
        (np.ascontiguousarray(d_outputs), d_hidden, d_cell), kernel_lengths(lengths), backwards,
    )  # fmt: skip


def _lstm_scratch(projected: TensorSpec, recurrent: TensorSpec, *_: Any, **__: Any) -> list[TensorSpec]:
    return [TensorSpec((projected.shape[0], recurrent.shape[0]), projected.dtype)]


def _lstm_gradient_scratch(
    recurrent: TensorSpec, gates: TensorSpec, hiddens: TensorSpec, *_: Any, **__: Any
) -> list[TensorSpec]:
    return [gates, *[TensorSpec(hiddens.shape[1:], gates.dtype)] * 2]


KERNELS["lstm_sequence"] = Kernel(_lstm_run, _lstm_scratch)
KERNELS["lstm_gradient"] = Kernel(_lstm_gradient_run, _lstm_gradient_scratch)
