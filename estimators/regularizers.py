"""Regularizers of variables, as in `tf.keras.regularizers`.

A regularizer makes of a variable a scalar, which `losses.get_regularization_loss` finds:
``Variable(…, regularizer=l2(0.01))``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor

Regularizer: TypeAlias = Callable[[Tensor], Tensor]


def l1(l1: float = 0.01) -> Regularizer:
    """l1 sum(|w|).

    Raises:
        InvalidArgumentError: The factor is negative, or no number.

    >>> float(l1(0.5)(np.array([1.0, -2.0])))
    1.5
    """
    return l1_l2(l1=l1, l2=0.0)


def l2(l2: float = 0.01) -> Regularizer:
    """l2 sum(w²); `tf.contrib.layers.l2_regularizer` has half of that.

    Raises:
        InvalidArgumentError: The factor is negative, or no number.

    >>> float(l2(0.5)(np.array([1.0, -2.0])))
    2.5
    """
    return l1_l2(l1=0.0, l2=l2)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> Regularizer:
    """l1 sum(|w|) + l2 sum(w²).

    Raises:
        InvalidArgumentError: A factor is negative, or no number.

    >>> float(l1_l2(l1=1.0, l2=0.5)(np.array([1.0, -2.0])))
    5.5
    """
    for name, factor in (("l1", l1), ("l2", l2)):
        if not factor >= 0 or not np.isfinite(factor):
            raise InvalidArgumentError(f"{name} must be a number of at least 0, not {factor}")

    def regularize(variable: Any) -> Tensor:
        absolute = np.sum(np.abs(variable)) * l1 if l1 or not l2 else None
        square = np.sum(np.square(variable)) * l2 if l2 else None
        result: Any = square if absolute is None else absolute if square is None else absolute + square
        return result  # type: ignore[no-any-return]

    return regularize
