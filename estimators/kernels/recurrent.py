"""LSTM and GRU over whole sequences: BLAS and NumPy's tanh per step, the rest in one pass each.

NumPy's tanh is several times as fast as a scalar one in a loop, so sigmoids are made of it:
sigmoid(x) = (1 + tanh(x / 2)) / 2. Working arrays are time-major, so that all of a step is contiguous.
`lengths` is int64 ``[batch]``, or empty where all sequences are full. `at` is the position in time of a
step: they differ where sequences are read backwards.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel

Array: TypeAlias = npt.NDArray[Any]


@kernel
def _lstm_sums(gates: Array, projected: Array, step: int, at: int) -> None:
    """Add the inputs to the gates' recurrent sums, and halve those that go into a sigmoid."""
    _, batch, width = gates.shape
    units = width // 4
    half = gates.dtype.type(0.5)
    for b in range(batch):
        for k in range(2 * units):
            gates[step, b, k] = half * (gates[step, b, k] + projected[b, at, k])
        for k in range(2 * units, 3 * units):
            gates[step, b, k] += projected[b, at, k]
        for k in range(3 * units, width):
            gates[step, b, k] = half * (gates[step, b, k] + projected[b, at, k])


@kernel
def _lstm_cells(gates: Array, cells: Array, lengths: npt.NDArray[np.int64], step: int, at: int) -> None:
    """Make sigmoids of the tanh of halves, and the new cells."""
    _, batch, units = cells.shape
    half = gates.dtype.type(0.5)
    for b in range(batch):
        live = len(lengths) == 0 or at < lengths[b]
        for k in range(units):
            i = half + half * gates[step, b, k]
            f = half + half * gates[step, b, units + k]
            gates[step, b, k] = i
            gates[step, b, units + k] = f
            gates[step, b, 3 * units + k] = half + half * gates[step, b, 3 * units + k]
            cells[step + 1, b, k] = f * cells[step, b, k] + i * gates[step, b, 2 * units + k]
        if not live:
            for k in range(units):
                cells[step + 1, b, k] = cells[step, b, k]


@kernel
def _lstm_outputs(
    gates: Array,
    squashed: Array,
    hiddens: Array,
    outputs: Array,
    lengths: npt.NDArray[np.int64],
    step: int,
    at: int,
) -> None:
    """Fill the new hidden states, and the outputs of the step."""
    _, batch, units = hiddens.shape
    for b in range(batch):
        if len(lengths) == 0 or at < lengths[b]:
            for k in range(units):
                value = gates[step, b, 3 * units + k] * squashed[b, k]
                hiddens[step + 1, b, k] = value
                outputs[b, step, k] = value
        else:
            for k in range(units):
                hiddens[step + 1, b, k] = hiddens[step, b, k]
                outputs[b, step, k] = 0


def lstm(
    out: tuple[Array, ...],
    squashed: Array,
    projected: Array,
    recurrent: Array,
    state: tuple[Array, Array],
    lengths: npt.NDArray[np.int64],
    backwards: bool,
) -> None:
    """Fill what `lstm_sequence` returns; `squashed` is scratch ``[batch, units]``."""
    outputs, last_hidden, last_cell, gates, hiddens, cells = out
    hiddens[0], cells[0] = state
    time = len(gates)
    for step in range(time):
        at = time - 1 - step if backwards else step
        np.matmul(hiddens[step], recurrent, out=gates[step])
        _lstm_sums(gates, projected, step, at)
        np.tanh(gates[step], out=gates[step])
        _lstm_cells(gates, cells, lengths, step, at)
        np.tanh(cells[step + 1], out=squashed)
        _lstm_outputs(gates, squashed, hiddens, outputs, lengths, step, at)
    last_hidden[...], last_cell[...] = hiddens[time], cells[time]


