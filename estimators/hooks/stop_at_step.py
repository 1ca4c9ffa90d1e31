"""`StopAtStepHook`: training ends at a step."""

from __future__ import annotations

from dataflow.errors import InvalidArgumentError
from estimators.hooks.base import SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.run_session import Coordinator, RunSession


class StopAtStepHook(SessionRunHook):
    """Ends training after so many steps, or at a global step; at least one step is done.

    Args:
        num_steps: Steps to do in a run.
        last_step: Global step to stop at; one of both must be given.

    Raises:
        InvalidArgumentError: Both are given, or none.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise InvalidArgumentError(
                f"give just one of num_steps ({num_steps}) and last_step ({last_step})"
            )
        self._num_steps = num_steps
        self._last_step = last_step

    def after_create_session(self, session: RunSession, coord: Coordinator) -> None:
        """Count from here."""
        if self._num_steps is not None:
            self._last_step = session.global_step + self._num_steps

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Stop if the step is reached."""
        assert self._last_step is not None
        if run_context.session.global_step >= self._last_step:
            run_context.request_stop()
