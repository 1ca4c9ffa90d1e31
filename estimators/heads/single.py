"""What heads for one kind of label share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.heads.base import Head, Judgement
from estimators.heads.inputs import (
    WeightColumn,
    checked_logits,
    checked_weight_column,
    one_tensor,
    weights_of,
)
from estimators.heads.loss_fn import LossFunction
from estimators.losses import as_reduction, reduce_loss
from estimators.metrics import Metric


class SingleHead(Head):
    """A head with one tensor of labels.

    Args:
        logits_dimension: Size of the last axis of logits.
        weight_column: Feature with the weight of each example, or a `numeric_column` of it, or None.
        loss_reduction: One of `estimators.losses.Reduction` but `NONE`.
        loss_fn: Makes the losses of examples, ``[batch, losses_dimension]``; None: the head's own.
        name: Metrics are called ``<metric>/<name>``, if it is not None.

    Raises:
        InvalidArgumentError: There is no such reduction, or loss_fn takes other arguments.
        SpecError: An argument is something else.
    """

    per_logit: ClassVar[bool] = False
    """Whether there is a label, a loss and, if wanted, a weight for each logit."""

    def __init__(
        self,
        logits_dimension: int,
        weight_column: WeightColumn,
        loss_reduction: str,
        loss_fn: Callable[..., Any] | None,
        name: str | None,
    ) -> None:
        if not isinstance(name, str | None):
            raise SpecError(f"the name of a head must be text, not {name!r}")
        self.logits_dimension = logits_dimension
        self.weight_column = checked_weight_column(weight_column)
        self.loss_reduction = as_reduction(loss_reduction)
        self.name = name
        self._loss_fn = None if loss_fn is None else LossFunction(loss_fn)

    @abstractmethod
    def predicted(self, logits: Tensor) -> dict[str, Tensor]:
        """Return all predictions by name."""

    @abstractmethod
    def checked_labels(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return labels as losses and metrics need them."""

    @abstractmethod
    def losses(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return the losses, ``[batch, 1]``, or for each logit."""

    @abstractmethod
    def measures(
        self, labels: Tensor, predictions: Mapping[str, Tensor], losses: Tensor, weights: Tensor | None
    ) -> dict[str, Metric]:
        """Return the metrics, without the name of the head."""

    def predictions(self, logits: Any, keys: Sequence[Any] | None = None) -> dict[Any, Tensor]:
        """See `Head`."""
        found = self.predicted(checked_logits(logits, self.logits_dimension))
        for key in keys or ():
            if key not in found:
                raise InvalidArgumentError(
                    f"{type(self).__name__} has no prediction {key!r}", hint=did_you_mean(str(key), found)
                )
        return {key: value for key, value in found.items() if not keys or key in keys}

    def judge(self, labels: Any, logits: Any, features: Any) -> Judgement:
        """See `Head`."""
        z = checked_logits(logits, self.logits_dimension)
        y = self.checked_labels(one_tensor(labels), z)
        weights = weights_of(features, self.weight_column, z, per_logit=self.per_logit)
        if self._loss_fn is None:
            losses = self.losses(y, z)
        else:
            size = self.logits_dimension if self.per_logit else 1
            losses = self._loss_fn(y, z, features, self.loss_reduction, size)

        def metrics() -> dict[str, Metric]:
            measures = self.measures(y, self.predicted(z), losses, weights)
            return {self.key(name): metric for name, metric in measures.items()}

        return Judgement(reduce_loss(losses, weights, self.loss_reduction), metrics)
