"""The network of deep models: feature columns, hidden layers, logits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators import layers, summary
from estimators.feature_column.base import FeatureColumn, Features
from estimators.feature_column.layers import input_layer
from estimators.functions.named import Activation, get_activation
from estimators.graph.scope import variable_scope

BATCH_NORM_MOMENTUM = 0.999


@dataclasses.dataclass(frozen=True)
class Network:
    """Settings of a fully connected network.

    Args:
        hidden_units: Units of each hidden layer; an empty list: none.
        activation_fn: Of hidden layers: a function of a tensor, its name in `estimators.nn`, or None.
        dropout: Share of the values of each hidden layer that are set to 0 in training, or None.
        batch_norm: Whether each hidden layer is normalized over the batch, after dropout.

    Raises:
        InvalidArgumentError: A number is out of its range, or there is no such activation.
        SpecError: The activation is something else.
    """

    hidden_units: Sequence[int]
    activation_fn: Activation = "relu"
    dropout: float | None = None
    batch_norm: bool = False

    def __post_init__(self) -> None:
        given: Any = self.hidden_units
        units = list(given) if isinstance(given, list | tuple | np.ndarray) else None
        if units is None or any(
            isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in units
        ):
            raise InvalidArgumentError(
                f"hidden_units must be a list of integers of at least 1, not {given!r}", hint="[64, 32], say"
            )
        object.__setattr__(self, "hidden_units", tuple(int(n) for n in units))
        get_activation(self.activation_fn)
        drop: Any = self.dropout
        if drop is not None and (
            isinstance(drop, bool) or not isinstance(drop, int | float) or not 0 <= drop < 1
        ):
            raise InvalidArgumentError(f"dropout must be at least 0 and below 1, or None, not {drop!r}")

    def logits(
        self, features: Features, columns: Sequence[FeatureColumn], units: int, *, training: bool
    ) -> Tensor:
        """Return the logits of a deep part, ``[batch, units]``; its variables are ``dnn/...``."""
        with variable_scope("dnn"):
            with variable_scope("input_from_feature_columns"):
                net = input_layer(features, columns)
            for i, size in enumerate(self.hidden_units):
                net = self._hidden(net, i, size, training)
            logits = layers.dense(net, units, name="logits")
            activation_summaries("logits", logits)
        return logits

    def _hidden(self, net: Tensor, i: int, size: int, training: bool) -> Tensor:
        name = f"hiddenlayer_{i}"
        net = layers.dense(net, size, self.activation_fn, name=name)
        with variable_scope(name):
            if self.dropout:
                net = layers.dropout(net, self.dropout, training=training)
            if self.batch_norm:
                net = layers.batch_normalization(
                    net, training, momentum=BATCH_NORM_MOMENTUM, name=f"batchnorm_{i}"
                )
        activation_summaries(name, net)
        return net


def activation_summaries(name: str, value: Tensor) -> None:
    """Show the share of zeros of a layer's output, and its histogram, with tf.estimator's tags."""
    summary.scalar(f"{name}/fraction_of_zero_values", zero_fraction(value))
    summary.histogram(f"{name}/activation", value)


def zero_fraction(value: Tensor) -> Tensor:
    """Return the share of numbers that are 0, a float32 scalar."""
    result: Any = np.equal(value, 0).astype(np.float32).mean()
    return result  # type: ignore[no-any-return]
