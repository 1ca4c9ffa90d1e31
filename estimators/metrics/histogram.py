"""Decisions at many thresholds, from one histogram of the predictions.

The sums of these metrics are ``[2, thresholds + 1]``: the weights of positives and of negatives by the
number of thresholds that are below the prediction. A prediction is positive at thresholds below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from estimators.metrics.base import Sums, flat

Float32: TypeAlias = npt.NDArray[np.float32]

EPSILON = 1e-7
"""How far the first and last threshold are outside of [0, 1]."""


def even_thresholds(count: int) -> list[float]:
    """Return thresholds in even distances, the first below 0 and the last above 1.

    Raises:
        InvalidArgumentError: The number is below 2.
    """
    if count < 2:
        raise InvalidArgumentError(f"num_thresholds must be at least 2, not {count}")
    inner = [(i + 1) * 1.0 / (count - 1) for i in range(count - 2)]
    return [-EPSILON, *inner, 1.0 + EPSILON]


def probabilities(name: str, predictions: Any) -> Float32:
    """Return predictions as flat float32, after a look at them.

    Raises:
        InvalidArgumentError: One is not between 0 and 1.
    """
    p = np.asarray(predictions, np.float32).ravel()
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise InvalidArgumentError(
            f"{name} takes predictions between 0 and 1, and one is {p[outside][0]}",
            hint="look for NaN in features and weights; give probabilities, not logits",
        )
    return p


def by_even_buckets(p: Float32, count: int) -> npt.NDArray[np.int64]:
    """Return how many of `even_thresholds` are below each prediction, as Keras finds it, in float32.

    Keras says that p is above threshold i / (count - 1) if ceil((count - 1) p) - 1 is at least i.
    """
    bucket: npt.NDArray[np.int64] = np.maximum(np.ceil(p * np.float32(count - 1)) - 1, 0).astype(np.int64)
    return bucket + 1


def by_comparison(p: Float32, thresholds: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return how many of the ascending thresholds are below each prediction, in float32."""
    return np.searchsorted(np.asarray(thresholds, np.float32), p, side="left").astype(np.int64)


def histogram(labels: Any, below: npt.NDArray[np.int64], count: int, weights: Any = None) -> Sums:
    """Return what a batch adds to the sums; labels are True or False."""
    label, weight = flat(labels, weights)
    shares = (weight * label, weight * (1 - label))
    return np.stack([np.bincount(below, share, count + 1) for share in shares])


def confusion(sums: Sums) -> tuple[Sums, Sums, Sums, Sums]:
    """Return true positives, false positives, false negatives and true negatives at each threshold."""
    above = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1][:, 1:]
    tp, fp = above
    fn, tn = np.maximum(sums.sum(axis=1, keepdims=True) - above, 0)
    return tp, fp, fn, tn