@kernel
def _lstm_slopes(
    gates: Array,
    cells: Array,
    squashed: Array,
    d_outputs: Array,
    d_hidden: Array,
    d_cell: Array,
    d_gates: Array,
    d_projected: Array,
    lengths: npt.NDArray[np.int64],
    step: int,
    at: int,
) -> None:
    """Fill the slopes of a step's sums; states of ended sequences keep theirs, for the step before."""
    _, batch, units = cells.shape
    one = gates.dtype.type(1.0)
    for b in range(batch):
        if len(lengths) > 0 and at >= lengths[b]:
            d_gates[step, b] = 0
            d_projected[b, at] = 0
            continue
        if len(d_outputs) > 0:
            for k in range(units):
                d_hidden[b, k] += d_outputs[b, step, k]
        for k in range(units):
            i, f = gates[step, b, k], gates[step, b, units + k]
            g, o = gates[step, b, 2 * units + k], gates[step, b, 3 * units + k]
            tanh, slope = squashed[b, k], d_hidden[b, k]
            inner = d_cell[b, k] + slope * o * (one - tanh * tanh)
            d_cell[b, k] = inner * f
            d_hidden[b, k] = 0
            d_gates[step, b, k] = inner * g * i * (one - i)
            d_gates[step, b, units + k] = inner * cells[step, b, k] * f * (one - f)
            d_gates[step, b, 2 * units + k] = inner * i * (one - g * g)
            d_gates[step, b, 3 * units + k] = slope * tanh * o * (one - o)
        for k in range(4 * units):
            d_projected[b, at, k] = d_gates[step, b, k]


def lstm_gradient(
    out: tuple[Array, ...],
    scratch: tuple[Array, ...],
    recurrent: Array,
    kept: tuple[Array, Array, Array],
    given: tuple[Array, Array, Array],
    lengths: npt.NDArray[np.int64],
    backwards: bool,
) -> None:
    """Fill the slopes of `lstm`'s inputs.

    Args:
        out: Of projected, recurrent, first hidden and cell.
        scratch: ``[time, batch, 4 units]``, and twice ``[batch, units]``.
        recurrent: As given to `lstm`.
        kept: Its gates, hiddens and cells.
        given: Slopes of outputs, last hidden and last cell; empty arrays are zeros.
        lengths: As given to `lstm`.
        backwards: As given to `lstm`.
    """
    d_projected, d_recurrent, d_hidden, d_cell = out
    d_gates, squashed, following = scratch
    gates, hiddens, cells = kept
    d_outputs = given[0]
    for slope, last in zip((d_hidden, d_cell), given[1:], strict=True):
        slope[...] = last if last.size else 0
    time = len(gates)
    for step in reversed(range(time)):
        at = time - 1 - step if backwards else step
        np.tanh(cells[step + 1], out=squashed)
        _lstm_slopes(
            gates, cells, squashed, d_outputs, d_hidden, d_cell, d_gates, d_projected, lengths, step, at
        )
        np.matmul(d_gates[step], recurrent.T, out=following)
        d_hidden += following
    _outer(hiddens, d_gates, d_recurrent)


def _outer(hiddens: Array, d_sums: Array, d_recurrent: Array) -> None:
    """Fill the slopes of the recurrent weights: one product over all steps and sequences."""
    time, batch, width = d_sums.shape
    before = hiddens[:time].reshape(time * batch, hiddens.shape[2])
    np.matmul(before.T, d_sums.reshape(time * batch, width), out=d_recurrent)


# GRU -----------------------------------------------------------------------------------------------


@kernel
def _gru_sums(
    sums: Array, bias: Array, projected: Array, gates: Array, inner: Array, step: int, at: int
) -> None:
    """Fill halves of the sums of both sigmoids, and the recurrent part of the candidate."""
    _, batch, units = inner.shape
    half = gates.dtype.type(0.5)
    for b in range(batch):
        for k in range(2 * units):
            gates[step, b, k] = half * (sums[b, k] + bias[k] + projected[b, at, k])
        for k in range(units):
            inner[step, b, k] = sums[b, 2 * units + k] + bias[2 * units + k]


@kernel
def _gru_candidates(projected: Array, gates: Array, inner: Array, step: int, at: int) -> None:
    """Make sigmoids of the tanh of halves, and the sums of the candidates."""
    _, batch, units = inner.shape
    half = gates.dtype.type(0.5)
    for b in range(batch):
        for k in range(2 * units):
            gates[step, b, k] = half + half * gates[step, b, k]
        for k in range(units):
            reset = gates[step, b, units + k]
            gates[step, b, 2 * units + k] = projected[b, at, 2 * units + k] + reset * inner[step, b, k]


