"""What a metric is: sums over batches, and a value made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.expr.tensor import Tensor

Sums: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """A number computed over all batches of an evaluation.

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
    result: Callable[[Sums], float]

    def zero(self) -> Sums:
        """Return the sums over nothing."""
        return np.zeros(self.shape)


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
    """Return the quotient, 0 if the denominator is 0."""
    return float(numerator / denominator) if denominator else 0.0
