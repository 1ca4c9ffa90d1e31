"""`MultiClassHead`: one of several classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from estimators.export.outputs import SERVING_DEFAULT, ExportOutput, PredictOutput
from estimators.functions.activations import softmax
from estimators.graph.primitives.classification import choose, repeat_rows, sparse_softmax_cross_entropy
from estimators.graph.primitives.labels import check_range, label_ids
from estimators.heads.classes import (
    check_kind,
    checked_classes,
    checked_vocabulary,
    class_names,
    classification_output,
)
from estimators.heads.inputs import WeightColumn, shaped
from estimators.heads.single import SingleHead
from estimators.losses import Reduction
from estimators.metrics import Metric, accuracy, mean


class MultiClassHead(SingleHead):
    """Predicts one of `n_classes` classes, with softmax cross entropy.

    Labels are integers from 0 to n_classes - 1 or, with a label_vocabulary, text; ``[batch]`` or
    ``[batch, 1]``. Predictions: `logits` and `probabilities` float32 ``[batch, n_classes]``, `class_ids`
    int64 and `classes` text ``[batch, 1]`` (of equal logits the first), `all_class_ids` int32 and
    `all_classes` text ``[batch, n_classes]``. Metrics: accuracy, average_loss.

    Args:
        n_classes: At least 3.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        label_vocabulary: The classes as text, if labels are text.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        loss_fn: ``loss_fn(labels, logits)``, which may take `features` too, returns the loss of each
            example ``[batch, 1]``; labels are int64 ``[batch, 1]``. Default softmax cross entropy.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    Raises:
        InvalidArgumentError: n_classes is below 3, the vocabulary does not hold so many classes, there is
            no such reduction, or loss_fn takes other arguments.
        SpecError: An argument is something else.

    >>> head = MultiClassHead(n_classes=3)
    >>> head.metrics([2, 0], np.float32([[0.0, 0.0, 5.0], [0.0, 1.0, 0.0]]))["accuracy"].value()
    0.5
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: WeightColumn = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        classes = checked_classes(n_classes, 3, "for two classes use BinaryClassHead")
        super().__init__(classes, weight_column, loss_reduction, loss_fn, name)
        self.label_vocabulary = checked_vocabulary(label_vocabulary, classes)

    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """See `SingleHead`."""
        class_ids: Any = np.argmax(logits, axis=-1)[..., None]
        names = class_names(self.logits_dimension, self.label_vocabulary)
        return {
            "logits": logits,
            "probabilities": softmax(logits),
            "class_ids": class_ids,
            "classes": choose(class_ids, names),
            "all_class_ids": repeat_rows(logits, np.arange(self.logits_dimension, dtype=np.int32)),
            "all_classes": repeat_rows(logits, names),
        }

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return classes, int64 ``[batch, 1]``."""
        n = self.logits_dimension
        check_kind(labels, self.label_vocabulary, f"numbers from 0 to {n - 1}")
        given: Any = shaped(labels, logits, 1, "give each example the number of its class, not one-hot")
        if self.label_vocabulary is not None:
            return label_ids(given, vocabulary=self.label_vocabulary, padded=False)  # type: ignore[no-any-return]
        if labels.dtype.kind not in "iu":
            raise SpecError(
                f"labels of {n} classes must be integers, and are {labels.spec}",
                hint="convert them with .astype(np.int64), or predict numbers with RegressionHead",
            )
        hint = f"check the label column and n_classes={n}, or give a label_vocabulary"
        what = f"labels of {n} classes"
        result: Tensor = check_range(given.astype(np.int64), low=0, high=n - 1, what=what, hint=hint)
        return result

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return softmax cross entropies."""
        result: Tensor = sparse_softmax_cross_entropy(logits, labels[..., 0])[..., None]
        return result

    def measures(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """See the class."""
        return {
            "accuracy": accuracy(labels, predictions["class_ids"], weights),
            "average_loss": mean(losses, weights),
        }

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        names = class_names(self.logits_dimension, self.label_vocabulary)
        classes = classification_output(predictions["probabilities"], names)
        return {SERVING_DEFAULT: classes, "classification": classes, "predict": PredictOutput(predictions)}
