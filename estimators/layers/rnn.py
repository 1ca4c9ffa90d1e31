"""Any recurrent cell, step by step over sequences of a known length; cells of LSTM, GRU, simple RNN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import DataflowError, InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import Structure, assert_same_structure, map_structure
from estimators.graph.primitives.gru import gru_sequence
from estimators.graph.primitives.lstm import lstm_sequence
from estimators.graph.primitives.recurrent import zero_state
from estimators.graph.scope import variable_scope
from estimators.initializers import InitializerArgument
from estimators.layers.base import Layer
from estimators.layers.recurrent import RecurrentWeights, as_lengths, check_sequences, forget_bias

Cell: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]
"""``cell(inputs of a step, states) -> (output, new states)``; with `state_size`, zeros can be its first."""


class RNN(Layer):
    """A cell over sequences, step by step: a graph as long as the sequences.

    What a function or an object uses as `cell` may make variables and layers (in the scope of this
    layer); all steps share them. `LSTM` and `GRU` are faster than their cells, and take sequences of
    unknown length.

    Args:
        cell: ``cell(inputs [batch, features], states) -> (output, new_states)``. States may be a tensor
            or any structure of tuples and dicts of them, new ones of the same structure. Its attribute
            `state_size`, if it has one, is an integer, or a structure of integers: sizes of states that
            start as zeros ``[batch, size]``.
        return_sequences: Whether to return the outputs of all steps, or the last.
        return_state: Whether to return the last states too.
        go_backwards: Whether to read from the last step to the first; outputs are in that order.
        name: Name of the layer.

    >>> from estimators.graph.scope import VariableStore
    >>> def running_sum(inputs, total):
    ...     return total + inputs, total + inputs
    >>> with VariableStore():
    ...     sums = RNN(running_sum, return_sequences=True)(np.ones((2, 3, 1)), initial_state=np.zeros((2, 1)))
    >>> sums.shape
    (2, 3, 1)
    """

    default_name = "rnn"

    def __init__(
        self,
        cell: Cell,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not callable(cell):
            raise SpecError(
                f"a cell must be callable, not {cell!r}", hint="give LSTMCell(units), or a function"
            )
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards
        self._called = False

    def __call__(self, inputs: Any, **settings: Any) -> Any:
        """Apply the cell to sequences ``[batch, time, …]``.

        Args:
            inputs: The number of steps must be known.
            settings: ``initial_state``: default zeros, of the cell's `state_size`. ``sequence_length``:
                integers ``[batch]``; after so many steps a sequence keeps its state and gives zeros.

        Returns:
            The last output, or with `return_sequences` all of them, with time as their second axis; with
            `return_state` a pair of this and the last states.

        Raises:
            SpecError: The number of steps is unknown, or the cell returns other states than it got.
            InvalidArgumentError: There is no `initial_state` and the cell has no `state_size`.
        """
        inputs = as_tensor(inputs)
        check_sequences(type(self).__name__, inputs)
        return super().__call__(inputs, **settings)

    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the output, or outputs, and perhaps states: see `__call__`."""
        return self._apply(inputs, **settings)

    def _apply(self, inputs: Tensor, initial_state: Any = None, sequence_length: Any = None) -> Any:
        time = inputs.shape[1]
        if not time:
            raise SpecError(
                f"RNN takes a known number of steps, at least one, and got {inputs.spec}",
                hint="fix it with padded_batch(..., padded_shapes=...) or reshape, or use LSTM or GRU, "
                "which take any",
            )
        states = self._first(inputs) if initial_state is None else _as_tensors(initial_state)
        lengths = None if sequence_length is None else as_lengths(sequence_length)
        outputs: list[Any] = []
        last: Any = None
        for at in reversed(range(time)) if self.go_backwards else range(time):
            output, new = self._step(inputs[:, at], states)
            live = None if lengths is None else lengths > at
            outputs.append(_where(live, output, None))
            last = _where(live, output, last)
            states = _where(live, new, states)
        result = (
            map_structure(lambda *steps: np.stack(steps, axis=1), *outputs) if self.return_sequences else last
        )
        return (result, states) if self.return_state else result

    def _first(self, inputs: Tensor) -> Structure:
        """Return zeros as the cell wants them."""
        size = getattr(self.cell, "state_size", None)
        if size is None:
            raise InvalidArgumentError(
                "the cell has no state_size, so its first states are not known",
                hint="give initial_state=, or set cell.state_size to the sizes of its states",
            )
        size = tuple(size) if isinstance(size, list) else size
        return map_structure(lambda units: zero_state(inputs, units=int(units)), size)

    def _step(self, inputs: Tensor, states: Structure) -> tuple[Structure, Structure]:
        """Call the cell; the first call makes variables, and others share them."""
        assert self.name is not None
        with variable_scope(self.name, reuse=self._called):
            result = self.cell(inputs, states)
        self._called = True
        if not isinstance(result, tuple) or len(result) != 2:
            raise SpecError(
                f"a cell must return (output, new_states), not {result!r}",
                hint="write: return output, states",
            )
        output, new = _as_tensors(result[0]), _as_tensors(result[1])
        try:
            assert_same_structure(states, new)
        except DataflowError as error:
            raise SpecError(
                f"the cell returns other states than it got: {error}",
                hint="a cell returns (output, new_states), and new_states like its second argument",
            ) from None
        return output, new


