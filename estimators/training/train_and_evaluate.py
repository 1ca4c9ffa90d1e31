"""`train_and_evaluate`: one training, evaluated and exported on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.estimator import Estimator
from estimators.evaluation.best import EarlyStopping
from estimators.training.run import TrainingRun
from estimators.training.specs import EvalSpec, TrainSpec, checked_exporters


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
    exporters = [exporter.name for spec in found for exporter in checked_exporters(spec.exporters)]
    for what, names in (("EvalSpecs", [spec.name or "" for spec in found]), ("exporters", exporters)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidArgumentError(
                f"two {what} have the name {twice[0]!r}",
                hint="give them different names: each has a directory of its own",
            )
    return found
