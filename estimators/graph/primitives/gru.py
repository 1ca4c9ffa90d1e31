"""GRU over whole sequences, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
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


def _split(rest: Sequence[Any], reset_after: bool) -> tuple[Any, Any]:
    """Return the recurrent bias and the lengths, None where there is none."""
    bias, lengths = rest[:1] if reset_after else (), rest[1:] if reset_after else rest
    return (bias[0] if bias else None), (lengths[0] if lengths else None)


def _gru_infer(
    projected: Tensor, recurrent: Tensor, hidden: Tensor, *rest: Tensor, reset_after: bool, backwards: bool
) -> tuple[TensorSpec, ...]:
    lengths = rest[1:] if reset_after else rest
    batch, time, units = check_inputs("gru_sequence", 3, projected, recurrent, (hidden,), lengths)
    dtype = projected.dtype
    if reset_after and (not rest or rest[0].shape != (3 * units,) or rest[0].dtype != dtype):
        specs = ", ".join(str(tensor.spec) for tensor in rest)
        raise SpecError(
            f"gru_sequence takes a recurrent bias [{3 * units}] of {dtype}, not {specs or 'none'}"
        )
    return (
        TensorSpec((batch, time, units), dtype),
        TensorSpec((batch, units), dtype),
        TensorSpec((time, batch, 3 * units), dtype),
        TensorSpec((plus_one(time), batch, units), dtype),
        TensorSpec((time, batch, units), dtype),
    )


def _gru(
    projected: Any, recurrent: Any, hidden: Any, *rest: Any, reset_after: bool, backwards: bool
) -> tuple[Any, ...]:
    batch, time, width = projected.shape
    bias, lengths = _split(rest, reset_after)
    check_batch("gru_sequence", batch, hidden, *([] if lengths is None else [lengths]))
    units = width // 3
    both = 2 * units
    outputs = np.zeros((batch, time, units), projected.dtype)
    gates = np.empty((time, batch, width), projected.dtype)
    hiddens = np.empty((time + 1, batch, units), projected.dtype)
    inner = np.empty((time, batch, units), projected.dtype)
    hiddens[0] = hidden
    for step, at, live in steps(batch, time, lengths, backwards):
        x, h = projected[:, at], hiddens[step]
        if reset_after:
            sums = np.matmul(h, recurrent) + bias
            update, reset = np.split(sigmoid.compute(0, x[:, :both] + sums[:, :both]), 2, axis=1)
            inner[step] = sums[:, both:]
            candidate = np.tanh(x[:, both:] + reset * inner[step])
        else:
            sums = np.matmul(h, recurrent[:, :both])
            update, reset = np.split(sigmoid.compute(0, x[:, :both] + sums), 2, axis=1)
            inner[step] = reset * h
            candidate = np.tanh(x[:, both:] + np.matmul(inner[step], recurrent[:, both:]))
        new = update * h + (1 - update) * candidate
        gates[step] = np.concatenate([update, reset, candidate], axis=1)
        hiddens[step + 1] = np.where(live, new, h)
        outputs[:, step] = np.where(live, new, 0)
    return outputs, hiddens[time].copy(), gates, hiddens, inner


def _gru_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    rng = np.random.default_rng(0)
    arrays = tuple(rng.normal(size=shape) for shape in ((2, 3, 6), (2, 6), (2, 2), (6,)))
    floats, lengths = tuple(a.astype(np.float32) for a in arrays), np.array([3, 1])
    return [
        (arrays, {"reset_after": True, "backwards": False}),
        ((*floats, lengths), {"reset_after": True, "backwards": True}),
        ((*arrays[:3], lengths), {"reset_after": False, "backwards": False}),
    ]


gru_sequence = Primitive("gru_sequence", _gru_infer, blockwise(_gru), _gru_samples)
"""A gated recurrent unit over sequences.

With ``x = projected[:, t]`` and ``s = h @ recurrent + bias`` in three parts each: ``z = sigmoid(x_0 + s_0)``,
``r = sigmoid(x_1 + s_1)``, candidate ``tanh(x_2 + r s_2)``, and ``h = z h + (1 - z) candidate``. With
``reset_after=False`` there is no bias, and the candidate is ``tanh(x_2 + (r h) @ recurrent_2)``.
Source: Cho et al., 2014; as in Keras.

