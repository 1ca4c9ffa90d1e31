"""Layers of plain networks: dense, dropout, flatten, embedding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators import initializers
from estimators.functions.embedding import embedding_lookup
from estimators.functions.named import Activation, get_activation
from estimators.functions.noise import dropout as drop
from estimators.graph.variable import Initializer
from estimators.layers.base import Layer

Regularizer = Callable[[Tensor], Tensor] | None


def known_last(inputs: Tensor, what: str) -> int:
    """Return the size of the last axis; raise `SpecError` if there is none, or it is unknown, or text."""
    if not is_text(inputs.dtype) and inputs.ndim >= 2 and inputs.shape[-1] is not None:
        return inputs.shape[-1]
    if is_text(inputs.dtype):
        hint = (
            "text becomes numbers with .astype(np.float32), if it holds numbers; words become ids with "
            "dataflow.text.to_hash_bucket_fast, or a feature column with a vocabulary, and then an embedding"
        )
    elif inputs.ndim < 2:
        hint = "one number for each example becomes a column with x[:, None]; batch data that is not batched"
    else:
        hint = "give each element a known shape (reshape in map)"
    raise SpecError(
        f"{what} takes numbers [batch, …, features] with a known number of features, not {inputs.spec}",
        hint=hint,
    )


def as_floats(inputs: Tensor) -> Tensor:
    """Return numbers as they are if they are floating-point, else as float32."""
    result: Tensor = inputs if inputs.dtype.kind == "f" else inputs.astype(np.float32)
    return result


class Dense(Layer):
    """activation(x @ kernel + bias), for ``[batch, …, features]``; result ``[batch, …, units]``.

    Args:
        units: Size of the result's last axis.
        activation: A function of a tensor, its name in `estimators.nn`, or None.
        use_bias: Whether to add `bias`.
        kernel_initializer: Of `kernel`, ``[features, units]``; a name or a function.
        bias_initializer: Of `bias`, ``[units]``.
        kernel_regularizer: Of `kernel`.
        bias_regularizer: Of `bias`.
        trainable: Whether optimizers change the variables.
        name: Default "dense".

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore() as store:
    ...     Dense(3, activation="relu")(np.ones((4, 2), np.float32)).shape, sorted(store.variables)
    ((4, 3), ['dense/bias', 'dense/kernel'])
    """

    default_name = "dense"

    def __init__(
        self,
        units: int,
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        *,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if units < 1:
            raise InvalidArgumentError(f"units must be at least 1, not {units}")
        self.units, self.use_bias, self.trainable = units, use_bias, trainable
        self.activation = get_activation(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer

    def build(self, inputs: Tensor) -> None:
        """Make `kernel` and `bias`."""
        settings = {"trainable": self.trainable, "dtype": as_floats(inputs).dtype}
        self.add_variable(
            "kernel",
            (known_last(inputs, "dense"), self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            **settings,
        )
        if self.use_bias:
            self.add_variable(
                "bias",
                (self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                **settings,
            )

    def apply(self, inputs: Tensor, **settings: Any) -> Tensor:
        """Return activation(x @ kernel + bias)."""
        result: Tensor = np.matmul(as_floats(inputs), self.kernel)
        if self.use_bias:
            result = result + self.bias
        return self.activation(result)


def dense(inputs: Any, units: int, activation: Activation = None, **settings: Any) -> Tensor:
    """Make a `Dense` layer and apply it; `settings` are its other arguments.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     dense(np.ones((4, 2), np.float32), 3).shape
    (4, 3)
    """
    result: Tensor = Dense(units, activation, **settings)(inputs)
    return result


def dropout(inputs: Tensor, rate: float = 0.5, training: bool = False, seed: int | None = None) -> Tensor:
    """Set a share of the values to 0 in training, and scale the others by 1 / (1 - rate).

    Args:
        inputs: Floating-point numbers.
        rate: Share of zeros, at least 0 and below 1.
        training: Usually ``mode == ModeKeys.TRAIN``; otherwise the inputs are returned as they are.
        seed: Of the zeros; default one by the place in the model.

    >>> dropout(np.ones(3, np.float32)).tolist()
    [1.0, 1.0, 1.0]
    """
    if not 0 <= rate < 1:
        raise InvalidArgumentError(f"rate must be at least 0 and below 1, not {rate}")
    return drop(inputs, rate, seed=seed) if training else inputs


def flatten(inputs: Tensor) -> Tensor:
    """Return ``[batch, everything else]``.

    >>> flatten(np.ones((2, 3, 4))).shape
    (2, 12)
    """
    sizes = inputs.shape[1:]
    if None in sizes:
        raise SpecError(f"flatten needs known sizes behind the batch's, not {inputs.shape}")
    result: Tensor = inputs.reshape(-1, math.prod(sizes))  # type: ignore[arg-type]
    return result


class Embedding(Layer):
    """Rows of a table by id: int ids of any shape become ``[*ids, output_dim]``.

    Gradients concern the rows of the batch alone.

    Args:
        input_dim: Rows; ids are 0 to input_dim - 1.
        output_dim: Size of a row.
        embeddings_initializer: Of `embeddings`, ``[input_dim, output_dim]``.
        embeddings_regularizer: Of `embeddings`; makes the gradient dense.
        dtype: Of `embeddings`.
        name: Default "embedding".

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     Embedding(10, 4)(np.array([[1, 2], [3, 9]])).shape
    (2, 2, 4)
    """

    default_name = "embedding"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: str | Initializer = "uniform",
        embeddings_regularizer: Regularizer = None,
        *,
        dtype: npt.DTypeLike = np.float32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.input_dim, self.output_dim, self.dtype = input_dim, output_dim, dtype
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = embeddings_regularizer

    def build(self, inputs: Tensor) -> None:
        """Make `embeddings`."""
        self.add_variable(
            "embeddings",
            (self.input_dim, self.output_dim),
            dtype=self.dtype,
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
        )

    def apply(self, inputs: Tensor, **settings: Any) -> Tensor:
        """Return the rows."""
        if inputs.dtype.kind not in "iu":
            raise SpecError(f"embedding takes integer ids, not {inputs.spec}")
        rows: Tensor = embedding_lookup(self.embeddings, inputs)
        return rows


def embedding(inputs: Any, input_dim: int, output_dim: int, **settings: Any) -> Tensor:
    """Make an `Embedding` layer and apply it; `settings` are its other arguments.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     embedding(np.array([3, 9]), 10, 4).shape
    (2, 4)
    """
    result: Tensor = Embedding(input_dim, output_dim, **settings)(inputs)
    return result
