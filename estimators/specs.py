"""Modes, and what a model function returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.updates import TrainOp
from estimators.metrics.base import Metric


class ModeKeys:
    """What a model is built for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


@dataclasses.dataclass(frozen=True, eq=False)
class EstimatorSpec:
    """A model in one mode.

    Args:
        mode: One of `ModeKeys`.
        predictions: Tensors by name; needed to predict.
        loss: A scalar; needed to train and to evaluate.
        train_op: What a training step changes; needed to train.
        eval_metric_ops: Metrics by name.

    Raises:
        InvalidArgumentError: Something that the mode needs is missing, the loss is no scalar, or a metric
            is called "loss" or "global_step", which are there anyway.
        SpecError: A prediction is no tensor, or a metric no `Metric`.

    >>> EstimatorSpec("train")
    Traceback (most recent call last):
    dataflow.errors.InvalidArgumentError: EstimatorSpec for mode 'train' is missing loss and train_op
    """

    mode: str
    predictions: Mapping[str, Tensor] | None = None
    loss: Tensor | None = None
    train_op: TrainOp | None = None
    eval_metric_ops: Mapping[str, Metric] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        needed = {
            ModeKeys.TRAIN: ("loss", "train_op"),
            ModeKeys.EVAL: ("loss",),
            ModeKeys.PREDICT: ("predictions",),
        }
        if self.mode not in needed:
            raise InvalidArgumentError(f"mode must be one of {sorted(needed)}, not {self.mode!r}")
        missing = [name for name in needed[self.mode] if getattr(self, name) is None]
        if missing:
            raise InvalidArgumentError(
                f"EstimatorSpec for mode {self.mode!r} is missing {' and '.join(missing)}"
            )
        if self.loss is not None and self.loss.shape != ():
            raise InvalidArgumentError(
                f"the loss must be a scalar, and is {self.loss.spec}", hint="reduce it with .mean() or .sum()"
            )
        for kind, given, wanted in (
            ("prediction", self.predictions or {}, Tensor),
            ("metric", self.eval_metric_ops, Metric),
        ):
            for name, value in given.items():
                if not isinstance(value, wanted):
                    raise SpecError(f"{kind} {name!r} must be a {wanted.__name__}, not {value!r}")
        reserved = {"loss", "global_step"} & set(self.eval_metric_ops)
        if reserved:
            raise InvalidArgumentError(f"metrics cannot be called {sorted(reserved)}")
