"""`RegressionHead`: numbers, with squared error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from dataflow.spec import is_text
from estimators.heads.base import Head, WeightColumn, check_last_dimension
from estimators.losses import squared_error
from estimators.metrics import Metric, mean


class RegressionHead(Head):
    """Predicts `label_dimension` numbers per example.

    >>> RegressionHead(label_dimension=2).logits_dimension
    2
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: WeightColumn = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(weight_column, loss_reduction)
        if label_dimension < 1:
            raise InvalidArgumentError(f"label_dimension must be at least 1, not {label_dimension}")
        self.logits_dimension = label_dimension

    def predictions(self, logits: Tensor) -> dict[str, Tensor]:
        """The logits."""
        return {"predictions": logits}

    def checked_labels(self, labels: Tensor) -> Tensor:
        """Numbers, as many per example as logits."""
        if is_text(labels.dtype):
            raise SpecError(f"labels of a regression must be numbers, and are {labels.spec}")
        check_last_dimension(labels, self.logits_dimension, f"label_dimension={labels.shape[-1]}")
        result: Tensor = labels.astype(np.float32)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Squared errors."""
        return squared_error(labels, logits)

    def metrics(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """Weighted means of loss, label and prediction."""
        return {
            "average_loss": mean(losses, weights),
            "label/mean": mean(labels, weights),
            "prediction/mean": mean(predictions["predictions"], weights),
        }
