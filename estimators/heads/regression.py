"""Heads that predict numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators.export.outputs import SERVING_DEFAULT, ExportOutput, PredictOutput, RegressionOutput
from estimators.graph.primitives.classification import sigmoid, sigmoid_cross_entropy
from estimators.graph.primitives.labels import check_range
from estimators.heads.inputs import WeightColumn, shaped
from estimators.heads.single import SingleHead
from estimators.losses import Reduction, log_poisson_loss, squared_error
from estimators.losses.inputs import fits
from estimators.metrics import Metric, mean


class RegressionHead(SingleHead):
    """Predicts `label_dimension` numbers per example, with squared error.

    Labels are numbers ``[batch, label_dimension]``, or ``[batch]`` if that is 1. There is a loss for each
    number. Predictions: `predictions`, and `logits` too if there is an inverse_link_fn, both float32
    ``[batch, label_dimension]``. Metrics: average_loss, label/mean, prediction/mean.

    Args:
        label_dimension: Numbers to predict per example.
        weight_column: Feature with the weight of each example (or of each number), or a `numeric_column`
            of it, or None.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        loss_fn: ``loss_fn(labels, logits)``, which may take `features` too, returns the loss of each
            number ``[batch, label_dimension]``; default squared error.
        inverse_link_fn: From logits to predictions; default the logits.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    Raises:
        InvalidArgumentError: label_dimension is below 1, there is no such reduction, or loss_fn takes
            other arguments.
        SpecError: An argument is something else.

    >>> head = RegressionHead()
    >>> head.metrics([1.0, 4.0], np.float32([[2.0], [2.0]]))["average_loss"].value()
    2.5
    """

    per_logit = True

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., Any] | None = None,
        inverse_link_fn: Callable[[Tensor], Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(label_dimension, int) or isinstance(label_dimension, bool):
            raise SpecError(f"label_dimension must be an integer, not {label_dimension!r}")
        if label_dimension < 1:
            raise InvalidArgumentError(f"label_dimension must be at least 1, not {label_dimension}")
        if inverse_link_fn is not None and not callable(inverse_link_fn):
            raise SpecError(f"inverse_link_fn must be a function, not {inverse_link_fn!r}")
        super().__init__(label_dimension, weight_column, loss_reduction, loss_fn, name)
        self._inverse_link_fn = inverse_link_fn

    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """See `SingleHead`."""
        if self._inverse_link_fn is None:
            return {"predictions": logits}
        values = self._inverse_link_fn(logits)
        if not isinstance(values, Tensor) or not fits(values.shape, logits.shape):
            raise SpecError(f"inverse_link_fn must return a tensor of shape {logits.shape}, not {values!r}")
        return {"predictions": values, "logits": logits}

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return numbers, as many as logits."""
        if is_text(labels.dtype):
            raise SpecError(
                f"labels of a regression must be numbers, and are {labels.spec}",
                hint="decode them as numbers: .astype(np.float32) in map; or predict classes",
            )
        hint = f"label_dimension={labels.shape[-1]}, or give {self.logits_dimension} numbers per example"
        result: Tensor = shaped(labels, logits, self.logits_dimension, hint).astype(np.float32)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return squared errors."""
        return squared_error(labels, logits)

    def measures(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """Return weighted means of loss, label and prediction."""
        return {
            "average_loss": mean(losses, weights),
            "label/mean": mean(labels, weights),
            "prediction/mean": mean(predictions["predictions"], weights),
        }

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        values = RegressionOutput(predictions["predictions"])
        return {SERVING_DEFAULT: values, "regression": values, "predict": PredictOutput(predictions)}


class PoissonRegressionHead(RegressionHead):
    """Predicts counts: e^logit is the mean of a Poisson distribution.

    The loss is `log_poisson_loss`. Labels are at least 0; predictions are `predictions` and `logits`. All
    else is as of `RegressionHead`.

    Args:
        label_dimension: Numbers to predict per example.
        weight_column: As of `RegressionHead`.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        compute_full_loss: Whether the loss holds an approximation of ln(label!), which changes nothing
            that is learned.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    >>> head = PoissonRegressionHead(compute_full_loss=False)
    >>> round(head.metrics([1, 4], np.float32([[0.0], [1.0]]))["average_loss"].value(), 4)
    -0.1409
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(label_dimension, weight_column, loss_reduction, None, np.exp, name)
        self._compute_full_loss = bool(compute_full_loss)

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return counts."""
        counts = super().checked_labels(labels, logits)
        hint = "check the label column; RegressionHead takes any numbers"
        result: Tensor = check_range(counts, low=0, high=np.inf, what="counts", hint=hint)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return negative log likelihoods."""
        return log_poisson_loss(labels, logits, self._compute_full_loss)


class LogisticRegressionHead(RegressionHead):
    """Predicts a probability with sigmoid cross entropy, from labels between 0 and 1.

    Predictions are `predictions` (the sigmoid of the logits) and `logits`. All else is as of
    `RegressionHead`.

    Args:
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    >>> head = LogisticRegressionHead()
    >>> round(head.metrics([0.25, 1.0], np.float32([[0.0], [0.0]]))["average_loss"].value(), 4)
    0.6931
    """

    def __init__(
        self,
        weight_column: WeightColumn = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, None, sigmoid, name)

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return probabilities."""
        shares = super().checked_labels(labels, logits)
        hint = "check the label column, or use RegressionHead"
        result: Tensor = check_range(shares, low=0, high=1, what="labels", hint=hint)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return sigmoid cross entropies."""
        result: Tensor = sigmoid_cross_entropy(logits, labels)
        return result
