"""`SequentialHeadWrapper`: a head for each step of sequences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from dataflow.spec import is_text
from estimators.export.outputs import ExportOutput
from estimators.graph.primitives.labels import label_ids
from estimators.graph.primitives.shapes import size_of
from estimators.graph.updates import TrainOp
from estimators.graph.variable import Variable
from estimators.heads.base import Head, Judgement
from estimators.heads.inputs import one_tensor
from estimators.heads.single import SingleHead
from estimators.losses import Reduction
from estimators.optimizers.base import Optimizer
from estimators.specs import EstimatorSpec, ModeKeys


class SequentialHeadWrapper(Head):
    """Gives each step of sequences a label and a prediction; steps after the end do not count.

    Logits are ``[batch, time, logits_dimension]``, labels and weights ``[batch, time]``, with any values
    after the end. Predictions are those of the head at each step, and the mask by its name. With
    ``loss_reduction="sum_over_batch_size"`` the loss is divided by the number of steps that count.

    Args:
        static_head: The head of one step, any but a `MultiHead`; its weight_column must be text or None.
        sequence_length_mask: Feature ``[batch, time]`` that is true, or not 0, at steps that count.

    Raises:
        SpecError: An argument is something else.
        InvalidArgumentError: It is another kind of head.

    >>> from estimators.heads import BinaryClassHead
    >>> head = SequentialHeadWrapper(BinaryClassHead(), "mask")
    >>> logits = np.float32([[[3.0], [9.0]]])
    >>> head.metrics([[1, 0]], logits, {"mask": np.array([[True, False]])})["accuracy"].value()
    1.0
    """

    def __init__(self, static_head: Head, sequence_length_mask: str = "sequence_length_mask") -> None:
        if not isinstance(static_head, SingleHead):
            raise InvalidArgumentError(
                f"sequences cannot have the head {static_head!r}", hint="use a head with one kind of label"
            )
        if not isinstance(static_head.weight_column, str | None):
            raise SpecError(
                f"the weight_column of sequences must be a feature, not {static_head.weight_column!r}",
                hint="give the name of the feature",
            )
        if not isinstance(sequence_length_mask, str):
            raise SpecError(f"sequence_length_mask must be a feature, not {sequence_length_mask!r}")
        self.static_head = static_head
        self.sequence_length_mask = sequence_length_mask
        self.name, self.logits_dimension = static_head.name, static_head.logits_dimension
        self.loss_reduction = static_head.loss_reduction

    def predictions(self, logits: Any, keys: Sequence[Any] | None = None) -> dict[Any, Tensor]:
        """See `Head`; without the mask."""
        return self.static_head.predictions(logits, keys)

    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """See `Head`."""
        return self.static_head.export_outputs(predictions)

    def judge(self, labels: Any, logits: Any, features: Any) -> Judgement:
        """See `Head`: the mask is the weight of a step, or is multiplied with it."""
        mask = self.mask(features)
        head = copy.copy(self.static_head)
        given = _first_axes(one_tensor(labels), "labels")
        vocabulary = getattr(head, "label_vocabulary", None)
        if vocabulary is not None and is_text(given.dtype):
            given = label_ids(given, vocabulary=tuple(vocabulary), padded=True)
            head.label_vocabulary = None  # type: ignore[attr-defined]
        if head.weight_column is None:
            head.weight_column = self.sequence_length_mask
            weights: Any = mask.astype(np.float32)
        else:
            if head.weight_column not in features:
                raise InvalidArgumentError(f"there is no feature {head.weight_column!r} with weights")
            weights = _where(mask, _first_axes(as_tensor(features[head.weight_column]), "weights"))
        judged = head.judge(_where(mask, given), logits, {**features, str(head.weight_column): weights})
        if self.loss_reduction is not Reduction.SUM_OVER_BATCH_SIZE:
            return judged
        count: Any = np.maximum(np.sum(mask.astype(np.float32)), np.float32(1))
        return Judgement(judged.loss * (size_of(mask, dtype="float32") / count), judged.metrics)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Optimizer | None = None,
        trainable_variables: Sequence[Variable] | None = None,
        train_op_fn: Callable[[Tensor], TrainOp] | None = None,
        update_ops: Sequence[TrainOp] | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> EstimatorSpec:
        """See `Head`; the mask is one of the predictions."""
        spec = super().create_estimator_spec(
            features,
            mode,
            logits,
            labels,
            optimizer,
            trainable_variables,
            train_op_fn,
            update_ops,
            regularization_losses,
        )
        if mode != ModeKeys.PREDICT:
            return spec
        predictions: Any = spec.predictions
        return spec._replace(predictions={**predictions, self.sequence_length_mask: self.mask(features)})

    def mask(self, features: Any) -> Tensor:
        """Return which steps count, bool ``[batch, time]``.

        Raises:
            InvalidArgumentError: There is no such feature, or it has other axes.
        """
        if not isinstance(features, Mapping) or self.sequence_length_mask not in features:
            raise InvalidArgumentError(
                f"there is no feature {self.sequence_length_mask!r}, the mask of sequences",
                hint="add [batch, time] booleans to the features",
            )
        given: Any = as_tensor(features[self.sequence_length_mask])
        if given.ndim != 2 or is_text(given.dtype):
            raise InvalidArgumentError(
                f"the mask {self.sequence_length_mask!r} must be booleans [batch, time], not {given.spec}"
            )
        return given if given.dtype == np.bool_ else given != 0  # type: ignore[no-any-return]


def _first_axes(value: Tensor, what: str) -> Tensor:
    """Return a tensor, or raise if it has no time axis."""
    if value.ndim < 2:
        raise InvalidArgumentError(
            f"{what} of sequences have shape {value.shape}, and ('batch', 'time') is needed",
            hint="give one for each step, padded as the features are; or return_sequences=False",
        )
    return value


def _where(mask: Any, value: Tensor) -> Tensor:
    """Return a tensor with 0 at steps that do not count."""
    if is_text(value.dtype):
        return value  # the head says what is wrong
    seen = mask[(..., *(None,) * (value.ndim - 2))]
    return np.where(seen, value, np.zeros((), value.dtype))  # type: ignore[return-value]