Takes projected ``[batch, time, 3 units]`` (inputs times kernel, plus bias), recurrent ``[units, 3 units]``,
hidden ``[batch, units]``, with `reset_after` a recurrent bias ``[3 units]``, perhaps lengths ``[batch]``.
Returns outputs ``[batch, time, units]``, the last hidden, and for the gradient gates
``[time, batch, 3 units]``, hiddens ``[time + 1, batch, units]`` and inner ``[time, batch, units]``: ``s_2``,
or ``r h``.
"""


def _gru_gradient_infer(
    recurrent: Tensor, gates: Tensor, hiddens: Tensor, *_: Tensor, **__: Any
) -> tuple[TensorSpec, ...]:
    time, batch, width = gates.shape
    dtype = gates.dtype
    state = TensorSpec(hiddens.shape[1:], dtype)
    return TensorSpec((batch, time, width), dtype), recurrent.spec, state, TensorSpec((width,), dtype)


def _gru_gradient(
    recurrent: Any,
    gates: Any,
    hiddens: Any,
    inner: Any,
    *rest: Any,
    given: tuple[bool, ...],
    reset_after: bool,
    backwards: bool,
) -> tuple[Any, ...]:
    (d_outputs, d_hidden), lengths = given_slopes(rest, given, None)
    time, batch, width = gates.shape
    both = 2 * width // 3
    d_hidden = np.zeros_like(hiddens[0]) if d_hidden is None else d_hidden
    d_projected, d_recurrent = np.empty((batch, time, width), gates.dtype), np.zeros_like(recurrent)
    d_bias = np.zeros(width, gates.dtype)
    for step, at, live in reversed([*steps(batch, time, lengths, backwards)]):
        h, (update, reset, candidate) = hiddens[step], np.split(gates[step], 3, axis=1)
        slope = np.where(live, d_hidden if d_outputs is None else d_hidden + d_outputs[:, step], 0)
        d_candidate = slope * (1 - update) * (1 - candidate * candidate)
        d_update = slope * (h - candidate) * update * (1 - update)
        skipping = slope * update
        if reset_after:
            d_inner, left = d_candidate * reset, d_candidate * inner[step]
        else:
            d_inner = d_candidate
            through = np.matmul(d_candidate, recurrent[:, both:].T)
            left, skipping = through * h, skipping + through * reset
        d_reset = left * reset * (1 - reset)
        d_projected[:, at] = np.concatenate([d_update, d_reset, d_candidate], axis=1)
        d_sums = np.concatenate([d_update, d_reset, d_inner], axis=1)
        last = both if not reset_after else width
        d_recurrent[:, :last] += np.matmul(h.T, d_sums[:, :last])
        d_recurrent[:, last:] += np.matmul(inner[step].T, d_sums[:, last:])
        d_bias += d_sums.sum(axis=0)
        skipping += np.matmul(d_sums[:, :last], recurrent[:, :last].T)
        d_hidden = np.where(live, skipping, d_hidden)
    return d_projected, d_recurrent, d_hidden, d_bias


def _gru_gradient_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    samples: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    for inputs, attributes in _gru_samples():
        outputs, last, *kept = _gru(*inputs, **attributes)
        lengths = inputs[4 if attributes["reset_after"] else 3 :]
        for given, some in {(True, False): (outputs,), (True, True): (outputs, last)}.items():
            samples.append(((inputs[1], *kept, *some, *lengths), {"given": given, **attributes}))
    return samples


gru_gradient = Primitive("gru_gradient", _gru_gradient_infer, blockwise(_gru_gradient), _gru_gradient_samples)
"""Slopes of projected, recurrent, hidden and bias: from what `gru_sequence` took and kept, and those slopes
of its outputs and its last hidden that are `given`."""


def _gru_rule(call: Call, *slopes: Tensor | None) -> Sequence[Tensor | None]:
    biases = 1 if call.attributes["reset_after"] else 0
    recurrent, lengths = call.inputs[1], call.inputs[3 + biases :]
    kept = [output(call, i) for i in (2, 3, 4)]
    given = tuple(slope is not None for slope in slopes[:2])
    some = [slope for slope in slopes[:2] if slope is not None]
    parts = gru_gradient(recurrent, *kept, *some, *lengths, given=given, **call.attributes)
    return (*parts[: 3 + biases], *(None for _ in lengths))


RULES["gru_sequence"] = _gru_rule


def _gru_run(
    out: tuple[Any, ...], scratch: tuple[Any, ...], *values: Any, reset_after: bool, backwards: bool
) -> None:
    if not reset_after:
        _fill(out, _gru(*values, reset_after=reset_after, backwards=backwards))
        return
    projected, recurrent, hidden, bias, *lengths = values
    check_batch("gru_sequence", len(projected), hidden, *lengths)
    kernels.recurrent.gru(
        out, scratch[0], np.ascontiguousarray(projected), recurrent, np.ascontiguousarray(bias), hidden,
        kernel_lengths(*lengths), backwards,
    )  # fmt: skip


def _gru_gradient_run(
    out: tuple[Any, ...], scratch: tuple[Any, ...], recurrent: Any, *rest: Any, **attributes: Any
) -> None:
    if not attributes["reset_after"]:
        _fill(out, _gru_gradient(recurrent, *rest, **attributes))
        return
    gates, hiddens, inner = (np.ascontiguousarray(value) for value in rest[:3])
    missing = np.empty((0, 0, 0), recurrent.dtype)
    (d_outputs, d_hidden), lengths = given_slopes(rest[3:], attributes["given"], missing)
    kernels.recurrent.gru_gradient(
        out, scratch, recurrent, (gates, hiddens, inner), (np.ascontiguousarray(d_outputs), d_hidden),
        kernel_lengths(lengths), attributes["backwards"],
    )  # fmt: skip


def _fill(out: tuple[Any, ...], results: tuple[Any, ...]) -> None:
    """Without `reset_after` a step has two products that wait for each other: plain NumPy does as well."""
    for target, result in zip(out, results, strict=True):
        target[...] = result


def _gru_scratch(projected: TensorSpec, *_: Any, **__: Any) -> list[TensorSpec]:
    return [TensorSpec((projected.shape[0], projected.shape[2]), projected.dtype)]


def _gru_gradient_scratch(
    recurrent: TensorSpec, gates: TensorSpec, hiddens: TensorSpec, *_: Any, **__: Any
) -> list[TensorSpec]:
    return [gates, TensorSpec(hiddens.shape[1:], gates.dtype)]


KERNELS["gru_sequence"] = Kernel(_gru_run, _gru_scratch)
KERNELS["gru_gradient"] = Kernel(_gru_gradient_run, _gru_gradient_scratch)
