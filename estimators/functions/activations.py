"""Activations, with the definitions of tf.nn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives import activations as primitives
from estimators.graph.primitives import classification
from estimators.graph.primitives.normalization import with_relu


def _value(x: Any) -> Any:
    """Return a tensor as it is, anything else as an array."""
    return x if isinstance(x, Tensor) else np.asarray(x)


def relu(x: Any) -> Any:
    """Rectify: max(x, 0).

    Args:
        x: A tensor or an array of numbers. The result has its shape and dtype, and is an array for an
            array; so it is with every function here.

    >>> relu(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    joined = with_relu(x) if isinstance(x, Tensor) else None
    return primitives.relu(_value(x)) if joined is None else joined


def relu6(x: Any) -> Any:
    """Rectify and cut off at 6: min(max(x, 0), 6).

    >>> relu6(np.array([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return primitives.relu6(_value(x))


def leaky_relu(x: Any, alpha: float = 0.2) -> Any:
    """Return x where x > 0, else alpha x, for floating-point numbers.

    >>> leaky_relu(np.array([-1.0, 2.0]), alpha=0.5).tolist()
    [-0.5, 2.0]
    """
    return primitives.leaky_relu(_value(x), alpha=float(alpha))


def elu(x: Any) -> Any:
    """Return x where x > 0, else e^x - 1 (Clevert et al., 2015, https://arxiv.org/abs/1511.07289).

    >>> elu(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.6321, 2.0]
    """
    return primitives.elu(_value(x))


def selu(x: Any) -> Any:
    """Return a multiple of `elu` that keeps mean 0 and variance 1 through a network.

    Source: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515.

    >>> selu(np.array([-1.0, 2.0])).round(4).tolist()
    [-1.1113, 2.1014]
    """
    return primitives.selu(_value(x))


def gelu(x: Any, *, approximate: bool = False) -> Any:
    """Return x Φ(x), where Φ is the normal distribution (https://arxiv.org/abs/1606.08415).

    Args:
        x: Floating-point numbers.
        approximate: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) instead of 0.5 x (1 + erf(x / √2)).

    >>> gelu(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.1587, 1.9545]
    """
    x = _value(x)
    if approximate:
        return 0.5 * x * (np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))) + 1.0)
    return 0.5 * x * (primitives.erf(x / math.sqrt(2)) + 1.0)


def erf(x: Any) -> Any:
    """Return the error function, as tf.math.erf does.

    >>> round(float(erf(np.float64(1.0))), 12)
    0.84270079295
    """
    return primitives.erf(_value(x))


def softplus(x: Any) -> Any:
    """Return ln(1 + e^x), without overflow.

    >>> softplus(np.array([-1.0, 1000.0])).round(4).tolist()
    [0.3133, 1000.0]
    """
    return primitives.softplus(_value(x))


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return primitives.softsign(_value(x))


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e^-x), without overflow.

    >>> sigmoid(np.array([0.0, 1000.0])).tolist()
    [0.5, 1.0]
    """
    return classification.sigmoid(_value(x))


def log_sigmoid(x: Any) -> Any:
    """Return ln(1 / (1 + e^-x)), which is finite where the sigmoid is 0.

    >>> log_sigmoid(np.array([-1000.0])).tolist()
    [-1000.0]
    """
    return -primitives.softplus(-_value(x))


def hard_sigmoid(x: Any) -> Any:
    """Return 0.2 x + 0.5 within 0 and 1, as tf.keras.activations does.

    >>> hard_sigmoid(np.array([-9.0, 0.0, 1.0])).tolist()
    [0.0, 0.5, 0.7]
    """
    return np.clip(_value(x) * 0.2 + 0.5, 0.0, 1.0)


def silu(x: Any, beta: float = 1.0) -> Any:
    """Return x / (1 + e^(-beta x)), which is also called swish.

    >>> silu(np.array([-1.0, 2.0])).round(4).tolist()
    [-0.2689, 1.7616]
    """
    x = _value(x)
    return x * classification.sigmoid(x if beta == 1 else x * beta)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, as np.tanh does.

    >>> tanh(np.array([0.0, 100.0])).tolist()
    [0.0, 1.0]
    """
    return np.tanh(_value(x))


def _from_last(x: Any, axis: int) -> int:
    """Return the axis counted from the last one."""
    rank = x.ndim
    if not -rank <= axis < rank:
        raise SpecError(
            f"there is no axis {axis} in shape {x.shape}", hint="-1 is the last axis; a scalar has none"
        )
    return axis - rank if axis >= 0 else axis


def softmax(logits: Any, axis: int = -1) -> Any:
    """Return e^x / (sum of e^x along an axis), without overflow.

    Raises:
        SpecError: There is no such axis.

    >>> softmax(np.array([[1.0, 1.0], [0.0, 1000.0]])).tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    logits = _value(logits)
    return primitives.softmax(logits, axis=_from_last(logits, axis))


def log_softmax(logits: Any, axis: int = -1) -> Any:
    """Return x - ln(sum of e^x along an axis), which is finite where `softmax` is 0.

    Raises:
        SpecError: There is no such axis.

    >>> log_softmax(np.array([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    logits = _value(logits)
    return primitives.log_softmax(logits, axis=_from_last(logits, axis))


def l2_normalize(x: Any, axis: int | Sequence[int] | None = None, epsilon: float = 1e-12) -> Any:
    """Return x / √max(sum of x², epsilon).

    Args:
        x: Floating-point numbers.
        axis: Of the sum; None: all axes.
        epsilon: What a sum is at least, so that zeros stay zeros.

    >>> l2_normalize(np.array([[3.0, 4.0], [0.0, 0.0]]), axis=1).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    x = _value(x)
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    return x / np.sqrt(np.maximum(np.sum(x * x, axis=axes, keepdims=True), epsilon))


def normalize(
    x: Any, ord: str | float = "euclidean", axis: int | Sequence[int] | None = None
) -> tuple[Any, Any]:
    """Return (x / norm, norm), as tf.linalg.normalize does for vectors.

    Args:
        x: Floating-point numbers.
        ord: "euclidean" or 2, 1, np.inf, or any number p > 0: (sum of |x|^p)^(1/p).
        axis: Of the vectors; None: all axes. The norm has size 1 there.

    Raises:
        InvalidArgumentError: There is no such norm.

    >>> [part.tolist() for part in normalize(np.array([[3.0, 4.0]]), axis=1)]
    [[[0.6, 0.8]], [[5.0]]]
    """
    x = _value(x)
    power = 2.0 if ord == "euclidean" else ord
    if isinstance(power, str) or power <= 0:
        raise InvalidArgumentError(
            f"ord must be 'euclidean' or a positive number, not {ord!r}", hint="np.inf is the largest |x|"
        )
    axes = axis if axis is None or isinstance(axis, int) else tuple(axis)
    if power == 2:
        norm = np.sqrt(np.sum(x * x, axis=axes, keepdims=True))
    elif power == 1:
        norm = np.sum(np.abs(x), axis=axes, keepdims=True)
    elif power == math.inf:
        norm = np.max(np.abs(x), axis=axes, keepdims=True)
    else:
        norm = np.sum(np.abs(x) ** power, axis=axes, keepdims=True) ** (1 / power)
    return x / norm, norm
