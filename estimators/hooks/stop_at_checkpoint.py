"""`make_stop_at_checkpoint_step_hook`: workers that stop once the chief has saved."""

from __future__ import annotations

import time

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.hooks.base import SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.stop_at_step import StopAtStepHook
from estimators.model_directory import ModelDirectory
from estimators.values import checkpoint as checkpoints


class StopAtCheckpointStepHook(SessionRunHook):
    """Ends training at a global step, once a checkpoint of it is there.

    Args:
        model_dir: Where the checkpoint is to appear.
        last_step: The global step.
        wait_after_file_check_secs: To wait after each look.
    """

    def __init__(self, model_dir: str, last_step: int, wait_after_file_check_secs: float = 30) -> None:
        self._model_dir = model_dir
        self._last_step = last_step
        self._seconds = wait_after_file_check_secs

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop, or wait a while."""
        if run_context.session.global_step < self._last_step:
            return
        path = checkpoints.latest(self._model_dir)
        if path is not None and checkpoints.step_of(path) >= self._last_step:
            run_context.request_stop()
        else:
            time.sleep(self._seconds)


def make_stop_at_checkpoint_step_hook(
    estimator: ModelDirectory, last_step: int, wait_after_file_check_secs: float = 30
) -> SessionRunHook:
    """Return a hook that ends training at a global step; where another task saves, once it has done so.

    Args:
        estimator: What is trained.
        last_step: The global step.
        wait_after_file_check_secs: Seconds between two looks at the directory, where this is not the chief.

    Raises:
        SpecError: `estimator` is no `Estimator`.
        InvalidArgumentError: There is no `last_step`.
    """
    if not isinstance(estimator, ModelDirectory):
        raise SpecError(f"estimator must be an Estimator, not {estimator!r}")
    if last_step is None:
        raise InvalidArgumentError("last_step must be given")
    if estimator._config.is_chief:
        return StopAtStepHook(last_step=last_step)
    return StopAtCheckpointStepHook(estimator.model_dir, last_step, wait_after_file_check_secs)
