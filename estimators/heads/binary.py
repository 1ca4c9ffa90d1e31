"""`BinaryClassHead`: two classes, with sigmoid cross entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.primitives.lookup import vocabulary_lookup
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import is_text
from estimators.graph.primitives.classification import (
    check_range,
    choose,
    repeat_rows,
    sigmoid,
    sigmoid_cross_entropy,
)
from estimators.heads.base import Head, WeightColumn, check_last_dimension
from estimators.metrics import Metric, accuracy, auc, mean, precision, recall
from estimators.metrics.base import ratio


class BinaryClassHead(Head):
    """Predicts one of two classes.

    Args:
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The two classes as text, if labels are text.
        loss_reduction: "sum_over_batch_size" or "sum".

    >>> BinaryClassHead(label_vocabulary=["no", "yes"]).logits_dimension
    1
    """

    def __init__(
        self,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(weight_column, loss_reduction)
        if label_vocabulary is not None and (
            not isinstance(label_vocabulary, list | tuple) or len(label_vocabulary) != 2
        ):
            raise InvalidArgumentError(
                f"label_vocabulary must be a list of two classes, not {label_vocabulary!r}"
            )
        self.label_vocabulary = None if label_vocabulary is None else tuple(label_vocabulary)

    def predictions(self, logits: Tensor) -> dict[str, Tensor]:
        """Everything that tf.estimator gives for two classes."""
        logistic = sigmoid(logits)
        class_ids = (logits > 0).astype(np.int64)
        classes = as_tensor(np.array(self.label_vocabulary or ("0", "1"), object))
        return {
            "logits": logits,
            "logistic": logistic,
            "probabilities": np.concatenate([1.0 - logistic, logistic], axis=1),
            "class_ids": class_ids,
            "classes": choose(class_ids, classes),
            "all_class_ids": repeat_rows(logits, np.array([0, 1], np.int32)),
            "all_classes": repeat_rows(logits, classes),
        }

    def checked_labels(self, labels: Tensor) -> Tensor:
        """0 or 1, or positions in the vocabulary."""
        check_last_dimension(labels, 1, "a binary classifier has one label per example")
        if is_text(labels.dtype) != (self.label_vocabulary is not None):
            kind = "text" if is_text(labels.dtype) else "numbers"
            raise SpecError(
                f"labels are {kind}, and the head has "
                f"{'no' if self.label_vocabulary is None else 'a'} label_vocabulary",
                hint="give label_vocabulary=[negative, positive] for text, and none for 0 and 1",
            )
        if self.label_vocabulary is not None:
            labels = vocabulary_lookup(labels, vocabulary=self.label_vocabulary, default=-1)
        what = "labels" if self.label_vocabulary is None else "positions of labels in label_vocabulary"
        result: Tensor = check_range(labels.astype(np.float32), low=0.0, high=1.0, what=what)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Sigmoid cross entropy."""
        result: Tensor = sigmoid_cross_entropy(logits, labels)
        return result

    def metrics(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """The metrics of tf.estimator's v2 head."""
        logistic, ids = predictions["logistic"], predictions["class_ids"]
        label_mean = mean(labels, weights)
        baseline = Metric(label_mean.inputs, label_mean.shape, label_mean.update, _baseline)
        return {
            "accuracy": accuracy(labels, ids, weights),
            "accuracy_baseline": baseline,
            "auc": auc(labels, logistic, weights),
            "auc_precision_recall": auc(labels, logistic, weights, curve="PR"),
            "average_loss": mean(losses, weights),
            "label/mean": label_mean,
            "precision": precision(labels, ids, weights),
            "prediction/mean": mean(logistic, weights),
            "recall": recall(labels, ids, weights),
        }


def _baseline(sums: Any) -> float:
    """Accuracy of always predicting the more frequent class; 0 over nothing."""
    share = ratio(sums[0], sums[1])
    return max(share, 1 - share) if sums[1] else 0.0
