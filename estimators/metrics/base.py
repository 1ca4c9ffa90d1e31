"""What a metric is: sums over batches, and a value made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.errors import SpecError
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import Tensor, as_tensor

Sums: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """A number, or an array of them, computed over all batches of an evaluation.

    Metrics are sums, so those of several workers are merged by adding them.

    Args:
        inputs: Tensors that are computed for each batch.
        shape: Shape of the sums, which start at 0.
        update: ``update(*values)`` returns what a batch adds to the sums.
        result: From the sums to the metric's value.

    >>> from dataflow.expr.tensor import as_tensor
    >>> from estimators.metrics import mean
    >>> metric = mean(as_tensor([0.0]))
    >>> metric.result(metric.zero() + metric.update([1.0, 2.0]) + metric.update([6.0]))
    3.0
    """

    inputs: tuple[Tensor, ...]
    shape: tuple[int, ...]
    update: Callable[..., Sums]
    result: Callable[[Sums], float | Sums]

    def zero(self) -> Sums:
        """Return the sums over nothing."""
        return np.zeros(self.shape)

    def value(self) -> float | Sums:
        """Return the metric of inputs that are constants: of arrays, to try it out.

        >>> from estimators.metrics import mean_absolute_error
        >>> mean_absolute_error([1.0, 2.0], [1.0, 4.0]).value()
        1.0
        """
        return self.result(self.zero() + self.update(*(evaluate(tensor, [], []) for tensor in self.inputs)))


def flat(values: Any, weights: Any = None) -> tuple[Sums, Sums]:
    """Return values and their weights as flat float64 arrays; weights are broadcast, 1 if None."""
    array = np.asarray(values, np.float64)
    weight = (
        np.ones(array.shape)
        if weights is None
        else np.broadcast_to(np.asarray(weights, np.float64), array.shape)
    )
    return array.ravel(), weight.ravel()


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, 0 if the denominator is not above 0."""
    return float(numerator / denominator) if denominator > 0 else 0.0


def ratios(numerators: Sums, denominators: Sums) -> Sums:
    """Return the quotients, 0 where the denominator is not above 0."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)


def given(*tensors: Tensor | None) -> tuple[Tensor, ...]:
    """Return the tensors that are not None."""
    return tuple(tensor for tensor in tensors if tensor is not None)


def aligned(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    """Return tensors of equal shapes; a last axis of size 1 that only one of them has is dropped.

    Raises:
        SpecError: The shapes differ.
    """
    label, predicted = as_tensor(labels), as_tensor(predictions)
    if label.ndim + 1 == predicted.ndim and predicted.shape[-1] == 1:
        predicted = predicted[..., 0]
    elif predicted.ndim + 1 == label.ndim and label.shape[-1] == 1:
        label = label[..., 0]
    if not _may_equal(label.shape, predicted.shape):
        raise SpecError(
            f"labels have shape {label.shape}, and predictions {predicted.shape}",
            hint="there must be one label for each prediction",
        )
    return label, predicted


def spread(weights: Any, values: Tensor) -> Tensor | None:
    """Return weights that broadcast against values; a last axis of size 1 is added or dropped.

    Raises:
        SpecError: They are neither one number, nor have the values' rank and sizes 1 or theirs.
    """
    if weights is None:
        return None
    weight = as_tensor(weights)
    if weight.ndim == values.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    elif weight.ndim and weight.ndim + 1 == values.ndim:
        weight = weight[..., None]
    sizes = tuple(w if w != 1 else v for w, v in zip(weight.shape, values.shape, strict=False))
    if weight.ndim and not (weight.ndim == values.ndim and _may_equal(sizes, values.shape)):
        raise SpecError(
            f"weights have shape {weight.shape}, and there are values of shape {values.shape}",
            hint="give one number, or weights of the same rank with sizes 1 or those of the values",
        )
    return weight


def _may_equal(left: tuple[int | None, ...], right: tuple[int | None, ...]) -> bool:
    return len(left) == len(right) and all(
        None in pair or pair[0] == pair[1] for pair in zip(left, right, strict=True)
    )
