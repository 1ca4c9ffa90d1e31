"""Checks of what heads are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import is_text
from estimators.feature_column.base import raw_feature
from estimators.feature_column.numeric import NumericColumn
from estimators.graph.primitives.labels import check_range, sized
from estimators.losses.inputs import fits

WeightColumn: TypeAlias = str | NumericColumn | None


def checked_logits(logits: Any, size: int) -> Tensor:
    """Return logits as float32.

    Raises:
        SpecError: They are no numbers.
        InvalidArgumentError: They are not ``[batch, size]``; more axes between are allowed.
    """
    given = as_tensor(logits)
    if given.dtype.kind not in "iuf":
        raise SpecError(f"logits must be numbers, and are {given.spec}")
    if given.ndim < 2 or given.shape[-1] not in (None, size):
        raise InvalidArgumentError(
            f"logits have shape {given.shape}, and {('batch', size)} is needed",
            hint=f"the last layer must have {size} units: head.logits_dimension",
        )
    result: Tensor = given if given.dtype == np.float32 else given.astype(np.float32)
    return result


def one_tensor(labels: Any) -> Tensor:
    """Return labels as a tensor with a batch axis.

    Raises:
        InvalidArgumentError: There are none, or there is no batch axis.
        SpecError: There are several.
    """
    if labels is None:
        raise InvalidArgumentError(
            "there are no labels",
            hint="the input_fn must give pairs (features, labels) to train and evaluate",
        )
    if isinstance(labels, Mapping):
        raise SpecError(
            f"labels must be one tensor, and are a dict of {sorted(map(str, labels))}",
            hint="choose one of them, or use a MultiHead with heads of these names",
        )
    result = as_tensor(labels)
    if not result.ndim:
        raise InvalidArgumentError("the labels have no batch axis", hint="batch the dataset: .batch(128)")
    return result


def shaped(labels: Tensor, logits: Tensor, size: int, hint: str) -> Tensor:
    """Return labels with the shape of the logits but for the last axis; without that one they get it.

    Raises:
        InvalidArgumentError: They have another shape.
    """
    wanted = (*logits.shape[:-1], size)
    given: Any = labels[..., None] if labels.ndim == logits.ndim - 1 else labels
    if not fits(given.shape, wanted):
        shown = ("batch", *wanted[1:]) if wanted[0] is None else wanted
        raise InvalidArgumentError(f"labels have shape {labels.shape}, and {shown} is needed", hint=hint)
    result: Tensor = given if given.shape[-1] == size else sized(given, size=size, what="labels", hint=hint)
    return result


def checked_weight_column(column: Any) -> WeightColumn:
    """Return it.

    Raises:
        SpecError: It is neither a key, nor a `numeric_column`, nor None.
    """
    if not isinstance(column, str | NumericColumn | None):
        raise SpecError(f"weight_column must be a feature or a numeric_column, not {column!r}")
    return column


def weights_of(features: Any, column: WeightColumn, logits: Tensor, *, per_logit: bool) -> Tensor | None:
    """Return weights that broadcast against losses, float32 ``[batch, 1]``.

    Args:
        features: A dict, if there is a column.
        column: The weight_column of a head.
        logits: For the shape.
        per_logit: Whether ``[batch, logits]`` is allowed too.

    Raises:
        InvalidArgumentError: There is no such feature, it has another shape, or, when it is computed, a
            weight is negative, infinite or NaN.
        SpecError: It is text, or features are no dict.
    """
    if column is None:
        return None
    name = column if isinstance(column, str) else column.name
    if not isinstance(features, Mapping):
        raise SpecError(
            f"the weight_column {name!r} is a feature, and features are no dict but {features!r}",
            hint="give features as a dict: ({'x': x, 'weight': weight}, label)",
        )
    if name not in features:
        raise InvalidArgumentError(
            f"the features have no {name!r}, which is the weight_column", hint=did_you_mean(name, features)
        )
    weights: Any = raw_feature(features, column) if isinstance(column, str) else column.dense(features)
    if is_text(weights.dtype):
        raise SpecError(
            f"the weight_column {name!r} holds {weights.spec}, not numbers",
            hint="decode it as a number: .astype(np.float32) in map",
        )
    if weights.ndim == logits.ndim - 1:
        weights = weights[..., None]
    sizes = (1, logits.shape[-1]) if per_logit else (1,)
    if not any(fits(weights.shape, (*logits.shape[:-1], size)) for size in sizes):
        raise InvalidArgumentError(
            f"the weight_column {name!r} has shape {weights.shape}, and logits {logits.shape}",
            hint="give one weight per example",
        )
    hint = "correct or filter such examples; 0 leaves an example out of loss and metrics"
    if weights.shape[-1] is None and not per_logit:
        weights = sized(
            weights, size=1, what=f"the weight_column {name!r}", hint="give one weight per example"
        )
    what = f"weights in the weight_column {name!r}"
    result: Tensor = check_range(weights.astype(np.float32), low=0, high=np.inf, what=what, hint=hint)
    return result
