"""The contract of heads, and the specs that they make."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor
from estimators import summary
from estimators.described import Described
from estimators.export.outputs import ExportOutput
from estimators.graph.scope import model_is_made
from estimators.graph.updates import TrainOp, group
from estimators.graph.variable import Variable
from estimators.losses import Reduction
from estimators.metrics import Metric, mean
from estimators.optimizers.base import Optimizer
from estimators.specs import EstimatorSpec, ModeKeys


@dataclasses.dataclass(frozen=True, eq=False)
class Judgement:
    """What labels say about logits.

    Args:
        loss: Of the batch, a scalar.
        metrics: Makes the metrics by name.
    """

    loss: Tensor
    metrics: Callable[[], dict[str, Metric]]


class Head(Described, ABC):
    """Turns logits into predictions, a loss and metrics.

    Attributes:
        name: Metrics are called ``<metric>/<name>``, if it is not None.
        logits_dimension: Size of the last axis of logits.
        loss_reduction: How the losses of examples become one number.
    """

    name: str | None
    logits_dimension: int
    loss_reduction: Reduction

    @abstractmethod
    def predictions(self, logits: Any, keys: Sequence[Any] | None = None) -> dict[Any, Tensor]:
        """Return what `predict` yields, by name.

        Args:
            logits: ``[batch, logits_dimension]``.
            keys: What is wanted; default all.

        Raises:
            InvalidArgumentError: The logits have another shape, or there is no such key.
        """

    @abstractmethod
    def judge(self, labels: Any, logits: Any, features: Any) -> Judgement:
        """Return loss and metrics, without regularization; arguments and errors as of `loss`."""

    @abstractmethod
    def export_outputs(self, predictions: Mapping[Any, Tensor]) -> dict[str, ExportOutput]:
        """Return what an exported model gives, by signature."""

    def loss(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        mode: str | None = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> Tensor:
        """Return the loss that is trained, a scalar.

        Args:
            labels: See the class.
            logits: ``[batch, logits_dimension]``.
            features: With the weights of examples, if there is a weight_column; for the loss_fn.
            mode: Not used.
            regularization_losses: Scalars that are added as they are.

        Raises:
            InvalidArgumentError: There are no labels, shapes do not fit, or, when it is computed, a label
                or weight is out of range.
            SpecError: Labels or weights have a dtype that is of no use.
        """
        penalty = total(regularization_losses)
        loss = self.judge(labels, logits, features).loss
        return loss if penalty is None else loss + penalty

    def metrics(
        self,
        labels: Any,
        logits: Any,
        features: Any = None,
        regularization_losses: Sequence[Any] | None = None,
    ) -> dict[str, Metric]:
        """Return the metrics by name; arguments and errors as of `loss`."""
        return self._metrics(self.judge(labels, logits, features), total(regularization_losses))

    def _metrics(self, judgement: Judgement, penalty: Tensor | None) -> dict[str, Metric]:
        added = {} if penalty is None else {self.key("regularization_loss"): mean(penalty)}
        return {**judgement.metrics(), **added}

    def key(self, metric: str) -> str:
        """Return the name of a metric of this head."""
        return metric if self.name is None else f"{metric}/{self.name}"

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
        """Return what a model function returns.

        Args:
            features: Of the model function.
            mode: Of the model function.
            logits: ``[batch, logits_dimension]``.
            labels: Of the model function; not used to predict.
            optimizer: Makes the loss smaller in training; this or `train_op_fn` is needed then.
            trainable_variables: What the optimizer changes; default all that the loss depends on.
            train_op_fn: From the loss to what a training step changes.
            update_ops: Other changes of a training step. Those of layers need not be given.
            regularization_losses: Scalars that are added to the loss as they are; see
                `estimators.losses.get_regularization_loss`.

        Raises:
            InvalidArgumentError: In training, both or none of optimizer and train_op_fn are given; see
                `loss` for others.
            SpecError: An argument is something else; see `loss` for others.
        """
        predictions = self.predictions(logits)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions, export_outputs=self.export_outputs(predictions))
        judgement, penalty = self.judge(labels, logits, features), total(regularization_losses)
        loss = judgement.loss if penalty is None else judgement.loss + penalty
        if mode == ModeKeys.TRAIN:
            train_op = _train_op(loss, optimizer, trainable_variables, train_op_fn)
            step = group(train_op, *(update_ops or ()))
            self._show(loss, penalty)
            return EstimatorSpec(mode, predictions, loss, step, self._metrics(judgement, penalty))
        metrics = self._metrics(judgement, penalty)
        return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)

    def _show(self, loss: Tensor, penalty: Tensor | None) -> None:
        """Add the summaries of training, if a model is being made."""
        if model_is_made():
            summary.scalar(self.key("loss"), loss)
            if penalty is not None:
                summary.scalar(self.key("regularization_loss"), penalty)


def _train_op(
    loss: Tensor,
    optimizer: Optimizer | None,
    variables: Sequence[Variable] | None,
    train_op_fn: Callable[[Tensor], TrainOp] | None,
) -> TrainOp:
    if (optimizer is None) == (train_op_fn is None):
        given = (
            "neither optimizer nor train_op_fn is" if optimizer is None else "optimizer and train_op_fn are"
        )
        raise InvalidArgumentError(f"{given} given", hint="give one of them to train")
    if train_op_fn is not None:
        return train_op_fn(loss)
    if not isinstance(optimizer, Optimizer):
        raise SpecError(
            f"optimizer must be one of estimators.optimizers, not {optimizer!r}",
            hint="give a function from the loss to a train op as train_op_fn",
        )
    return optimizer.minimize(loss, var_list=variables)


def total(regularization_losses: Sequence[Any] | None) -> Tensor | None:
    """Return the sum of scalars, None if there are none.

    Raises:
        SpecError: It is no list of scalars.
    """
    if not isinstance(regularization_losses, list | tuple | None):
        raise SpecError(
            f"regularization_losses must be a list of scalars, not {regularization_losses!r}",
            hint="[get_regularization_loss(logits)]",
        )
    found: Tensor | None = None
    for item in regularization_losses or ():
        tensor = as_tensor(item)
        if tensor.shape != () or tensor.dtype.kind not in "iuf":
            raise SpecError(f"a regularization loss must be a number, and one is {tensor.spec}")
        part: Any = tensor if tensor.dtype.kind == "f" else tensor.astype(np.float32)
        found = part if found is None else found + part
    return found
