"""Recurrent layers: the whole loop over time is one primitive. Other cells are in `rnn.py`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from estimators import initializers
from estimators.graph.primitives.gru import gru_sequence
from estimators.graph.primitives.lstm import lstm_sequence
from estimators.graph.primitives.recurrent import zero_state
from estimators.graph.variable import Array, Initializer
from estimators.initializers import InitializerArgument
from estimators.layers.base import Layer


class RecurrentWeights(Layer):
    """The variables of recurrent layers and cells, named as in Keras."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        *,
        kernel_initializer: InitializerArgument,
        recurrent_initializer: InitializerArgument,
        bias_initializer: InitializerArgument,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        if isinstance(units, bool) or not isinstance(units, int | np.integer) or units < 1:
            raise InvalidArgumentError(f"units must be a whole number of at least 1, not {units!r}")
        self.units = int(units)
        self._kernel_initializer = initializers.get(kernel_initializer)
        self._recurrent_initializer = initializers.get(recurrent_initializer)
        self._bias_initializer = initializers.get(bias_initializer)

    def build(self, inputs: Any) -> None:
        """Make kernel, recurrent kernel and bias."""
        if inputs.dtype.kind != "f":
            raise SpecError(
                f"{type(self).__name__} takes floating-point numbers, not {inputs.spec}",
                hint="convert them with .astype(np.float32)",
            )
        features, width, dtype = inputs.shape[-1], self.gates * self.units, inputs.dtype
        self.add_variable("kernel", (features, width), dtype=dtype, initializer=self._kernel_initializer)
        self.add_variable(
            "recurrent_kernel", (self.units, width), dtype=dtype, initializer=self._recurrent_initializer
        )
        self.add_variable("bias", self._bias_shape(), dtype=dtype, initializer=self._bias_initializer)

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)


