"""`BinaryClassHead`: one of two classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.expr.tensor import Tensor
from estimators.export.outputs import SERVING_DEFAULT, ExportOutput, PredictOutput, RegressionOutput
from estimators.graph.primitives.classification import choose, repeat_rows, sigmoid, sigmoid_cross_entropy
from estimators.graph.primitives.labels import check_range, label_ids
from estimators.heads.classes import (
    at_thresholds,
    check_kind,
    checked_thresholds,
    checked_vocabulary,
    class_names,
    classification_output,
)
from estimators.heads.inputs import WeightColumn, shaped
from estimators.heads.single import SingleHead
from estimators.losses import Reduction
from estimators.metrics import Metric, accuracy, auc, mean, precision, recall
from estimators.metrics.base import ratio


class BinaryClassHead(SingleHead):
    """Predicts one of two classes, with sigmoid cross entropy.

    Labels are numbers between 0 and 1 or, with a label_vocabulary, text; ``[batch]`` or ``[batch, 1]``.
    Predictions: `logits` and `logistic` float32 ``[batch, 1]``, `probabilities` float32 ``[batch, 2]``,
    `class_ids` int64 and `classes` text ``[batch, 1]`` (logit 0 is class 0), `all_class_ids` int32 and
    `all_classes` text ``[batch, 2]``. Metrics: accuracy, accuracy_baseline, auc, auc_precision_recall,
    average_loss, label/mean, precision, prediction/mean, recall; for each threshold also
    ``accuracy/positive_threshold_<t>``, and the same of precision and recall.

    Args:
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        thresholds: Numbers above 0 and below 1.
        label_vocabulary: The two classes as text, if labels are text.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        loss_fn: ``loss_fn(labels, logits)``, which may take `features` too, returns the loss of each
            example ``[batch, 1]``; default sigmoid cross entropy.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    Raises:
        InvalidArgumentError: A threshold is out of range, the vocabulary does not hold two classes, there
            is no such reduction, or loss_fn takes other arguments.
        SpecError: An argument is something else.

    >>> head = BinaryClassHead(label_vocabulary=["no", "yes"])
    >>> head.metrics(["yes", "no", "no"], np.float32([[2.0], [-1.0], [1.0]]))["precision"].value()
    0.5
    """

    def __init__(
        self,
        weight_column: WeightColumn = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, loss_fn, name)
        self.thresholds = checked_thresholds(thresholds)
        self.label_vocabulary = checked_vocabulary(label_vocabulary, 2)

    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """See `SingleHead`."""
        logistic = sigmoid(logits)
        class_ids: Any = (logits > 0).astype(np.int64)
        names = class_names(2, self.label_vocabulary)
        return {
            "logits": logits,
            "logistic": logistic,
            "probabilities": np.concatenate([sigmoid(-logits), logistic], axis=-1),
            "class_ids": class_ids,
            "classes": choose(class_ids, names),
            "all_class_ids": repeat_rows(logits, np.array([0, 1], np.int32)),
            "all_classes": repeat_rows(logits, names),
        }

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return 0 or 1, positions in the vocabulary, or what is between."""
        check_kind(labels, self.label_vocabulary, "0 and 1")
        given: Any = shaped(labels, logits, 1, "a binary classifier has one label per example")
        if self.label_vocabulary is not None:
            given = label_ids(given, vocabulary=self.label_vocabulary, padded=False)
            return given.astype(np.float32)  # type: ignore[no-any-return]
        hint = "check the label column, or give a label_vocabulary; for more classes use MultiClassHead"
        result: Tensor = check_range(given.astype(np.float32), low=0, high=1, what="labels", hint=hint)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return sigmoid cross entropies."""
        result: Tensor = sigmoid_cross_entropy(logits, labels)
        return result

    def measures(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """See the class."""
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
            **at_thresholds(self.thresholds, labels, logistic, weights),
        }

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        classes = classification_output(predictions["probabilities"], class_names(2, self.label_vocabulary))
        return {
            SERVING_DEFAULT: classes,
            "classification": classes,
            "regression": RegressionOutput(predictions["logistic"]),
            "predict": PredictOutput(predictions),
        }


def _baseline(sums: Any) -> float:
    """Accuracy of always predicting the more frequent class; 0 over nothing."""
    share = ratio(sums[0], sums[1])
    return max(share, 1 - share) if sums[1] else 0.0
