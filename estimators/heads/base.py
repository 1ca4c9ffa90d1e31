"""What heads share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators.feature_column.base import Features, raw_feature
from estimators.feature_column.numeric import NumericColumn
from estimators.losses import as_reduction, reduce_loss
from estimators.metrics.base import Metric
from estimators.graph.updates import TrainOp
from estimators.specs import EstimatorSpec, ModeKeys

WeightColumn: TypeAlias = str | NumericColumn | None


class Head(ABC):
    """Turns logits ``[batch, logits_dimension]`` into an `EstimatorSpec`.

    Args:
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        loss_reduction: "sum_over_batch_size" or "sum".

    Raises:
        InvalidArgumentError: There is no such loss reduction.
        SpecError: The weight column is something else.
    """

    logits_dimension: int = 1

    def __init__(
        self, weight_column: WeightColumn = None, loss_reduction: str = "sum_over_batch_size"
    ) -> None:
        if not isinstance(weight_column, str | NumericColumn | None):
            raise SpecError(f"weight_column must be a feature or a numeric_column, not {weight_column!r}")
        self.weight_column = weight_column
        self.loss_reduction = as_reduction(loss_reduction)

    @abstractmethod
    def predictions(self, logits: Tensor) -> dict[str, Tensor]:
        """Return what `predict` yields, by name."""

    @abstractmethod
    def checked_labels(self, labels: Tensor) -> Tensor:
        """Return labels as float32 ``[batch, d]``; called with at least two axes."""

    @abstractmethod
    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return the loss of each example, ``[batch, d]``."""

    @abstractmethod
    def metrics(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """Return what `evaluate` gives, by name."""

    def create_estimator_spec(
        self,
        features: Features,
        mode: str,
        logits: Tensor,
        labels: Tensor | None,
        minimize: Callable[[Tensor], TrainOp],
    ) -> EstimatorSpec:
        """Return the model in a mode; `minimize` makes the updates of a training step from the loss."""
        predictions = self.predictions(logits)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions)
        labels = self.checked_labels(_labels(labels))
        weights = self._weights(features, labels)
        losses = self.losses(labels, logits)
        loss = reduce_loss(losses, weights, self.loss_reduction)
        if mode == ModeKeys.TRAIN:
            return EstimatorSpec(mode, predictions, loss, minimize(loss))
        return EstimatorSpec(
            mode, predictions, loss, eval_metric_ops=self.metrics(labels, predictions, losses, weights)
        )

    def _weights(self, features: Features, labels: Tensor) -> Tensor | None:
        """Return weights that broadcast against losses, float32 ``[batch, 1]`` or the labels' shape."""
        column = self.weight_column
        if column is None:
            return None
        if isinstance(column, NumericColumn):
            return column.dense(features)
        weights = raw_feature(features, column)
        if is_text(weights.dtype):
            raise SpecError(f"the weight_column {column!r} holds {weights.spec}, not numbers")
        if weights.ndim != 2 or weights.shape[1] not in (None, 1, labels.shape[1]):
            raise InvalidArgumentError(
                f"the weight_column {column!r} has shape {weights.shape}, and there is one loss for each of "
                f"{labels.shape} labels",
                hint="give one weight per example",
            )
        result: Tensor = weights.astype(np.float32)
        return result


def _labels(labels: Tensor | None) -> Tensor:
    if labels is None:
        raise InvalidArgumentError(
            "there are no labels",
            hint="the input_fn must give pairs (features, labels) to train and evaluate",
        )
    if not isinstance(labels, Tensor):
        raise SpecError(f"labels must be one tensor, not {type(labels).__name__}")
    if not labels.ndim:
        raise InvalidArgumentError("the labels have no batch axis", hint="batch the dataset: .batch(128)")
    result: Tensor = labels[:, None] if labels.ndim == 1 else labels
    return result


def check_last_dimension(labels: Tensor, size: int, hint: str) -> None:
    """Raise `InvalidArgumentError` unless labels are ``[batch, size]``."""
    if labels.ndim != 2 or labels.shape[1] not in (None, size):
        raise InvalidArgumentError(
            f"labels have shape {labels.shape}, and {('batch', size)} is needed", hint=hint
        )
