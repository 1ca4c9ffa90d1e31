"""`GlobalStepWaiterHook`: for workers that begin later."""

from __future__ import annotations

from dataflow.errors import FailedPreconditionError
from estimators.hooks.base import SessionRunContext, SessionRunHook
from estimators.progress import log


class GlobalStepWaiterHook(SessionRunHook):
    """Lets training begin only once the global step has been reached.

    Nobody else counts the steps of a run here, so waiting is an error; a run that goes on from a checkpoint
    which is far enough begins at once.

    Args:
        wait_until_step: The global step; 0 does not wait.

    Raises:
        FailedPreconditionError: In the run, if the step is not reached.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._step = wait_until_step

    def before_run(self, run_context: SessionRunContext) -> None:
        """Look at the global step."""
        now = run_context.session.global_step
        if now < self._step:
            log.info("Waiting for global step %d before starting training.", self._step)
            raise FailedPreconditionError(
                f"training would wait for global step {self._step} for ever: it is {now}, and no other "
                "worker counts it",
                hint="leave GlobalStepWaiterHook out where one process trains",
            )