@kernel
def _gru_outputs(
    gates: Array, hiddens: Array, outputs: Array, lengths: npt.NDArray[np.int64], step: int, at: int
) -> None:
    """Fill the new hidden states, and the outputs of the step."""
    _, batch, units = hiddens.shape
    one = gates.dtype.type(1.0)
    for b in range(batch):
        if len(lengths) == 0 or at < lengths[b]:
            for k in range(units):
                z = gates[step, b, k]
                value = z * hiddens[step, b, k] + (one - z) * gates[step, b, 2 * units + k]
                hiddens[step + 1, b, k] = value
                outputs[b, step, k] = value
        else:
            for k in range(units):
                hiddens[step + 1, b, k] = hiddens[step, b, k]
                outputs[b, step, k] = 0


def gru(
    out: tuple[Array, ...],
    sums: Array,
    projected: Array,
    recurrent: Array,
    bias: Array,
    state: Array,
    lengths: npt.NDArray[np.int64],
    backwards: bool,
) -> None:
    """Fill what `gru_sequence` returns; `sums` is scratch ``[batch, 3 units]``."""
    outputs, last_hidden, gates, hiddens, inner = out
    hiddens[0] = state
    time, both = len(gates), 2 * hiddens.shape[2]
    for step in range(time):
        at = time - 1 - step if backwards else step
        np.matmul(hiddens[step], recurrent, out=sums)
        _gru_sums(sums, bias, projected, gates, inner, step, at)
        np.tanh(gates[step, :, :both], out=gates[step, :, :both])
        _gru_candidates(projected, gates, inner, step, at)
        np.tanh(gates[step, :, both:], out=gates[step, :, both:])
        _gru_outputs(gates, hiddens, outputs, lengths, step, at)
    last_hidden[...] = hiddens[time]


@kernel
def _gru_slopes(
    gates: Array,
    inner: Array,
    hiddens: Array,
    d_outputs: Array,
    d_hidden: Array,
    d_sums: Array,
    d_projected: Array,
    lengths: npt.NDArray[np.int64],
    step: int,
    at: int,
) -> None:
    """Fill the slopes of a step's sums; `d_hidden` becomes the part that skips them."""
    _, batch, units = inner.shape
    one = gates.dtype.type(1.0)
    for b in range(batch):
        if len(lengths) > 0 and at >= lengths[b]:
            d_sums[step, b] = 0
            d_projected[b, at] = 0
            continue
        if len(d_outputs) > 0:
            for k in range(units):
                d_hidden[b, k] += d_outputs[b, step, k]
        for k in range(units):
            z, r = gates[step, b, k], gates[step, b, units + k]
            candidate, slope = gates[step, b, 2 * units + k], d_hidden[b, k]
            d_candidate = slope * (one - z) * (one - candidate * candidate)
            d_update = slope * (hiddens[step, b, k] - candidate) * z * (one - z)
            d_reset = d_candidate * inner[step, b, k] * r * (one - r)
            d_sums[step, b, k] = d_update
            d_projected[b, at, k] = d_update
            d_sums[step, b, units + k] = d_reset
            d_projected[b, at, units + k] = d_reset
            d_sums[step, b, 2 * units + k] = d_candidate * r
            d_projected[b, at, 2 * units + k] = d_candidate
            d_hidden[b, k] = slope * z


def gru_gradient(
    out: tuple[Array, ...],
    scratch: tuple[Array, ...],
    recurrent: Array,
    kept: tuple[Array, Array, Array],
    given: tuple[Array, Array],
    lengths: npt.NDArray[np.int64],
    backwards: bool,
) -> None:
    """Fill the slopes of `gru`'s inputs.

    Args:
        out: Of projected, recurrent, first hidden and bias.
        scratch: ``[time, batch, 3 units]`` and ``[batch, units]``.
        recurrent: As given to `gru`.
        kept: Its gates, hiddens and inner.
        given: Slopes of outputs and last hidden; empty arrays are zeros.
        lengths: As given to `gru`.
        backwards: As given to `gru`.
    """
    d_projected, d_recurrent, d_hidden, d_bias = out
    d_sums, following = scratch
    gates, hiddens, inner = kept
    d_hidden[...] = given[1] if given[1].size else 0
    time = len(gates)
    for step in reversed(range(time)):
        at = time - 1 - step if backwards else step
        _gru_slopes(gates, inner, hiddens, given[0], d_hidden, d_sums, d_projected, lengths, step, at)
        np.matmul(d_sums[step], recurrent.T, out=following)
        d_hidden += following
    _outer(hiddens, d_sums, d_recurrent)
    np.sum(d_sums, axis=(0, 1), out=d_bias)
