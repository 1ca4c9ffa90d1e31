"""`train_and_evaluate`: one training, evaluated and exported on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.best import EarlyStopping, checked_count
from estimators.estimator import Estimator
from estimators.export.exporters import Exporter
from estimators.hooks.base import CheckpointSaverListener, SessionRunHook, checked
from estimators.inputs import InputFn
from estimators.training_run import TrainingRun


@dataclasses.dataclass(frozen=True, eq=False)
class TrainSpec:
    """How `train_and_evaluate` trains.

    Args:
        input_fn: As for `Estimator.train`.
        max_steps: Global step to stop at; None: at the end of the input.
        hooks: Called around each step.
        saving_listeners: Called around each checkpoint, before the evaluation.

    Raises:
        InvalidArgumentError: `max_steps` is below 1.
        SpecError: Something is of another type.

    >>> from dataflow import Dataset
    >>> data = Dataset.range(8).map(lambda x: ({"x": x}, x)).repeat().batch(4)
    >>> TrainSpec(data, max_steps=100).max_steps
    100
    """

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[SessionRunHook] | None = None
    saving_listeners: Sequence[CheckpointSaverListener] | None = None

    def __post_init__(self) -> None:
        _check_input(self.input_fn)
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", checked_count("max_steps", self.max_steps))
        object.__setattr__(self, "hooks", checked("hooks", self.hooks, SessionRunHook))
        listeners = checked("saving_listeners", self.saving_listeners, CheckpointSaverListener)
        object.__setattr__(self, "saving_listeners", listeners)


@dataclasses.dataclass(frozen=True, eq=False)
class EvalSpec:
    """How and when `train_and_evaluate` evaluates and exports.

    Without `every_steps` and `every_epochs`, an evaluation may follow each checkpoint but the one at the
    start of training: it follows the first one, and then those that come at least `throttle_secs` after the
    last evaluation began. One follows the end of training in any case.

    Args:
        input_fn: As for `Estimator.evaluate`. Called once, like the model function: the model, its
            program and its input are kept for the next evaluation.
        steps: Batches to use; None: all.
        name: Results go to ``eval_<name>``; needed to tell several EvalSpecs apart.
        hooks: Called around each batch.
        exporters: One, or several with different names, called in order after each evaluation.
        start_delay_secs: Has no meaning here: evaluation does not wait for another process.
        throttle_secs: Seconds between the beginnings of two evaluations.
        every_steps: Evaluate when the global step is a multiple, whatever `throttle_secs`; a checkpoint
            is written there.
        every_epochs: Evaluate so often by passes over the training input: over what `repeat` repeats.

    Raises:
        InvalidArgumentError: A number is out of range, exporters have no names or equal ones, or both
            `every_steps` and `every_epochs` are given.
        SpecError: Something is of another type.

    >>> from dataflow import Dataset
    >>> data = Dataset.range(8).map(lambda x: ({"x": x}, x)).batch(4)
    >>> EvalSpec(data, steps=None, every_steps=500).throttle_secs
    600
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[SessionRunHook] | None = None
    exporters: Exporter | Iterable[Exporter] | None = None
    start_delay_secs: float = 120
    throttle_secs: float = 600
    every_steps: int | None = dataclasses.field(default=None, kw_only=True)
    every_epochs: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_input(self.input_fn)
        for key in ("steps", "every_steps", "every_epochs"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, checked_count(key, getattr(self, key)))
        if self.every_steps is not None and self.every_epochs is not None:
            raise InvalidArgumentError("give every_steps or every_epochs, not both")
        if not isinstance(self.name, str | None):
            raise SpecError(f"name must be a string, not {self.name!r}")
        for key in ("start_delay_secs", "throttle_secs"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise InvalidArgumentError(f"{key} must be a number of at least 0, not {value!r}")
        object.__setattr__(self, "hooks", checked("hooks", self.hooks, SessionRunHook))
        object.__setattr__(self, "exporters", _exporters(self.exporters))


def train_and_evaluate(
    estimator: Estimator,
    train_spec: TrainSpec,
    eval_spec: EvalSpec | Sequence[EvalSpec],
    *,
    early_stopping: EarlyStopping | None = None,
) -> tuple[Any, Any]:
    """Train once, without a break, and evaluate and export on the way; see `EvalSpec` for when.

    Training is one call of `Estimator.train`: its input goes on behind an evaluation. Evaluations use the
    values that are in memory. The plan is logged at the start. After each evaluation the exporters are
    called; those of the end of training are told that theirs is the final export.

    A call that was cut off goes on, in training, evaluation or export, if it is repeated, to the very
    weights of an uninterrupted one. One that has finished (`max_steps` is reached, or training was stopped
    early) does nothing if it is repeated.

    Args:
        estimator: The model.
        train_spec: How to train.
        eval_spec: How and when to evaluate: one, or several with different names.
        early_stopping: When to stop because a metric no longer becomes better, and whether the weights of
            the best evaluation are to be those of the end.

    Returns:
        The metrics of the last evaluation, and a list of what the exporters returned then; of several
        EvalSpecs two lists of these. ``(None, None)`` if there was nothing to do.

    Raises:
        InvalidArgumentError: An evaluation input is endless and its `steps` is None; names of EvalSpecs
            or exporters are equal; there is no evaluation, or no metric, that `early_stopping` names.
        SpecError: An argument is of another type.
        NanLossDuringTrainingError: The loss became NaN.

    >>> from dataflow import Dataset
    >>> from estimators import LinearRegressor, feature_column
    >>> data = Dataset.range(1, 9).map(lambda x: ({"x": x}, 2.0 * x)).batch(4)
    >>> model = LinearRegressor([feature_column.numeric_column("x")])
    >>> metrics, exports = train_and_evaluate(
    ...     model, TrainSpec(data.repeat(), max_steps=200), EvalSpec(data, steps=None, every_steps=50)
    ... )
    >>> int(metrics["global_step"]), exports
    (200, [])
    """
    if not isinstance(estimator, Estimator):
        raise SpecError(f"estimator must be an Estimator, not {estimator!r}")
    if not isinstance(train_spec, TrainSpec):
        raise SpecError(f"train_spec must be a TrainSpec, not {train_spec!r}")
    if not isinstance(early_stopping, EarlyStopping | None):
        raise SpecError(f"early_stopping must be an EarlyStopping, not {early_stopping!r}")
    single = isinstance(eval_spec, EvalSpec)
    specs = _eval_specs([eval_spec] if isinstance(eval_spec, EvalSpec) else eval_spec)
    if early_stopping is not None and early_stopping.name not in [spec.name for spec in specs]:
        raise InvalidArgumentError(
            f"early_stopping looks at the evaluation {early_stopping.name!r}, and there are "
            f"{[spec.name for spec in specs]}",
            hint="give EarlyStopping the name of an EvalSpec",
        )
    tasks = TrainingRun(estimator, train_spec, specs, early_stopping).run()
    if tasks is None:
        return None, None
    metrics, exports = [task.results for task in tasks], [task.exports for task in tasks]
    return (metrics[0], exports[0]) if single else (metrics, exports)


def _eval_specs(specs: Sequence[EvalSpec]) -> list[EvalSpec]:
    found = list(specs) if isinstance(specs, Iterable) else [specs]
    for spec in found:
        if not isinstance(spec, EvalSpec):
            raise SpecError(f"eval_spec must be an EvalSpec, or a list of them, not {spec!r}")
    if not found:
        raise InvalidArgumentError("eval_spec is empty", hint="without evaluation, call estimator.train")
    exporters = [exporter.name for spec in found for exporter in _exporters(spec.exporters)]
    for what, names in (("EvalSpecs", [spec.name or "" for spec in found]), ("exporters", exporters)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(
                f"two {what} have the name {twice[0]!r}",
                hint="give them different names: each has a directory of its own",
            )
    return found


def _exporters(exporters: Exporter | Iterable[Exporter] | None) -> tuple[Exporter, ...]:
    """Return exporters as a tuple, each with a name of its own."""
    if exporters is not None and not isinstance(exporters, Exporter | Iterable):
        raise SpecError(f"exporters must be an Exporter, or a list of them, not {exporters!r}")
    found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
    for exporter in found:
        if not isinstance(exporter, Exporter):
            raise SpecError(f"exporters must hold Exporter objects, and hold {exporter!r}")
    names = [exporter.name for exporter in found]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise InvalidArgumentError(f"exporters must have different names, and have {names}")
    return found


def _check_input(input_fn: Any) -> None:
    if input_fn is None or isinstance(input_fn, str | int | float):
        raise SpecError(
            f"input_fn must be a function, a Dataset, or rows in memory, not {input_fn!r}",
            hint="lambda: Dataset.from_tensor_slices((features, labels)).batch(128)",
        )
