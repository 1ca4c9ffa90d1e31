"""Sigmoids, cross entropies, and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import float_like, per_element
from estimators.graph.registry import KERNELS, RULES, Kernel, output
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

sigmoid_cross_entropy_grad = Primitive(
    "sigmoid_cross_entropy_grad",
    float_like,
    lambda _, g, logits, labels: g * (_sigmoid(0, logits) - labels),
    lambda: [((np.array([1.0, 0.5, 2.0]), np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.0, 0.5])), {})],
    elementwise=True,
)
"""g (sigmoid(z) - y): the gradient of `sigmoid_cross_entropy` for its logits."""


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

# Softmax cross entropies ---------------------------------------------------------------------------


def _softmax_specs(logits: Tensor, labels: Tensor, rank: int) -> tuple[TensorSpec, TensorSpec]:
    """Return specs of losses and slopes; labels must have the first `rank` sizes of the logits."""
    float_like(logits)
    sizes = zip(logits.shape[:rank], labels.shape, strict=False)
    if (
        logits.shape[-1:] in ((), (0,))
        or labels.ndim != rank
        or any(None not in pair and pair[0] != pair[1] for pair in sizes)
    ):
        raise SpecError(f"logits {logits.spec} and labels {labels.spec} do not fit together")
    return TensorSpec(logits.shape[:-1], logits.dtype), logits.spec


def _onehot_infer(logits: Tensor, onehot: Tensor) -> tuple[TensorSpec, TensorSpec]:
    float_like(onehot)
    return _softmax_specs(logits, onehot, logits.ndim)


def _sparse_infer(logits: Tensor, labels: Tensor) -> tuple[TensorSpec, TensorSpec]:
    if labels.dtype.kind not in "iu":
        raise SpecError(f"labels must be integers, not {labels.spec}", hint="use .astype(np.int64)")
    return _softmax_specs(logits, labels, logits.ndim - 1)


def _shifted(logits: Any) -> tuple[Any, Any, Any]:
    """Return logits minus their maximum, the exponentials of that, and the sums of these."""
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    exp = np.exp(shifted)
    return shifted, exp, exp.sum(axis=-1, keepdims=True)


def _softmax_cross_entropy(_: int, logits: Any, onehot: Any) -> Any:
    _check_shapes(logits.shape, onehot.shape)
    shifted, exp, total = _shifted(logits)
    costs = np.where(onehot == 0, np.zeros((), logits.dtype), np.log(total) - shifted)
    slopes = exp / total * onehot.sum(axis=-1, keepdims=True) - onehot
    return (onehot * costs).sum(axis=-1), slopes


def _sparse_softmax_cross_entropy(_: int, logits: Any, labels: Any) -> Any:
    _check_shapes(logits.shape[:-1], np.shape(labels))
    _check_labels(labels, logits.shape[-1])
    at = np.asarray(labels, np.int64)[..., None]
    shifted, exp, total = _shifted(logits)
    slopes = exp / total
    chosen = np.take_along_axis(slopes, at, axis=-1)
    np.put_along_axis(slopes, at, chosen - 1, axis=-1)
    return (np.log(total) - np.take_along_axis(shifted, at, axis=-1))[..., 0], slopes


def _check_shapes(of_logits: tuple[int, ...], of_labels: tuple[int, ...]) -> None:
    if of_logits != of_labels:
        raise InvalidArgumentError(
            f"labels have shape {of_labels}, and {of_logits} is needed for the logits",
            hint="there must be one label for each row of logits",
        )


def _check_labels(labels: Any, classes: int) -> None:
    bad = (labels < 0) | (labels >= classes)
    if np.any(bad):
        raise _bad_label(np.asarray(labels)[bad].ravel()[0], classes)


def _bad_label(label: Any, classes: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"labels of {classes} classes must be between 0 and {classes - 1}, and one is {label}",
        hint="check the labels and the number of classes, the last size of the logits",
    )


_LOGITS = np.array([[0.5, -1.0, 2.0], [100.0, 0.0, -100.0]])

softmax_cross_entropy_and_slopes = Primitive(
    "softmax_cross_entropy",
    _onehot_infer,
    _softmax_cross_entropy,
    lambda: [((_LOGITS, np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])), {})],
)
"""Losses and slopes of `softmax_cross_entropy`."""

sparse_softmax_cross_entropy_and_slopes = Primitive(
    "sparse_softmax_cross_entropy",
    _sparse_infer,
    _sparse_softmax_cross_entropy,
    lambda: [((_LOGITS, np.array([2, 1])), {}), ((_LOGITS[0].astype(np.float32), np.array(0)), {})],
)
"""Losses and slopes of `sparse_softmax_cross_entropy`."""


def softmax_cross_entropy(logits: Any, onehot: Any) -> Any:
    """Sum over the classes of y (logsumexp(z) - z): the negative log likelihood of a distribution y.

    Labels get no gradient, as in `tf.compat.v1.losses.softmax_cross_entropy`.

    Args:
        logits: Floating-point ``[..., classes]``.
        onehot: As the logits: 1 for the class, 0 for the others, or a distribution.

    Returns:
        ``[...]``, with the dtype of the logits.

    Raises:
        SpecError: Shapes differ, or there are integers.

    >>> softmax_cross_entropy(np.zeros((2, 4)), np.eye(4)[:2]).round(4).tolist()
    [1.3863, 1.3863]
    """
    return softmax_cross_entropy_and_slopes(logits, onehot)[0]


def sparse_softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """logsumexp(z) - z_y: the negative log likelihood of the class y.

    Args:
        logits: Floating-point ``[..., classes]``.
        labels: Integers ``[...]`` from 0 to classes - 1.

    Returns:
        ``[...]``, with the dtype of the logits.

    Raises:
        InvalidArgumentError: A label is out of range.
        SpecError: Shapes do not fit, or labels are no integers.

    >>> sparse_softmax_cross_entropy(np.zeros((2, 4)), np.array([0, 3])).round(4).tolist()
    [1.3863, 1.3863]
    """
    return sparse_softmax_cross_entropy_and_slopes(logits, labels)[0]


scale_rows = Primitive(
    "scale_rows",
    lambda g, rows: rows.spec,
    lambda _, g, rows: g[..., None] * rows,
    lambda: [((np.array([2.0, -1.0]), _LOGITS), {}), ((np.array(2.0), _LOGITS[0]), {})],
)
"""Rows ``[..., n]`` times numbers ``[...]``."""

# Gradients -----------------------------------------------------------------------------------------

elementwise("sigmoid", lambda g, x, out: (g * out * (1.0 - out),))
elementwise("sigmoid_cross_entropy", lambda g, z, y, out: (sigmoid_cross_entropy_grad(g, z, y), -g * z))


def _sigmoid_cross_entropy_grad_rule(h: Tensor, g: Tensor, z: Tensor, y: Tensor, _: Tensor) -> Sequence[Any]:
    p = sigmoid(z)
    return h * (p - y), h * g * p * (1.0 - p), -h * g


elementwise("sigmoid_cross_entropy_grad", _sigmoid_cross_entropy_grad_rule)


def _softmax_rule(call: Call, g: Tensor | None, of_slopes: Tensor | None) -> Sequence[Tensor | None]:
    if of_slopes is not None:
        raise InvalidArgumentError(
            f"{call.primitive.name} has no second derivative (used at {call.line})",
            hint="build the loss from log_softmax, or use stop_gradient",
        )
    return scale_rows(g, output(call, 1)), None


RULES["softmax_cross_entropy"] = _softmax_rule
RULES["sparse_softmax_cross_entropy"] = _softmax_rule
RULES["scale_rows"] = lambda call, g: (np.sum(g * call.inputs[1], axis=-1), scale_rows(call.inputs[0], g))

# Kernels -------------------------------------------------------------------------------------------


def _flat(value: Any, out: Any) -> Any:
    """Return the value as a contiguous array of rank 1, broadcast to the shape of `out`."""
    array = np.asarray(value, out.dtype)
    return np.ascontiguousarray(
        array if array.shape == out.shape else np.broadcast_to(array, out.shape)
    ).ravel()


def _rows(value: Any) -> Any:
    """Return a contiguous matrix with the last axis as its rows; a view if it can be."""
    if value.ndim == 2 and value.flags.c_contiguous:
        return value
    shape = value.shape
    return np.ascontiguousarray(value).reshape(math.prod(shape[:-1]), shape[-1])


def _run_sigmoid(out: Any, _: Any, x: Any) -> None:
    kernels.classification.sigmoid(_flat(x, out[0]), out[0].ravel())


def _run_sigmoid_cross_entropy(out: Any, _: Any, logits: Any, labels: Any) -> None:
    kernels.classification.sigmoid_cross_entropy(_flat(logits, out[0]), _flat(labels, out[0]), out[0].ravel())


def _run_sigmoid_cross_entropy_grad(out: Any, _: Any, g: Any, logits: Any, labels: Any) -> None:
    kernels.classification.sigmoid_cross_entropy_grad(
        _flat(g, out[0]), _flat(logits, out[0]), _flat(labels, out[0]), out[0].ravel()
    )


def _run_softmax_cross_entropy(out: Any, _: Any, logits: Any, onehot: Any) -> None:
    _check_shapes(logits.shape, onehot.shape)
    losses, slopes = out[0].reshape(-1), _rows(out[1])
    labels = _rows(np.asarray(onehot, slopes.dtype))
    kernels.classification.onehot_costs(_rows(logits), labels, losses, slopes)
    np.exp(slopes, out=slopes)
    kernels.classification.onehot_slopes(labels, losses, slopes)


def _run_sparse_softmax_cross_entropy(out: Any, _: Any, logits: Any, labels: Any) -> None:
    _check_shapes(logits.shape[:-1], np.shape(labels))
    losses, slopes = out[0].reshape(-1), _rows(out[1])
    ids = np.ascontiguousarray(labels, np.int64).reshape(-1)
    bad = kernels.classification.sparse_costs(_rows(logits), ids, losses, slopes)
    if bad >= 0:
        raise _bad_label(ids[bad], logits.shape[-1])
    np.exp(slopes, out=slopes)
    kernels.classification.sparse_slopes(ids, losses, slopes)


def _run_scale_rows(out: Any, _: Any, g: Any, rows: Any) -> None:
    np.multiply(g[..., None], rows, out=out[0])


KERNELS["sigmoid"] = Kernel(_run_sigmoid, in_place=True)
KERNELS["sigmoid_cross_entropy"] = Kernel(_run_sigmoid_cross_entropy, in_place=True)
KERNELS["sigmoid_cross_entropy_grad"] = Kernel(_run_sigmoid_cross_entropy_grad, in_place=True)
KERNELS["softmax_cross_entropy"] = Kernel(_run_softmax_cross_entropy)
KERNELS["sparse_softmax_cross_entropy"] = Kernel(_run_sparse_softmax_cross_entropy)
KERNELS["scale_rows"] = Kernel(_run_scale_rows, in_place=True)
