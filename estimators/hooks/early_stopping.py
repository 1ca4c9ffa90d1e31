"""Early stopping: training ends when a function, or what evaluations gave, says so."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from estimators.evaluation import evaluations
from estimators.evaluation.evaluations import Evaluation
from estimators.hooks.base import SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.run_session import Coordinator, RunSession
from estimators.hooks.timer import SecondOrStepTimer
from estimators.model_directory import ModelDirectory
from estimators.progress import log

STOP = "signal_early_stopping/STOP"
"""In checkpoints: whether training was stopped early."""


class MissingMetricError(InvalidArgumentError, KeyError):
    """An evaluation has no metric of the name that early stopping looks at."""

    __str__ = InvalidArgumentError.__str__


class EarlyStoppingHook(SessionRunHook):
    """Ends training when a function says so; see `make_early_stopping_hook`."""

    def __init__(
        self,
        should_stop_fn: Callable[[], bool],
        run_every_secs: float | None = 60,
        run_every_steps: int | None = None,
    ) -> None:
        if not callable(should_stop_fn):
            raise SpecError(f"should_stop_fn must be a function, not {should_stop_fn!r}")
        self._should_stop = should_stop_fn
        self._timer = SecondOrStepTimer(run_every_secs, run_every_steps)

    def begin(self) -> None:
        """Ask after the first step."""
        self._timer.reset()

    def after_create_session(self, session: RunSession, coord: Coordinator) -> None:
        """Do no step if an earlier run was stopped, and still would be."""
        stopped = bool(session.found.get(STOP, False)) and bool(self._should_stop())
        session.notes[STOP] = np.array(stopped)
        if stopped:
            log.info("Training was stopped early at global step %d: nothing to do.", session.global_step)
            coord.request_stop()

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Ask where it is due."""
        session = run_context.session
        before = session.global_step - 1
        if not self._timer.should_trigger_for_step(before):
            return
        self._timer.update_last_triggered_step(before)
        if self._should_stop():
            log.info("Requesting early stopping at global step %d", before)
            session.notes[STOP] = np.array(True)
            run_context.request_stop()


