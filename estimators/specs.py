"""Modes, and what a model function returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.export.outputs import ExportOutput, with_default
from estimators.graph.updates import TrainOp
from estimators.graph.variable import Array
from estimators.hooks.base import SessionRunHook, checked
from estimators.metrics.base import Metric


class ModeKeys:
    """What a model is built for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


@dataclasses.dataclass(frozen=True)
class Scaffold:
    """How a model starts where there is no checkpoint.

    Args:
        init_fn: ``init_fn(values)``, called once when the variables have their first values (after a warm
            start), with a dict of arrays by name. It may change the arrays, or return a dict of arrays
            to take in place of some. It is not called where a checkpoint is read.

    >>> scaffold = Scaffold(init_fn=lambda values: {"bias": values["bias"] + 1.0})
    """

    init_fn: Callable[[dict[str, Array]], Mapping[str, Array] | None] | None = None

    def __post_init__(self) -> None:
        if self.init_fn is not None and not callable(self.init_fn):
            raise SpecError(f"init_fn must be a function, not {self.init_fn!r}")


@dataclasses.dataclass(frozen=True, eq=False)
class EstimatorSpec:
    """A model in one mode.

    Args:
        mode: One of `ModeKeys`.
        predictions: Tensors by name, or one tensor; needed to predict.
        loss: One number; needed to train and to evaluate.
        train_op: What a training step changes, as `minimize` returns it; needed to train.
        eval_metric_ops: Metrics by name.
        export_outputs: What an exported model gives, by signature; default the predictions. Of several
            one must be called "serving_default".
        training_chief_hooks: Hooks of training, called before those given to `train`.
        training_hooks: Hooks of training, called after those given to `train`.
        scaffold: How the model starts.
        evaluation_hooks: Hooks of evaluation, called after those given to `evaluate`.
        prediction_hooks: Hooks of prediction, called after those given to `predict`.

    Raises:
        InvalidArgumentError: Something that the mode needs is missing, the loss is not one number, or a
            metric is called "loss" or "global_step", which are there anyway.
        SpecError: A prediction is no tensor, a metric no `Metric`, a hook no `SessionRunHook` …

    >>> EstimatorSpec("eval")
    Traceback (most recent call last):
    dataflow.errors.InvalidArgumentError: EstimatorSpec for mode 'eval' is missing loss
    """

    mode: str
    predictions: Mapping[str, Tensor] | Tensor | None = None
    loss: Tensor | None = None
    train_op: TrainOp | None = None
    eval_metric_ops: Mapping[str, Metric] = dataclasses.field(default_factory=dict)
    export_outputs: Mapping[str, ExportOutput] | None = None
    training_chief_hooks: Sequence[SessionRunHook] = ()
    training_hooks: Sequence[SessionRunHook] = ()
    scaffold: Scaffold | None = None
    evaluation_hooks: Sequence[SessionRunHook] = ()
    prediction_hooks: Sequence[SessionRunHook] = ()

    def __post_init__(self) -> None:
        self._check_needed()
        if self.loss is not None:
            object.__setattr__(self, "loss", _one_number(self.loss))
        if self.train_op is not None and not isinstance(self.train_op, TrainOp):
            raise SpecError(
                f"train_op must be what optimizer.minimize returns, not {self.train_op!r}",
                hint="join several with group(first, second)",
            )
        predictions: Any = self.predictions
        if predictions is not None and not isinstance(predictions, Mapping | Tensor):
            raise SpecError(f"predictions must be a dict of tensors, or a Tensor, not {predictions!r}")
        _check_each("prediction", predictions if isinstance(predictions, Mapping) else {}, Tensor, None)
        metrics: Any = {} if self.eval_metric_ops is None else self.eval_metric_ops
        if not isinstance(metrics, Mapping):
            raise SpecError(f"eval_metric_ops must be a dict of metrics, not {metrics!r}")
        object.__setattr__(self, "eval_metric_ops", metrics)
        hint = (
            "use metrics.mean(x), or another function of estimators.metrics; not a pair of value and update"
        )
        _check_each("metric", metrics, Metric, hint)
        reserved = {"loss", "global_step"} & set(metrics)
        if reserved:
            raise InvalidArgumentError(f"metrics cannot be called {sorted(reserved)}")
        for name in ("training_chief_hooks", "training_hooks", "evaluation_hooks", "prediction_hooks"):
            object.__setattr__(self, name, checked(name, getattr(self, name), SessionRunHook))
        if not isinstance(self.scaffold, Scaffold | None):
            raise SpecError(f"scaffold must be a Scaffold, not {self.scaffold!r}")
        if self.mode == ModeKeys.PREDICT:
            object.__setattr__(self, "export_outputs", with_default(self.export_outputs, predictions))

    def _check_needed(self) -> None:
        """Raise `InvalidArgumentError` if the mode needs more than is given."""
        needed = {
            ModeKeys.TRAIN: ("loss", "train_op"),
            ModeKeys.EVAL: ("loss",),
            ModeKeys.PREDICT: ("predictions",),
        }
        if self.mode not in needed:
            raise InvalidArgumentError(f"mode must be one of {sorted(needed)}, not {self.mode!r}")
        missing = [name for name in needed[self.mode] if getattr(self, name) is None]
        if missing:
            hint = "train_op is what optimizer.minimize(loss) returns" if "train_op" in missing else None
            raise InvalidArgumentError(
                f"EstimatorSpec for mode {self.mode!r} is missing {' and '.join(missing)}", hint=hint
            )

    def _replace(self, **changes: Any) -> Self:
        """Return the spec with changes, as of a namedtuple; the mode stays.

        Raises:
            InvalidArgumentError: The mode would change, or there is no such field.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in names:
                raise InvalidArgumentError(f"EstimatorSpec has no {name!r}", hint=did_you_mean(name, names))
        if changes.get("mode", self.mode) != self.mode:
            raise InvalidArgumentError("the mode of an EstimatorSpec cannot be changed")
        return dataclasses.replace(self, **changes)


def _one_number(loss: Any) -> Tensor:
    """Return the loss as a scalar."""
    if not isinstance(loss, Tensor):
        raise SpecError(f"the loss must be a Tensor, not {loss!r}")
    if loss.shape == ():
        return loss
    if any(size != 1 for size in loss.shape):
        raise InvalidArgumentError(
            f"the loss must be a scalar, and is {loss.spec}", hint="reduce it with .mean() or .sum()"
        )
    result: Tensor = loss.reshape(())
    return result


def _check_each(kind: str, given: Mapping[str, Any], wanted: type, hint: str | None) -> None:
    for name, value in given.items():
        if not isinstance(value, wanted):
            raise SpecError(f"{kind} {name!r} must be a {wanted.__name__}, not {value!r}", hint=hint)
