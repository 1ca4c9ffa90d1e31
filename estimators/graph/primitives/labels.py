"""Checks of labels and weights, and labels as numbers. Models have them hoisted into the dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.primitives.lookup import vocabulary_lookup
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec, is_text
from estimators.graph.primitives.columns import multi_hot_counts


def _shown(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float | np.floating) else str(value)


def _check_range(_: int, values: Any, *, low: float, high: float, what: str, hint: str) -> Any:
    array = np.asarray(values)
    bad = ~((array >= low) & (array <= high) & np.isfinite(array))
    if bad.any():
        limits = f"between {_shown(low)} and {_shown(high)}" if high < np.inf else f"at least {_shown(low)}"
        raise InvalidArgumentError(
            f"{what} must be {limits}, and one is {_shown(array[bad].ravel()[0])}", hint=hint
        )
    return values


check_range = Primitive(
    "check_range",
    lambda values, *, low, high, what, hint: values.spec,
    _check_range,
    lambda: [
        ((np.array([0.0, 1.0]),), {"low": 0, "high": 1, "what": "labels", "hint": "check them"}),
        ((np.array([[3], [0]]),), {"low": 0, "high": np.inf, "what": "weights", "hint": "check them"}),
    ],
    elementwise=True,
)
"""Pass numbers on, and raise if one is out of range, infinite or NaN."""


def _sized_infer(values: Tensor, *, size: int, what: str, hint: str) -> TensorSpec:
    if not values.ndim or values.shape[-1] not in (None, size):
        raise SpecError(f"{what} {values.spec} do not have a last axis of size {size}", hint=hint)
    return TensorSpec((*values.shape[:-1], size), values.dtype)


def _sized(_: int, values: Any, *, size: int, what: str, hint: str) -> Any:
    if values.shape[-1] != size:
        raise InvalidArgumentError(
            f"{what} must have a last axis of size {size}, and it is {values.shape[-1]}", hint=hint
        )
    return values


sized = Primitive(
    "sized",
    _sized_infer,
    _sized,
    lambda: [((np.array([[1.0, 2.0]]),), {"size": 2, "what": "labels", "hint": "check them"})],
)
"""Pass values on, and raise if their last axis has another size, where that is not known before."""


def _label_ids_infer(labels: Tensor, *, vocabulary: tuple[str, ...], padded: bool) -> TensorSpec:
    if not is_text(labels.dtype):
        raise SpecError(f"a label_vocabulary looks up text, and the labels are {labels.spec}")
    return TensorSpec(labels.shape, np.int64)


def _label_ids(lead: int, labels: Any, *, vocabulary: tuple[str, ...], padded: bool) -> Any:
    ids = vocabulary_lookup.compute(lead, labels, vocabulary=vocabulary, default=-2)
    if "" in vocabulary and not padded:
        ids = np.where(ids == -1, vocabulary.index(""), ids)
    bad = np.ravel(ids < (-1 if padded else 0))
    if bad.any():
        label = labels.to_numpy().ravel()[bad.argmax()]
        text = label.decode(errors="replace") if isinstance(label, bytes) else label or ""
        raise InvalidArgumentError(
            f"the label {text!r} is not in label_vocabulary", hint=did_you_mean(text, vocabulary)
        )
    return ids


label_ids = Primitive(
    "label_ids",
    _label_ids_infer,
    _label_ids,
    lambda: [
        ((np.array(["b", "a"], object),), {"vocabulary": ("a", "b"), "padded": False}),
        ((np.array([["b", ""]], object),), {"vocabulary": ("a", "b"), "padded": True}),
    ],
    elementwise=True,
)
"""Position of text in `vocabulary`; an error names unknown text. With `padded`, '' and null are -1."""


def _multi_hot_infer(ids: Tensor, *, classes: int) -> TensorSpec:
    if not ids.ndim or ids.dtype.kind not in "iu":
        raise SpecError(f"ids of labels must be integers [batch, n], not {ids.spec}")
    return TensorSpec((*ids.shape[:-1], classes), np.float32)


def _multi_hot(_: int, ids: Any, *, classes: int) -> Any:
    rows = np.asarray(ids, np.int64).reshape(-1, np.shape(ids)[-1])
    bad = (rows < -1) | (rows >= classes)
    if bad.any():
        raise InvalidArgumentError(
            f"labels of {classes} classes must be between 0 and {classes - 1}, or -1 for none, and one is "
            f"{rows[bad][0]}",
            hint="check the label column and n_classes, or give a label_vocabulary",
        )
    counts = multi_hot_counts.compute(0, rows, num_buckets=classes)
    return np.minimum(counts, np.float32(1)).reshape(*np.shape(ids)[:-1], classes)


multi_hot = Primitive(
    "multi_hot",
    _multi_hot_infer,
    _multi_hot,
    lambda: [((np.array([[2, -1], [0, 1], [-1, -1]]),), {"classes": 3})],
)
"""1 at each class that is in a row of ids, float32 ``[..., classes]``; -1 stands for none."""