def make_early_stopping_hook(
    estimator: ModelDirectory,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """Return a hook that ends training when a function returns True.

    The last checkpoint is written as at the end of the input, and holds True as
    ``signal_early_stopping/STOP``. A run that goes on from it with such a hook asks the function first,
    and does no step while it still says so.

    Args:
        estimator: What is trained.
        should_stop_fn: Called without arguments, after the first step and then every so many seconds or
            steps.
        run_every_secs: Seconds between two calls; None: `run_every_steps` counts.
        run_every_steps: Steps between two calls; give ``run_every_secs=None`` with it.

    Raises:
        SpecError: `estimator` is no `Estimator`, or `should_stop_fn` no function.
        InvalidArgumentError: Both of `run_every_secs` and `run_every_steps` are given, or none.
    """
    if not isinstance(estimator, ModelDirectory):
        raise SpecError(f"estimator must be an Estimator, not {estimator!r}")
    if run_every_secs is not None and run_every_steps is not None:
        raise InvalidArgumentError(
            f"run_every_secs is {run_every_secs}, and run_every_steps {run_every_steps}",
            hint="give only one of them: run_every_secs=None to count steps",
        )
    return EarlyStoppingHook(should_stop_fn, run_every_secs, run_every_steps)


def stop_if_higher_hook(
    estimator: ModelDirectory,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """Return a hook that ends training when an evaluation gave more than a threshold.

    Args:
        estimator: What is trained.
        metric_name: A metric that `evaluate` gives, such as "accuracy".
        threshold: An equal value does not stop.
        eval_dir: Where the evaluations are; default ``estimator.eval_dir()``, those without a name.
        min_steps: Evaluations of earlier steps do not count.
        run_every_secs: See `make_early_stopping_hook`.
        run_every_steps: The same.

    Raises:
        SpecError, InvalidArgumentError: As `make_early_stopping_hook`.
        MissingMetricError: In the run, a `KeyError`: an evaluation has no such metric.
    """
    stop = _crossed(_directory(estimator, eval_dir), metric_name, threshold, min_steps, larger=True)
    return make_early_stopping_hook(estimator, stop, run_every_secs, run_every_steps)


def stop_if_lower_hook(
    estimator: ModelDirectory,
    metric_name: str,
    threshold: float,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """Return a hook that ends training when an evaluation gave less than a threshold.

    Arguments and errors are those of `stop_if_higher_hook`.
    """
    stop = _crossed(_directory(estimator, eval_dir), metric_name, threshold, min_steps, larger=False)
    return make_early_stopping_hook(estimator, stop, run_every_secs, run_every_steps)


def stop_if_no_increase_hook(
    estimator: ModelDirectory,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """Return a hook that ends training when evaluations have not grown for so many steps.

    Each evaluation is compared with the best before it; an equal value is no increase. The best checkpoint
    is not restored: `train_and_evaluate` can do that.

    Arguments and errors are those of `stop_if_higher_hook`.
    """
    stop = _stalled(
        _directory(estimator, eval_dir), metric_name, max_steps_without_increase, min_steps, larger=True
    )
    return make_early_stopping_hook(estimator, stop, run_every_secs, run_every_steps)


def stop_if_no_decrease_hook(
    estimator: ModelDirectory,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | os.PathLike[str] | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """Return a hook that ends training when evaluations have not become smaller for so many steps.

    As `stop_if_no_increase_hook`.
    """
    stop = _stalled(
        _directory(estimator, eval_dir), metric_name, max_steps_without_decrease, min_steps, larger=False
    )
    return make_early_stopping_hook(estimator, stop, run_every_secs, run_every_steps)


def _directory(estimator: ModelDirectory, eval_dir: str | os.PathLike[str] | None) -> str:
    if not isinstance(estimator, ModelDirectory):
        raise SpecError(f"estimator must be an Estimator, not {estimator!r}")
    return evaluations.directory_of(estimator.model_dir) if eval_dir is None else os.fspath(eval_dir)


def _values(directory: str, metric: str, min_steps: int) -> list[tuple[int, float]]:
    """Return steps and values of a metric."""
    found = [evaluation for evaluation in evaluations.read(directory) if evaluation.step >= min_steps]
    return [(evaluation.step, _value(evaluation, metric, directory)) for evaluation in found]


def _value(evaluation: Evaluation, metric: str, directory: str) -> float:
    if metric not in evaluation.metrics:
        raise MissingMetricError(
            f"the evaluation of step {evaluation.step} in {directory} has no metric {metric!r}",
            hint=did_you_mean(metric, sorted(evaluation.metrics)),
        )
    return evaluation.metrics[metric]


def _crossed(
    directory: str, metric: str, threshold: float, min_steps: int, *, larger: bool
) -> Callable[[], bool]:
    better = operator.gt if larger else operator.lt

    def should_stop() -> bool:
        for step, value in _values(directory, metric, min_steps):
            if better(value, threshold):
                how = "greater than" if larger else "less than"
                log.info(
                    'At step %s, metric "%s" has value %s which is %s the configured threshold (%s) for '
                    "early stopping.", step, metric, value, how, threshold,
                )  # fmt: skip
                return True
        return False

    return should_stop


def _stalled(
    directory: str, metric: str, max_steps: int, min_steps: int, *, larger: bool
) -> Callable[[], bool]:
    better = operator.gt if larger else operator.lt

    def should_stop() -> bool:
        best, best_step = math.nan, 0
        for step, value in _values(directory, metric, min_steps):
            if math.isnan(best) or better(value, best):
                best, best_step = value, step
            if step - best_step >= max_steps:
                how = "increase" if larger else "decrease"
                log.info(
                    'No %s in metric "%s" for %s steps, which is greater than or equal to max steps (%s) '
                    "configured for early stopping.", how, metric, step - best_step, max_steps,
                )  # fmt: skip
                return True
        return False

    return should_stop
