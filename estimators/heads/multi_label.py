"""`MultiLabelHead`: any number of several classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.export.outputs import SERVING_DEFAULT, ExportOutput, PredictOutput
from estimators.graph.primitives.classification import repeat_rows, sigmoid, sigmoid_cross_entropy
from estimators.graph.primitives.labels import check_range, label_ids, multi_hot
from estimators.heads.classes import (
    at_thresholds,
    check_kind,
    checked_classes,
    checked_thresholds,
    checked_vocabulary,
    class_names,
    classification_output,
)
from estimators.heads.inputs import WeightColumn, shaped
from estimators.heads.single import SingleHead
from estimators.losses import Reduction
from estimators.metrics import Metric, auc, mean


class MultiLabelHead(SingleHead):
    """Predicts which of `n_classes` classes an example has, with sigmoid cross entropy.

    The loss of an example is the mean over the classes. Labels are one of

    * multi-hot ``[batch, n_classes]``: 1 for the classes of an example, 0 for others;
    * integers ``[batch, k]``, with k different from n_classes: the classes of an example, then -1;
    * with a label_vocabulary, text ``[batch, k]``: the classes of an example, then "".

    The second and third are what a padded batch makes of lists, and stand for tf's sparse tensors.
    Predictions: `logits` and `probabilities` float32, `classes` text (all of them), ``[batch, n_classes]``.
    Metrics: average_loss, auc and auc_precision_recall over all classes; for each threshold
    ``accuracy/positive_threshold_<t>``, and the same of precision and recall; for each chosen class
    ``probability_mean/class<i>``, ``auc/class<i>`` and ``auc_precision_recall/class<i>``, with the class
    in place of ``class<i>`` if there is a label_vocabulary.

    Args:
        n_classes: At least 2.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        thresholds: Numbers above 0 and below 1.
        label_vocabulary: The classes as text, if labels are text.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        loss_fn: ``loss_fn(labels, logits)``, which may take `features` too, returns the loss of each
            example ``[batch, 1]``; labels are multi-hot float32. Default sigmoid cross entropy.
        classes_for_class_based_metrics: Numbers, or text of the label_vocabulary.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    Raises:
        InvalidArgumentError: n_classes is below 2, a threshold or class is out of range, the vocabulary
            does not hold so many classes, there is no such reduction, or loss_fn takes other arguments.
        SpecError: An argument is something else.

    >>> head = MultiLabelHead(n_classes=3)
    >>> head.metrics([[2, 0], [1, -1]], np.float32([[1, -1, 1], [-1, 1, 1]]))["auc"].value()
    0.8333333333333334
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: WeightColumn = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str = Reduction.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., Any] | None = None,
        classes_for_class_based_metrics: Iterable[int | str] | None = None,
        name: str | None = None,
    ) -> None:
        classes = checked_classes(n_classes, 2, "for one class use BinaryClassHead")
        super().__init__(classes, weight_column, loss_reduction, loss_fn, name)
        self.thresholds = checked_thresholds(thresholds)
        self.label_vocabulary = checked_vocabulary(label_vocabulary, classes)
        if "" in (self.label_vocabulary or ()):
            raise InvalidArgumentError("label_vocabulary holds '', which fills up the labels of an example")
        chosen = tuple(classes_for_class_based_metrics or ())
        self.classes_for_class_based_metrics = tuple(map(self._class_id, chosen))

    def _class_id(self, item: Any) -> int:
        setting = "classes_for_class_based_metrics"
        if isinstance(item, str):
            names = self.label_vocabulary or ()
            if item not in names:
                raise InvalidArgumentError(
                    f"{setting} holds {item!r}, which is not in label_vocabulary",
                    hint=did_you_mean(item, names),
                )
            return names.index(item)
        if not isinstance(item, int | np.integer) or isinstance(item, bool):
            raise SpecError(f"{setting} must hold integers or text, and holds {item!r}")
        if not 0 <= item < self.logits_dimension:
            raise InvalidArgumentError(
                f"{setting} must be between 0 and {self.logits_dimension - 1}, and one is {item}"
            )
        return int(item)

    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """See `SingleHead`."""
        names = class_names(self.logits_dimension, self.label_vocabulary)
        return {
            "logits": logits,
            "probabilities": sigmoid(logits),
            "classes": repeat_rows(logits, names),
        }

    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return multi-hot labels, float32 ``[batch, n_classes]``."""
        n = self.logits_dimension
        check_kind(labels, self.label_vocabulary, "multi-hot labels and numbers of classes")
        given: Any = labels[..., None] if labels.ndim == logits.ndim - 1 else labels
        if self.label_vocabulary is not None:
            given = label_ids(given, vocabulary=self.label_vocabulary, padded=True)
        elif given.shape[-1] == n:
            hint = (
                f"labels with {n} columns are multi-hot; fill numbers of classes up to another length with -1"
            )
            given = check_range(given.astype(np.float32), low=0, high=1, what="multi-hot labels", hint=hint)
            return shaped(given, logits, n, hint)
        if given.dtype.kind not in "iu":
            raise SpecError(
                f"labels are {labels.spec}, and multi-hot labels have {n} columns",
                hint=f"check n_classes={n}; numbers of classes must be integers",
            )
        return shaped(multi_hot(given, classes=n), logits, n, "give one row of labels per example")

    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return means over the classes of sigmoid cross entropies."""
        result: Tensor = np.mean(sigmoid_cross_entropy(logits, labels), axis=-1, keepdims=True)
        return result

    def measures(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """See the class."""
        p = predictions["probabilities"]
        found = {
            "average_loss": mean(losses, weights),
            "auc": auc(labels, p, weights),
            "auc_precision_recall": auc(labels, p, weights, curve="PR"),
            **at_thresholds(self.thresholds, labels, p, weights),
        }
        for i in self.classes_for_class_based_metrics:
            name = self.label_vocabulary[i] if self.label_vocabulary else f"class{i}"
            label, share = labels[..., i : i + 1], p[..., i : i + 1]
            found[f"probability_mean/{name}"] = mean(share, weights)
            found[f"auc/{name}"] = auc(label, share, weights)
            found[f"auc_precision_recall/{name}"] = auc(label, share, weights, curve="PR")
        return found

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        names = class_names(self.logits_dimension, self.label_vocabulary)
        classes = classification_output(predictions["probabilities"], names)
        return {SERVING_DEFAULT: classes, "classification": classes, "predict": PredictOutput(predictions)}
