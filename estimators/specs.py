"""Modes, and what a model function returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.metrics.base import Metric
from estimators.optimizers.base import TrainOp


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
    """

    mode: str
    predictions: Mapping[str, Tensor] | None = None
    loss: Tensor | None = None
    train_op: TrainOp | None = None
    eval_metric_ops: Mapping[str, Metric] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        needed = {ModeKeys.TRAIN: ("loss", "train_op"), ModeKeys.EVAL: ("loss",), ModeKeys.PREDICT: ("predictions",)}
        if self.mode not in needed:
            raise InvalidArgumentError(f"mode must be one of {sorted(needed)}, not {self.mode!r}")
        missing = [name for name in needed[self.mode] if getattr(self, name) is None]
        if missing:
            raise InvalidArgumentError(f"EstimatorSpec for mode {self.mode!r} is missing {' and '.join(missing)}")
        reserved = {"loss", "global_step"} & set(self.eval_metric_ops)
        if reserved:
            raise InvalidArgumentError(f"metrics cannot be called {sorted(reserved)}")
