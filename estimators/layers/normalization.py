"""Layers that normalize: over the batch, or over each example."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators import initializers
from estimators.graph.primitives.layer_norm import layer_norm as layer_norm_primitive
from estimators.graph.primitives.normalization import batch_norm, batch_norm_inference, moments
from estimators.graph.primitives.shapes import size_of
from estimators.graph.updates import Update, with_updates
from estimators.graph.variable import Initializer, Variable
from estimators.layers.base import Layer
from estimators.layers.core import as_floats, known_last


class BatchNormalization(Layer):
    """Normalize each channel over the batch, and scale it: (x - mean) / √(variance + ε) · gamma + beta.

    In training mean and variance are those of the batch, and moving averages of them are kept:
    ``moving = moving · momentum + new · (1 - momentum)``. They are updated by every train op whose loss
    depends on the result, without further ado. Otherwise the moving averages are used. For images
    ``[batch, height, width, channels]`` the average is of the unbiased variance, as in tf.

    Source: Ioffe and Szegedy, 2015.

    Args:
        momentum: Of the moving averages.
        epsilon: Added to the variance.
        center: Whether there is `beta`.
        scale: Whether there is `gamma`.
        beta_initializer: Of `beta`, ``[channels]``.
        gamma_initializer: Of `gamma`.
        moving_mean_initializer: Of `moving_mean`, not trainable.
        moving_variance_initializer: Of `moving_variance`, not trainable.
        name: Default "batch_normalization".

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore() as store:
    ...     layer = BatchNormalization()
    ...     layer(np.ones((4, 2), np.float32), training=True).shape
    (4, 2)
    >>> sorted(store.variables)[-2:]
    ['batch_normalization/moving_mean', 'batch_normalization/moving_variance']
    """

    default_name = "batch_normalization"

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        moving_mean_initializer: str | Initializer = "zeros",
        moving_variance_initializer: str | Initializer = "ones",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not 0 <= momentum <= 1:
            raise InvalidArgumentError(f"momentum must be between 0 and 1, not {momentum}")
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self._initializers = {
            "beta": initializers.get(beta_initializer),
            "gamma": initializers.get(gamma_initializer),
            "moving_mean": initializers.get(moving_mean_initializer),
            "moving_variance": initializers.get(moving_variance_initializer),
        }

    def build(self, inputs: Tensor) -> None:
        """Make the variables."""
        shape, dtype = (known_last(inputs, "batch_normalization"),), as_floats(inputs).dtype
        trained = {"gamma": self.scale, "beta": self.center}
        for name, first in self._initializers.items():
            if trained.get(name, True):
                self.add_variable(name, shape, dtype=dtype, initializer=first, trainable=name in trained)

    def apply(self, inputs: Tensor, *, training: bool = False, **settings: Any) -> Tensor:
        """Return the normalized values, of the shape of the inputs."""
        x = as_floats(inputs)
        channels, kind = self.moving_mean.sizes, x.dtype.type
        gamma = self.gamma if self.scale else np.ones(channels, kind)
        beta = self.beta if self.center else np.zeros(channels, kind)
        if not training:
            return batch_norm_inference(
                x, gamma, beta, self.moving_mean, self.moving_variance, epsilon=self.epsilon
            )
        mean, variance = moments(x)
        unbiased = variance
        if x.ndim == 4:
            count = size_of(x, dtype=x.dtype.name) / channels[0]
            unbiased = variance * (count / np.maximum(count - 1.0, 1.0))
        moved = [self._moved(self.moving_mean, mean), self._moved(self.moving_variance, unbiased)]
        # the updates hang on the mean, so that a relu of the result can join it
        result: Tensor = batch_norm(x, gamma, beta, with_updates(mean, moved), variance, epsilon=self.epsilon)
        return result

    def _moved(self, average: Variable, value: Tensor) -> Update:
        return Update(average, average * self.momentum + value * (1.0 - self.momentum))


def batch_normalization(inputs: Any, training: bool = False, **settings: Any) -> Tensor:
    """Make a `BatchNormalization` layer and apply it; `settings` are its arguments.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     batch_normalization(np.ones((4, 2), np.float32), training=True).shape
    (4, 2)
    """
    result: Tensor = BatchNormalization(**settings)(inputs, training=training)
    return result


class LayerNormalization(Layer):
    """Normalize each example over its last axis: (x - mean) / √(variance + ε) · gamma + beta.

    Source: Ba et al., 2016.

    Args:
        epsilon: Added to the variance.
        beta_initializer: Of `beta`, ``[features]``.
        gamma_initializer: Of `gamma`, ``[features]``.
        name: Default "layer_normalization".

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     LayerNormalization()(np.ones((4, 2), np.float32)).shape
    (4, 2)
    """

    default_name = "layer_normalization"

    def __init__(
        self,
        epsilon: float = 1e-3,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon
        self._initializers = {
            "gamma": initializers.get(gamma_initializer),
            "beta": initializers.get(beta_initializer),
        }

    def build(self, inputs: Tensor) -> None:
        """Make the variables."""
        shape, dtype = (known_last(inputs, "layer_norm"),), as_floats(inputs).dtype
        for name, first in self._initializers.items():
            self.add_variable(name, shape, dtype=dtype, initializer=first)

    def apply(self, inputs: Tensor, **settings: Any) -> Tensor:
        """Return the normalized values, of the shape of the inputs."""
        result, *_ = layer_norm_primitive(as_floats(inputs), self.gamma, self.beta, epsilon=self.epsilon)
        normalized: Tensor = result
        return normalized


def layer_norm(inputs: Any, **settings: Any) -> Tensor:
    """Make a `LayerNormalization` layer and apply it; `settings` are its arguments.

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     layer_norm(np.ones((4, 2), np.float32)).shape
    (4, 2)
    """
    result: Tensor = LayerNormalization(**settings)(inputs)
    return result
