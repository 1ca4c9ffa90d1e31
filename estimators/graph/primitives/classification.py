"""Sigmoids, cross entropies, and classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Primitive
from dataflow.spec import TensorSpec
from estimators.graph.primitives.helpers import float_like, per_element
from estimators.graph.rules.elementwise import elementwise


def _sigmoid(_: int, x: Any) -> Any:
    exp = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + exp), exp / (1 + exp)).astype(x.dtype, copy=False)


sigmoid = Primitive(
    "sigmoid", float_like, _sigmoid, lambda: [((np.array([-2.0, 0.0, 90.0]),), {})], elementwise=True
)
"""1 / (1 + e^-x), without overflow."""


def _cross_entropy(_: int, logits: Any, labels: Any) -> Any:
    return np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))


sigmoid_cross_entropy = Primitive(
    "sigmoid_cross_entropy",
    float_like,
    _cross_entropy,
    lambda: [((np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.0, 0.5])), {})],
    elementwise=True,
)
"""max(z, 0) - z y + ln(1 + e^-|z|), the negative log likelihood of a Bernoulli label y."""


def _check_range(_: int, values: Any, *, low: float, high: float, what: str) -> Any:
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        raise InvalidArgumentError(
            f"{what} must be between {low:g} and {high:g}, and one is {np.asarray(values)[bad].ravel()[0]:g}",
            hint="check the label column, or give a label_vocabulary",
        )
    return values


check_range = Primitive(
    "check_range",
    lambda values, *, low, high, what: values.spec,
    _check_range,
    lambda: [((np.array([0.0, 1.0]),), {"low": 0.0, "high": 1.0, "what": "labels"})],
    elementwise=True,
)
"""Pass numbers on, and raise if one is out of range or NaN."""


def _take(values: Any, positions: Any) -> Any:
    """Values ``[n]`` at positions of any shape."""
    return values.take(np.ravel(positions)).reshape(np.shape(positions))


def _repeat_rows(like: Any, values: Any) -> Any:
    return _take(values, np.tile(np.arange(len(values)), (len(like), 1)))


repeat_rows = Primitive(
    "repeat_rows",
    lambda like, values: TensorSpec((like.shape[0], values.shape[0]), values.dtype),
    per_element(_repeat_rows),
    lambda: [((np.ones(3), np.array([0, 1])), {}), ((np.ones(2), np.array(["a", "b"], object)), {})],
)
"""The same values for each example, ``[batch, n]``."""

choose = Primitive(
    "choose",
    lambda ids, values: TensorSpec(ids.shape, values.dtype),
    per_element(lambda ids, values: _take(values, ids)),
    lambda: [((np.array([[1], [0]]), np.array(["a", "b"], object)), {})],
)
"""Values by position."""

# Gradients -----------------------------------------------------------------------------------------

elementwise("sigmoid", lambda g, x, out: (g * out * (1.0 - out),))
elementwise("sigmoid_cross_entropy", lambda g, z, y, out: (g * (sigmoid(z) - y), -g * z))
