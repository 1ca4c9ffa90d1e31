"""`SummarySaverHook`: summaries at other times, or of evaluations."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.run_session import RunSession
from estimators.hooks.timer import SecondOrStepTimer
from estimators.summary import FileWriter, Summary, events, merge


class SummarySaverHook(SessionRunHook):
    """Writes summaries at the first step, then every so many steps or seconds.

    `Estimator.train` writes those of the model itself, as `RunConfig` says, and quicker. Where a model
    function evaluates, ``evaluation_hooks=[SummarySaverHook(save_steps=1, output_dir=...,
    summary_op=estimators.summary.merge_all())]`` writes those of its batches.

    Args:
        save_steps: Steps between two times.
        save_secs: Seconds between two times; just one of both.
        output_dir: Where; or a `summary_writer`.
        summary_writer: An `estimators.summary.FileWriter`.
        scaffold: None; summaries are not kept there.
        summary_op: A summary, or a list of them, as `estimators.summary.merge` returns it.

    Raises:
        InvalidArgumentError: Both of save_steps and save_secs are given, or none; neither output_dir nor
            summary_writer is given, or no summary.
        SpecError: Something else than a summary is given.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        summary_writer: FileWriter | None = None,
        scaffold: None = None,
        summary_op: Summary | Iterable[Summary] | None = None,
    ) -> None:
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        if summary_op is None or scaffold is not None:
            raise InvalidArgumentError(
                "SummarySaverHook needs summary_op", hint="give summary_op=estimators.summary.merge_all()"
            )
        self._summaries = merge([summary_op] if isinstance(summary_op, Summary) else summary_op)
        if summary_writer is not None and not isinstance(summary_writer, FileWriter):
            raise SpecError(f"summary_writer must be a FileWriter, not {summary_writer!r}")
        if summary_writer is None and output_dir is None:
            raise InvalidArgumentError("SummarySaverHook needs output_dir or summary_writer")
        self._writer = summary_writer
        self._directory = output_dir
        self._next: int | None = None
        """The step that comes next, as far as the hook knows."""
        self._asked = False

    def begin(self) -> None:
        """Begin a run: its first step is due."""
        self._next = None
        self._timer.reset()
        if self._writer is None and self._directory is not None:
            self._writer = FileWriter(self._directory)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Ask for the summaries' tensors when they are due."""
        self._asked = self._next is None or self._timer.should_trigger_for_step(self._next)
        return SessionRunArgs([list(summary.tensors) for summary in self._summaries]) if self._asked else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Write what was due."""
        step = run_context.session.global_step
        assert self._writer is not None
        if self._asked:
            if self._next is None:
                self._writer.add_session_log(events.START, step)
            self._timer.update_last_triggered_step(step)
            values: list[Any] = []
            for summary, results in zip(self._summaries, run_values.results, strict=True):
                values += summary.encode(summary.tag, *results)
            self._writer.add_values(values, step)
        self._next = step + 1

    def end(self, session: RunSession) -> None:
        """Put what was written where others see it."""
        if self._writer is not None:
            self._writer.flush()
