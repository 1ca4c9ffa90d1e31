"""How the losses of examples become one number."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.losses import divide_no_nan
from estimators.graph.primitives.shapes import expand_like, size_of
from estimators.losses.inputs import numbers, value_of


class Reduction(enum.StrEnum):
    """How the losses l of a batch, with weights w, become the loss that is trained.

    =========================== ====================================================
    `NONE`                      w l, as it is
    `SUM`                       sum(w l)
    `MEAN`                      sum(w l) / sum(w)
    `SUM_OVER_BATCH_SIZE`       sum(w l) / (number of losses)
    `SUM_OVER_NONZERO_WEIGHTS`  sum(w l) / (number of losses whose weight is not 0)
    `SUM_BY_NONZERO_WEIGHTS`    another name of the same
    =========================== ====================================================

    Weights count as often as they are broadcast. What is divided by 0 is 0. The names that TensorFlow 1
    has for them ("weighted_sum", …) are accepted too.

    >>> Reduction("sum").name, Reduction("weighted_mean").name, Reduction("sum_by_nonzero_weights").name
    ('SUM', 'MEAN', 'SUM_OVER_NONZERO_WEIGHTS')
    """

    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    NONE = "none"
    MEAN = "mean"
    SUM_OVER_NONZERO_WEIGHTS = "sum_over_nonzero_weights"
    SUM_BY_NONZERO_WEIGHTS = "sum_over_nonzero_weights"

    @classmethod
    def _missing_(cls, value: object) -> Reduction | None:
        name = str(value).removeprefix("weighted_").replace("_by_", "_over_")
        return next((item for item in cls if item.value == name), None)


def as_reduction(value: str) -> Reduction:
    """Return the reduction of a head by its name: any but `Reduction.NONE`.

    Raises:
        InvalidArgumentError: Heads have none of that name.
    """
    names = ", ".join(repr(str(item)) for item in Reduction if item is not Reduction.NONE)
    try:
        found = Reduction(value)
    except ValueError:
        found = Reduction.NONE
    if found is Reduction.NONE:
        raise InvalidArgumentError(f"loss_reduction must be one of {names}, not {str(value)!r}")
    return found


def reduce_loss(losses: Any, weights: Any | None, reduction: Reduction) -> Tensor:
    """Return the loss of a batch, from losses and weights that broadcast against them."""
    weighted = losses if weights is None else losses * weights
    if reduction is Reduction.NONE:
        return weighted  # type: ignore[no-any-return]
    total = np.sum(weighted)
    result: Tensor
    if reduction is Reduction.SUM:
        result = total
    elif reduction is Reduction.SUM_OVER_BATCH_SIZE or weights is None:
        result = total / size_of(losses, dtype=losses.dtype.name)
    else:
        counted = weights if reduction is Reduction.MEAN else (weights != 0).astype(losses.dtype)
        result = divide_no_nan(total, np.sum(expand_like(counted, losses)))
    return result


def compute_weighted_loss(
    losses: Any, weights: Any = 1.0, reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS
) -> Tensor:
    """Return losses times weights, reduced.

    Args:
        losses: ``[batch, …]``; integers become float32.
        weights: A number, or as many axes as the losses with sizes 1 or theirs.
        reduction: One of `Reduction`.

    Returns:
        A scalar with the dtype of the losses; with `Reduction.NONE` their shape.

    Raises:
        InvalidArgumentError: There is no such reduction.
        SpecError: The weights have another shape.

    >>> float(compute_weighted_loss([1.0, 2.0, 4.0], weights=[1.0, 1.0, 0.0]))
    1.5
    >>> float(compute_weighted_loss([[1.0, 2.0], [3.0, 4.0]], [[1.0], [0.5]], reduction="mean"))
    2.1666666666666665
    """
    try:
        how = Reduction(reduction)
    except ValueError:
        names = ", ".join(repr(str(item)) for item in Reduction)
        raise InvalidArgumentError(f"reduction must be one of {names}, not {reduction!r}") from None
    of = numbers("losses", losses)
    return reduce_loss(of, weights_for(of, weights), how)


def weights_for(losses: Any, weights: Any) -> Any | None:
    """Return weights with the dtype of the losses, None where all are 1.

    Raises:
        SpecError: They are neither one number, nor have the losses' rank and sizes 1 or theirs.
    """
    if weights is None:
        raise SpecError("weights are None", hint="leave them out, or give 1.0, to weight all losses equally")
    if isinstance(weights, int | float) and weights == 1:
        return None
    given = value_of(weights, "weights")
    sizes = zip(given.shape, losses.shape, strict=False)
    equal = given.ndim == losses.ndim and all(w in (1, None, size) or size is None for w, size in sizes)
    if given.ndim and not equal:
        raise SpecError(
            f"weights have shape {given.shape}, and losses {losses.shape}",
            hint="give one number, or weights of the same rank with sizes 1 or those of the losses: "
            "weights[:, None] for one weight per example",
        )
    return numbers("weights", given, losses.dtype)
