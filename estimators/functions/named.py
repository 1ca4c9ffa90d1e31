"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.functions import activations

Activation: TypeAlias = str | Callable[[Tensor], Tensor] | None
"""A function of a tensor, its name, or None for the identity."""

NAMES = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "softplus", "softsign", "sigmoid", "log_sigmoid",
    "hard_sigmoid", "silu", "tanh", "softmax", "log_softmax",
)  # fmt: skip
_OTHER = {"swish": "silu"}


def _identity(x: Any) -> Any:
    return x


def get_activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    """Return the function that an argument of a layer means.

    Raises:
        InvalidArgumentError: There is none of that name.
        SpecError: It is neither a function nor a name.

    >>> get_activation("relu").__name__
    'relu'
    """
    if activation is None or activation == "linear":
        return _identity
    if isinstance(activation, str):
        name = _OTHER.get(activation, activation)
        if name not in NAMES:
            raise InvalidArgumentError(
                f"there is no activation {activation!r}", hint=did_you_mean(activation, NAMES)
            )
        function: Callable[[Tensor], Tensor] = getattr(activations, name)
        return function
    if not callable(activation):
        raise SpecError(f"activation must be a function, a name or None, not {activation!r}")
    return activation