class _Sequence(RecurrentWeights):
    """A layer whose whole loop over time is one primitive."""

    states: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
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
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards

    def __call__(self, inputs: Any, **settings: Any) -> Any:
        """Apply the layer to sequences ``[batch, time, features]``.

        Args:
            inputs: Floating-point numbers; batch and time may be unknown.
            settings: ``initial_state``: ``[batch, units]``, of LSTM a pair of them (hidden, cell); default
                zeros. ``sequence_length``: integers ``[batch]``; after so many steps a sequence keeps its
                state and gives zeros, as in ``dynamic_rnn``.

        Returns:
            The last output ``[batch, units]``, or with `return_sequences` all of them
            ``[batch, time, units]``; with `return_state` a tuple of this and the last states.

        Raises:
            SpecError: Shapes or dtypes do not fit.
        """
        inputs = as_tensor(inputs)
        check_sequences(type(self).__name__, inputs)
        return super().__call__(inputs, **settings)

    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the output, or outputs, and perhaps states: see `__call__`."""
        return self._apply(inputs, **settings)

    def _apply(self, inputs: Tensor, initial_state: Any = None, sequence_length: Any = None) -> Any:
        if initial_state is None:
            initial_state = (zero_state(inputs, units=self.units),) * self.states
        states = initial_state if isinstance(initial_state, tuple | list) else (initial_state,)
        if len(states) != self.states:
            raise SpecError(f"{type(self).__name__} has {self.states} state(s), not {len(states)}")
        lengths = [] if sequence_length is None else [as_lengths(sequence_length)]
        outputs, *last = self._run(inputs, states, lengths, self.go_backwards)
        output = outputs if self.return_sequences else last[0]
        return (output, *last) if self.return_state else output

    @abstractmethod
    def _run(
        self, inputs: Tensor, states: Sequence[Any], lengths: Sequence[Tensor], backwards: bool
    ) -> tuple[Tensor, ...]:
        """Return all outputs and the last states."""


class LSTM(_Sequence):
    """Long short-term memory over sequences, with the equations and gates (i, f, c, o) of Keras.

    Variables: `kernel` ``[features, 4 units]``, `recurrent_kernel` ``[units, 4 units]``, `bias`
    ``[4 units]``. Source: Hochreiter & Schmidhuber, 1997.

    Args:
        units: Size of the state and the output.
        return_sequences: Whether to return the outputs of all steps, or the last.
        return_state: Whether to return the last hidden state and cell too.
        go_backwards: Whether to read from the last step to the first; outputs are in that order.
        kernel_initializer: A name or an initializer.
        recurrent_initializer: A name or an initializer.
        bias_initializer: A name or an initializer.
        unit_forget_bias: Whether the biases of the forget gates start at 1 (Jozefowicz et al., 2015).
        name: Name of the layer.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     layer = LSTM(4, return_sequences=True)
    ...     outputs = layer(np.zeros((2, 5, 3), np.float32))
    >>> outputs.shape, layer.recurrent_kernel
    ((2, 5, 4), Variable('lstm/recurrent_kernel', shape=(4, 16), dtype=float32))
    """

    default_name = "lstm"
    gates, states = 4, 2

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        kernel_initializer: InitializerArgument = "glorot_uniform",
        recurrent_initializer: InitializerArgument = "orthogonal",
        bias_initializer: InitializerArgument = "zeros",
        unit_forget_bias: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            name=name,
        )
        if unit_forget_bias:
            self._bias_initializer = forget_bias(self._bias_initializer)

    def _run(
        self, inputs: Tensor, states: Sequence[Any], lengths: Sequence[Tensor], backwards: bool
    ) -> tuple[Tensor, ...]:
        projected = _projected(inputs, self.kernel) + self.bias
        results = lstm_sequence(projected, self.recurrent_kernel, *states, *lengths, backwards=backwards)
        return tuple(results[:3])


class GRU(_Sequence):
    """Gated recurrent unit over sequences, with the equations and gates (z, r, h) of Keras.

    Variables: `kernel` ``[features, 3 units]``, `recurrent_kernel` ``[units, 3 units]``, `bias`
    ``[2, 3 units]`` (of inputs, of states), or ``[3 units]`` without `reset_after`.
    Source: Cho et al., 2014.

    Args:
        units: Size of the state and the output.
        reset_after: Whether the reset gate acts after the product with the recurrent kernel, as in
            cuDNN and torch, or before, as in the first version of the paper.
        return_sequences: Whether to return the outputs of all steps, or the last.
        return_state: Whether to return the last state too.
        go_backwards: Whether to read from the last step to the first; outputs are in that order.
        kernel_initializer: A name or an initializer.
        recurrent_initializer: A name or an initializer.
        bias_initializer: A name or an initializer.
        name: Name of the layer.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     last, state = GRU(4, return_state=True)(np.zeros((2, 5, 3), np.float32))
    >>> last.shape, state.shape
    ((2, 4), (2, 4))
    """

    default_name = "gru"
    gates = 3

    def __init__(
        self,
        units: int,
        *,
        reset_after: bool = True,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        kernel_initializer: InitializerArgument = "glorot_uniform",
        recurrent_initializer: InitializerArgument = "orthogonal",
        bias_initializer: InitializerArgument = "zeros",
        name: str | None = None,
    ) -> None:
        super().__init__(
            units,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            name=name,
        )
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _run(
        self, inputs: Tensor, states: Sequence[Any], lengths: Sequence[Tensor], backwards: bool
    ) -> tuple[Tensor, ...]:
        bias, recurrent_bias = (self.bias[0], [self.bias[1]]) if self.reset_after else (self.bias, [])
        results = gru_sequence(
            _projected(inputs, self.kernel) + bias,
            self.recurrent_kernel,
            *states,
            *recurrent_bias,
            *lengths,
            reset_after=self.reset_after,
            backwards=backwards,
        )
        return tuple(results[:2])


class SimpleRNN(_Sequence):
    """``tanh(inputs @ kernel + state @ recurrent_kernel + bias)`` over sequences; the output is the state.

    Variables: `kernel` ``[features, units]``, `recurrent_kernel` ``[units, units]``, `bias` ``[units]``.
    Other activations: `RNN` over a `SimpleRNNCell`. Source: Elman, 1990.

    Args:
        units: Size of the state and the output.
        return_sequences: Whether to return the outputs of all steps, or the last.
        return_state: Whether to return the last state too.
        go_backwards: Whether to read from the last step to the first; outputs are in that order.
        kernel_initializer: A name or an initializer.
        recurrent_initializer: A name or an initializer.
        bias_initializer: A name or an initializer.
        name: Name of the layer.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     SimpleRNN(4, return_sequences=True)(np.zeros((2, 5, 3), np.float32)).shape
    (2, 5, 4)
    """

    default_name = "simple_rnn"

    def _run(
        self, inputs: Tensor, states: Sequence[Any], lengths: Sequence[Tensor], backwards: bool
    ) -> tuple[Tensor, ...]:
        """Run a GRU whose update gate is exactly 0 and whose reset gate is exactly 1."""
        sums: Any = _projected(inputs, self.kernel) + self.bias
        closed: Any = np.ones_like(sums) * sums.dtype.type(-1000)
        none: Any = np.zeros_like(self.recurrent_kernel)
        results = gru_sequence(
            np.concatenate([closed, -closed, sums], axis=-1),
            np.concatenate([none, none, self.recurrent_kernel], axis=-1),
            *states,
            *lengths,
            reset_after=False,
            backwards=backwards,
        )
        return tuple(results[:2])


def forget_bias(initializer: Initializer) -> Initializer:
    """Return an initializer that starts the second quarter at 1."""

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        units = shape[0] // 4
        first, last = initializer((units,), dtype, rng), initializer((2 * units,), dtype, rng)
        return np.concatenate([first, np.ones(units, dtype), last])

    return initialize


def _projected(inputs: Tensor, kernel: Tensor) -> Tensor:
    """Return ``[batch, time, width]``, the products of all steps, by one product of matrices if possible."""
    batch, time, features = inputs.shape
    result: Tensor
    if batch is None and time is None:
        result = np.matmul(inputs, kernel)
        return result
    flat = np.matmul(inputs.reshape(-1, features), kernel)
    shape = (-1, time) if time is not None else (batch, -1)
    result = flat.reshape(*shape, kernel.shape[1])
    return result


def as_lengths(sequence_length: Any) -> Tensor:
    """Return lengths as int64 ``[batch]``, or raise `SpecError`."""
    lengths = as_tensor(sequence_length)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise SpecError(f"sequence_length must be integers [batch], not {lengths.spec}")
    return lengths.astype(np.int64)  # type: ignore[no-any-return]


def check_sequences(name: str, inputs: Tensor) -> None:
    """Raise `SpecError` if inputs are no sequences of vectors."""
    if inputs.ndim != 3:
        raise SpecError(
            f"{name} takes sequences [batch, time, features], not {inputs.spec}",
            hint="give one number a step an axis of its own with x[..., None]",
        )


def lstm(
    inputs: Any, units: int, *, initial_state: Any = None, sequence_length: Any = None, **settings: Any
) -> Any:
    """Make an `LSTM` and apply it; `settings` are those of the class.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     lstm(np.zeros((2, 5, 3), np.float32), 4, sequence_length=[5, 2]).shape
    (2, 4)
    """
    return LSTM(units, **settings)(inputs, initial_state=initial_state, sequence_length=sequence_length)


def gru(
    inputs: Any, units: int, *, initial_state: Any = None, sequence_length: Any = None, **settings: Any
) -> Any:
    """Make a `GRU` and apply it; `settings` are those of the class.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     gru(np.zeros((2, 5, 3), np.float32), 4, return_sequences=True).shape
    (2, 5, 4)
    """
    return GRU(units, **settings)(inputs, initial_state=initial_state, sequence_length=sequence_length)


def simple_rnn(
    inputs: Any, units: int, *, initial_state: Any = None, sequence_length: Any = None, **settings: Any
) -> Any:
    """Make a `SimpleRNN` and apply it; `settings` are those of the class.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     simple_rnn(np.zeros((2, 5, 3), np.float32), 4, sequence_length=[5, 2]).shape
    (2, 4)
    """
    return SimpleRNN(units, **settings)(inputs, initial_state=initial_state, sequence_length=sequence_length)
