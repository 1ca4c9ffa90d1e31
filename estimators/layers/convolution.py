"""Layers for images ``[batch, height, width, channels]``: convolution and pooling."""

from __future__ import annotations

from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators import initializers
from estimators.functions.named import Activation, get_activation
from estimators.graph.primitives.convolution import conv2d as conv2d_primitive
from estimators.graph.primitives.pooling import average_pool2d, max_pool2d
from estimators.graph.variable import Initializer
from estimators.layers.base import Layer
from estimators.layers.core import Regularizer, as_floats

Pair = int | tuple[int, int]


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


class Conv2D(Layer):
    """activation(convolution of images with filters + bias); result ``[batch, height', width', filters]``.

    Args:
        filters: Channels of the result.
        kernel_size: Height and width of the filters.
        strides: Steps between windows.
        padding: "valid": windows lie inside; "same": the result has ceil(size / stride) rows and columns.
        dilation_rate: Steps between the cells of a window.
        activation: A function of a tensor, its name in `estimators.nn`, or None.
        use_bias: Whether to add `bias`.
        kernel_initializer: Of `kernel`, ``[height, width, channels, filters]``.
        bias_initializer: Of `bias`, ``[filters]``.
        kernel_regularizer: Of `kernel`.
        name: Default "conv2d".

    >>> import numpy as np

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     Conv2D(8, 3, padding="same")(np.ones((2, 28, 28, 1), np.float32)).shape
    (2, 28, 28, 8)
    """

    default_name = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        dilation_rate: Pair = (1, 1),
        activation: Activation = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if filters < 1:
            raise InvalidArgumentError(f"filters must be at least 1, not {filters}")
        self.filters, self.kernel_size = filters, _pair(kernel_size)
        self._windows = {
            "strides": _pair(strides),
            "padding": padding.lower(),
            "dilation": _pair(dilation_rate),
        }
        self.use_bias, self.activation = use_bias, get_activation(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = kernel_regularizer

    def build(self, inputs: Tensor) -> None:
        """Make `kernel` and `bias`."""
        if inputs.ndim != 4 or inputs.shape[3] is None:
            raise SpecError(
                f"conv2d takes images [batch, height, width, channels], and got {inputs.spec}",
                hint="the channels must be known; add their axis with x[..., None], or reshape in map",
            )
        dtype = as_floats(inputs).dtype
        self.add_variable(
            "kernel",
            (*self.kernel_size, inputs.shape[3], self.filters),
            dtype=dtype,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            self.add_variable("bias", (self.filters,), dtype=dtype, initializer=self.bias_initializer)

    def apply(self, inputs: Tensor, **settings: Any) -> Tensor:
        """Return activation(convolution + bias)."""
        result: Tensor = conv2d_primitive(as_floats(inputs), self.kernel, **self._windows)
        if self.use_bias:
            result = result + self.bias
        return self.activation(result)


def conv2d(inputs: Any, filters: int, kernel_size: Pair, **settings: Any) -> Tensor:
    """Make a `Conv2D` layer and apply it; `settings` are its other arguments.

    >>> import numpy as np

    >>> from estimators.graph.scope import VariableStore
    >>> with VariableStore():
    ...     conv2d(np.ones((2, 28, 28, 1), np.float32), 8, 3).shape
    (2, 26, 26, 8)
    """
    result: Tensor = Conv2D(filters, kernel_size, **settings)(inputs)
    return result


def max_pooling2d(inputs: Any, pool_size: Pair, strides: Pair, padding: str = "valid") -> Tensor:
    """Return the maximum of each window of images.

    Args:
        inputs: ``[batch, height, width, channels]``.
        pool_size: Height and width of the windows.
        strides: Steps between windows.
        padding: "valid" or "same", as for `conv2d`.

    >>> import numpy as np
    >>> float(max_pooling2d(np.arange(16.0).reshape(1, 4, 4, 1), 2, 2)[0, 0, 0, 0])
    5.0
    """
    result, _ = max_pool2d(
        inputs, pool_size=_pair(pool_size), strides=_pair(strides), padding=padding.lower()
    )
    pooled: Tensor = result
    return pooled


def average_pooling2d(inputs: Any, pool_size: Pair, strides: Pair, padding: str = "valid") -> Tensor:
    """Return the mean of each window of images; cells outside do not count.

    Args:
        inputs: ``[batch, height, width, channels]``.
        pool_size: Height and width of the windows.
        strides: Steps between windows.
        padding: "valid" or "same", as for `conv2d`.

    >>> import numpy as np
    >>> float(average_pooling2d(np.arange(16.0).reshape(1, 4, 4, 1), 2, 2)[0, 0, 0, 0])
    2.5
    """
    result: Tensor = average_pool2d(
        inputs, pool_size=_pair(pool_size), strides=_pair(strides), padding=padding.lower()
    )
    return result
