"""LSTM and GRU over whole sequences: the loop over time is inside, so the graph stays small.

Gates and states are as in Keras. What only the gradient needs is returned too, time-major. Where
`lengths` (int64 ``[batch]``) are given, a sequence that has ended keeps its state and gives zeros.
With ``backwards=True`` steps go from the last position to the first, and outputs are in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor, broadcast_shapes
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.classification import sigmoid
from estimators.graph.registry import KERNELS, RULES, Kernel, output

_INT64 = np.dtype(np.int64)


def _blockwise(compute: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Let a function of one element with several results serve a leading axis of elements too."""

    def full(lead: int, *values: Any, **attributes: Any) -> Any:
        if not lead:
            return compute(*values, **attributes)
        results = [compute(*element, **attributes) for element in zip(*values, strict=True)]
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))

    return full


def _steps(batch: int, time: int, lengths: Any, backwards: bool) -> Iterator[tuple[int, int, Any]]:
    """Yield the number of each step, its position in time, and ``[batch, 1]`` what has not ended."""
    for step in range(time):
        at = time - 1 - step if backwards else step
        yield step, at, np.ones((batch, 1), np.bool_) if lengths is None else (at < lengths)[:, None]


def _sigmoid(x: Any) -> Any:
    return sigmoid.compute(0, x)


def _check(name: str, gates: int, projected: Tensor, recurrent: Tensor, *others: Tensor) -> tuple[Any, ...]:
    """Return (batch, time, units) of a sequence, or raise `SpecError`."""
    units = recurrent.shape[0]
    fits = projected.ndim == 3 and recurrent.ndim == 2
    fits = fits and None not in recurrent.shape and recurrent.shape[1] == gates * units  # type: ignore[operator]
    fits = fits and projected.shape[2] in (None, recurrent.shape[1])
    if not fits:
        raise SpecError(
            f"{name} takes [batch, time, {gates} units] and [units, {gates} units], "
            f"not {projected.spec} and {recurrent.spec}"
        )
    if len({t.dtype for t in (projected, recurrent, *others)}) > 1 or projected.dtype.kind != "f":
        specs = ", ".join(str(t.spec) for t in (projected, recurrent, *others))
        raise SpecError(
            f"{name} takes floating-point numbers of one dtype, not {specs}",
            hint="convert inputs with .astype(np.float32)",
        )
    return (*projected.shape[:2], units)


def _check_state(name: str, state: Tensor, batch: int | None, units: int) -> int | None:
    """Return the size of the batch."""
    if state.ndim != 2 or state.shape[1] not in (None, units):
        raise SpecError(f"a state of {name} must be [batch, {units}], not {state.spec}")
    return broadcast_shapes((batch,), state.shape[:1])[0]


def _check_lengths(name: str, lengths: Sequence[Tensor]) -> None:
    if len(lengths) > 1 or any(t.ndim != 1 or t.dtype != _INT64 for t in lengths):
        raise SpecError(f"lengths of {name} must be int64 [batch], not {[t.spec for t in lengths]}")


def _plus_one(size: int | None) -> int | None:
    return None if size is None else size + 1


# LSTM ----------------------------------------------------------------------------------------------


def _lstm_infer(
    projected: Tensor, recurrent: Tensor, hidden: Tensor, cell: Tensor, *lengths: Tensor, backwards: bool
) -> tuple[TensorSpec, ...]:
    batch, time, units = _check("lstm_sequence", 4, projected, recurrent, hidden, cell)
    for state in (hidden, cell):
        batch = _check_state("lstm_sequence", state, batch, units)
    _check_lengths("lstm_sequence", lengths)
    dtype = projected.dtype
    state, states = TensorSpec((batch, units), dtype), TensorSpec((_plus_one(time), batch, units), dtype)
    gates = TensorSpec((time, batch, 4 * units), dtype)
    return TensorSpec((batch, time, units), dtype), state, state, gates, states, states


def _lstm(
    projected: Any, recurrent: Any, hidden: Any, cell: Any, lengths: Any = None, *, backwards: bool
) -> tuple[Any, ...]:
    batch, time, width = projected.shape
    units = width // 4
    outputs = np.zeros((batch, time, units), projected.dtype)
    gates = np.empty((time, batch, width), projected.dtype)
    hiddens, cells = np.empty((2, time + 1, batch, units), projected.dtype)
    hiddens[0], cells[0] = hidden, cell
    for step, at, live in _steps(batch, time, lengths, backwards):
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


lstm_sequence = Primitive("lstm_sequence", _lstm_infer, _blockwise(_lstm), _lstm_samples)
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


def _given(rest: Sequence[Any], given: tuple[bool, ...], missing: Any) -> tuple[list[Any], Any]:
    """Return the slopes of results, and the lengths; `missing` stands for what is not there."""
    slopes = iter(rest)
    found = [next(slopes) if there else missing for there in given]
    return found, next(slopes, None)


def _lstm_gradient(
    recurrent: Any,
    gates: Any,
    hiddens: Any,
    cells: Any,
    *rest: Any,
    given: tuple[bool, ...],
    backwards: bool,
) -> tuple[Any, ...]:
    (d_outputs, d_hidden, d_cell), lengths = _given(rest, given, None)
    time, batch, width = gates.shape
    d_hidden = np.zeros_like(hiddens[0]) if d_hidden is None else d_hidden
    d_cell = np.zeros_like(cells[0]) if d_cell is None else d_cell
    d_projected, d_recurrent = np.empty((batch, time, width), gates.dtype), np.zeros_like(recurrent)
    for step, at, live in reversed([*_steps(batch, time, lengths, backwards)]):
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
    "lstm_gradient", _lstm_gradient_infer, _blockwise(_lstm_gradient), _lstm_gradient_samples
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


def _lengths(lengths: Any) -> Any:
    """Return lengths for kernels, which know their absence by an empty array."""
    return np.empty(0, np.int64) if lengths is None else np.ascontiguousarray(lengths)


def _lstm_run(
    out: tuple[Any, ...], scratch: tuple[Any, ...], projected: Any, recurrent: Any, *rest: Any, backwards: bool
) -> None:
    hidden, cell, *lengths = rest
    kernels.recurrent.lstm(
        out,
        scratch[0],
        np.ascontiguousarray(projected),
        recurrent,
        (hidden, cell),
        _lengths(lengths[0] if lengths else None),
        backwards,
    )


def _lstm_gradient_run(
    out: tuple[Any, ...],
    scratch: tuple[Any, ...],
    recurrent: Any,
    *rest: Any,
    given: tuple[bool, ...],
    backwards: bool,
) -> None:
    kept = tuple(np.ascontiguousarray(value) for value in rest[:3])
    found, lengths = _given(rest[3:], given, np.empty((0, 0, 0), recurrent.dtype))
    found[0] = np.ascontiguousarray(found[0])
    kernels.recurrent.lstm_gradient(out, scratch, recurrent, kept, tuple(found), _lengths(lengths), backwards)


KERNELS["lstm_sequence"] = Kernel(_lstm_run, lambda projected, recurrent, hidden, *_, **__: (hidden,))
KERNELS["lstm_gradient"] = Kernel(
    _lstm_gradient_run,
    lambda recurrent, gates, hiddens, *_, **__: (
        gates,
        *(TensorSpec(hiddens.shape[1:], gates.dtype),) * 2,
    ),
)