def _as_tensors(structure: Any) -> Structure:
    """Return a structure of tensors; a list of states is a tuple of them."""
    return map_structure(as_tensor, tuple(structure) if isinstance(structure, list) else structure)


def _where(live: Tensor | None, new: Structure, old: Structure | None) -> Structure:
    """Return new values where sequences have not ended, else old ones, or zeros."""
    if live is None:
        return new

    def choose(value: Tensor, kept: Any = 0.0) -> Any:
        return np.where(live[(slice(None), *(None,) * (value.ndim - 1))], value, kept)

    return map_structure(choose, new) if old is None else map_structure(choose, new, old)


def rnn(
    cell: Cell, inputs: Any, *, initial_state: Any = None, sequence_length: Any = None, **settings: Any
) -> Any:
    """Make an `RNN` of a cell and apply it; `settings` are those of the class.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     rnn(GRUCell(4), np.zeros((2, 5, 3), np.float32)).shape
    (2, 4)
    """
    return RNN(cell, **settings)(inputs, initial_state=initial_state, sequence_length=sequence_length)


# Cells ---------------------------------------------------------------------------------------------


class _Cell(RecurrentWeights):
    """A layer for one step: ``cell(inputs [batch, features], states) -> (output, new states)``."""

    def __init__(
        self,
        units: int,
        *,
        kernel_initializer: InitializerArgument = "glorot_uniform",
        recurrent_initializer: InitializerArgument = "orthogonal",
        bias_initializer: InitializerArgument = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            name=name,
        )

    @property
    def state_size(self) -> int | tuple[int, ...]:
        """Sizes of the states."""
        return self.units

    def __call__(self, inputs: Any, states: Any = None, **settings: Any) -> Any:
        """Return the output ``[batch, units]`` and new states for the inputs and states of a step."""
        if states is None:
            raise InvalidArgumentError(
                f"{type(self).__name__} needs the states of the step before",
                hint="call cell(inputs, states), or put the cell into RNN(cell)",
            )
        return super().__call__(inputs, states=states, **settings)


class LSTMCell(_Cell):
    """A step of `LSTM`; its states are a pair (hidden, cell).

    Args:
        units: Size of the output and of both states.
        unit_forget_bias: Whether the biases of the forget gates start at 1.
        settings: Initializers and name, as for `LSTM`.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     outputs, (hidden, cell) = RNN(LSTMCell(4), return_state=True)(np.zeros((2, 5, 3), np.float32))
    >>> outputs.shape, cell.shape
    ((2, 4), (2, 4))
    """

    default_name = "lstm_cell"
    gates = 4

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **settings: Any) -> None:
        super().__init__(units, **settings)
        if unit_forget_bias:
            self._bias_initializer = forget_bias(self._bias_initializer)

    @property
    def state_size(self) -> tuple[int, int]:
        """Sizes of hidden state and cell."""
        return self.units, self.units

    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the output and new states."""
        projected = np.matmul(inputs, self.kernel) + self.bias
        _, hidden, cell, *_ = lstm_sequence(
            projected[:, None], self.recurrent_kernel, *settings["states"], backwards=False
        )
        return hidden, (hidden, cell)


class GRUCell(_Cell):
    """A step of `GRU`; its state is a tensor.

    Args:
        units: Size of the output and the state.
        reset_after: As for `GRU`.
        settings: Initializers and name, as for `GRU`.

    >>> GRUCell(4).state_size
    4
    """

    default_name = "gru_cell"
    gates = 3

    def __init__(self, units: int, *, reset_after: bool = True, **settings: Any) -> None:
        super().__init__(units, **settings)
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the output and the new state."""
        bias, rest = (self.bias[0], [self.bias[1]]) if self.reset_after else (self.bias, [])
        projected = np.matmul(inputs, self.kernel) + bias
        _, hidden, *_ = gru_sequence(
            projected[:, None],
            self.recurrent_kernel,
            settings["states"],
            *rest,
            reset_after=self.reset_after,
            backwards=False,
        )
        return hidden, hidden


class SimpleRNNCell(_Cell):
    """``activation(inputs @ kernel + state @ recurrent_kernel + bias)``; its state is its output.

    Args:
        units: Size of the output and the state.
        activation: A function of tensors.
        settings: Initializers and name, as for `LSTM`.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     rnn(SimpleRNNCell(4), np.zeros((2, 5, 3), np.float32), return_sequences=True).shape
    (2, 5, 4)
    """

    default_name = "simple_rnn_cell"

    def __init__(self, units: int, *, activation: Callable[[Any], Any] = np.tanh, **settings: Any) -> None:
        super().__init__(units, **settings)
        self._activation = activation

    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the output, which is the new state too."""
        state = as_tensor(settings["states"])
        sums = np.matmul(inputs, self.kernel) + np.matmul(state, self.recurrent_kernel)
        output = self._activation(sums + self.bias)
        return output, output
