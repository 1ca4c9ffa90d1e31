"""Losses of examples, and how they become one number."""

from __future__ import annotations

import enum
from typing import cast

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.shapes import size_of


class Reduction(enum.StrEnum):
    """How the losses l of a batch, with weights w, become the loss that is trained.

    `SUM_OVER_BATCH_SIZE` is sum(w l) / (number of losses), `SUM` is sum(w l).

    >>> Reduction("sum").name
    'SUM'
    """

    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"


def as_reduction(value: str) -> Reduction:
    """Return the reduction of a name.

    Raises:
        InvalidArgumentError: There is none of that name.
    """
    try:
        return Reduction(value)
    except ValueError:
        names = ", ".join(repr(str(item)) for item in Reduction)
        raise InvalidArgumentError(f"loss_reduction must be one of {names}, not {value!r}") from None


def reduce_loss(losses: Tensor, weights: Tensor | None, reduction: Reduction) -> Tensor:
    """Return the scalar loss of a batch."""
    total = (losses if weights is None else losses * weights).sum()
    if reduction is Reduction.SUM:
        return total  # type: ignore[no-any-return]
    result: Tensor = total / size_of(losses, dtype=losses.dtype.name)
    return result


def squared_error(labels: Tensor, predictions: Tensor) -> Tensor:
    """(prediction - label)^2."""
    return cast("Tensor", np.square(predictions - labels))
