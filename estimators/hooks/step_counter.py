"""`StepCounterHook`: steps per second."""

from __future__ import annotations

import os
from typing import Any

from estimators.hooks.base import SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.run_session import RunSession
from estimators.hooks.timer import SecondOrStepTimer
from estimators.progress import log

TAG = "global_step/sec"
WARNINGS = 5


class StepCounterHook(SessionRunHook):
    """Logs the steps per second, and writes them as a summary, every so many steps or seconds.

    `Estimator.train` logs them itself.

    Args:
        every_n_steps: Steps between two lines.
        every_n_secs: Seconds between two lines; give ``every_n_steps=None`` with it.
        output_dir: Where summaries go; None: nowhere.
        summary_writer: Where they go instead: anything with ``add_scalar(tag, value, global_step)``.

    Raises:
        InvalidArgumentError: Both of `every_n_steps` and `every_n_secs` are given, or none.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        summary_writer: Any = None,
    ) -> None:
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._directory = output_dir
        self._writer = summary_writer
        self._before: int | None = None
        self._warned = 0

    def begin(self) -> None:
        """Open the summaries."""
        if self._writer is None and self._directory is not None:
            from estimators.summary import FileWriter  # it imports models, which import hooks

            self._writer = FileWriter(self._directory)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log what is due."""
        step = run_context.session.global_step
        if self._timer.should_trigger_for_step(step):
            seconds, steps = self._timer.update_last_triggered_step(step)
            if seconds is not None and steps is not None:
                speed = steps / max(seconds, 1e-9)
                log.info("%s: %g", TAG, speed)
                if self._writer is not None:
                    self._writer.add_scalar(TAG, speed, step)
        if step == self._before and self._warned < WARNINGS:
            self._warned += 1
            log.warning("The global step has not grown: it is still %d. Only training counts it.", step)
        self._before = step

    def end(self, session: RunSession) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.flush()
