"""A loss of differences within an example."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.losses import divide_no_nan
from estimators.graph.primitives.shapes import expand_like
from estimators.losses.inputs import numbers, pair
from estimators.losses.reduction import weights_for


def mean_pairwise_squared_error(labels: Any, predictions: Any, weights: Any = 1.0) -> Tensor:
    """Squared differences of errors, over the pairs of values within each example, summed over examples.

    With errors e and the number n of an example's values whose weight is not 0, the loss of an example is
    2 sum(e²) / (n - 1) - 2 sum(e)² / (n (n - 1)), which is the mean of (e_i - e_j)² over its pairs. As in
    TensorFlow it is 0 where n < 2, and the examples' losses are added.

    Args:
        labels: Numbers, with the shape of the predictions.
        predictions: ``[batch, …]`` of rank 2 at least; other than floating-point become float32.
        weights: See `compute_weighted_loss`; where they differ within an example each weights the
            example's loss, and these are added.

    Returns:
        A scalar with the dtype of the predictions.

    Raises:
        SpecError: Shapes do not fit, or examples have one value only.

    >>> float(mean_pairwise_squared_error([[0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0]]))  # (1 + 4 + 1) / 3
    2.0
    """
    label, predicted = pair(labels, predictions)
    if predicted.ndim < 2:
        raise SpecError(
            f"predictions have shape {predicted.shape}, and there are no pairs within an example",
            hint="use mean_squared_error",
        )
    given = weights_for(predicted, weights)
    weight = numbers("weights", 1.0 if given is None else given, predicted.dtype)
    axes = tuple(range(1, predicted.ndim))
    error = predicted - label
    present = expand_like((weight != 0).astype(predicted.dtype), error)
    count = np.sum(present, axis=axes, keepdims=True)
    others = np.maximum(count - 1.0, 0.0)
    squares = divide_no_nan(np.sum(np.square(error), axis=axes, keepdims=True), others)
    square = divide_no_nan(np.square(np.sum(error, axis=axes, keepdims=True)), count * others)
    result: Tensor = np.sum((squares - square) * 2.0 * weight)
    return result
