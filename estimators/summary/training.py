"""The summaries of a training run: at its first step, then every so many steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from estimators.progress import log
from estimators.run_config import RunConfig
from estimators.running.session import Session
from estimators.summary import events
from estimators.summary.collect import Summary
from estimators.summary.file_writer import FileWriter
from estimators.summary.graph_def import graph_def

LOSS = "loss"
SPEED = "global_step/sec"


class TrainingSummaries:
    """Writes the events of one call of `train`.

    The events of a step have the number that the global step has after it: 1, 101, ….

    Args:
        model_dir: Where.
        summaries: Whose values `compute` gives; `loss` is added if none is called so.
        every: Steps from one time to the next.
        start_step: The global step to begin with.
        graph: Makes the GraphDef of the model, as bytes; None: no graph is written.
        compute: From the first batch of a block, and the global step before it, to the values of each
            summary's tensors.
    """

    def __init__(
        self,
        model_dir: str,
        summaries: Sequence[Summary],
        every: int,
        start_step: int,
        graph: Callable[[], bytes] | None,
        compute: Callable[[Any, int], list[Any]],
    ) -> None:
        self._writer = FileWriter(model_dir)
        self._summaries = summaries
        self._every, self._start = every, start_step
        self._graph: Callable[[], bytes] | None = graph
        self._compute = compute
        self._waiting: list[Any] | None = None
        """Values of the step that is about to be done."""
        self._begun = False
        self._broken = False
        self._with_loss = all(summary.tag != LOSS for summary in summaries)

    def steps_to_next(self, step: int) -> int:
        """Return how many steps may run from here, the first of them with summaries if they are due."""
        return self._every - (step - self._start) % self._every

    def before(self, block: Any, step: int) -> None:
        """Compute the values of the first step of a block, if they are due."""
        if (step - self._start) % self._every == 0:
            self._waiting = self._compute(block, step) if self._summaries else []

    def after(self, step: int, loss: float) -> None:
        """Write the values of a step that is done, if they were due.

        Args:
            step: The global step after it.
            loss: Of the step.
        """
        if self._waiting is None:
            return
        results = iter(self._waiting)
        self._waiting = None
        values = []
        for summary in self._summaries:
            values += summary.encode(summary.tag, *[next(results) for _ in summary.tensors])
        if self._with_loss:
            values.append(events.scalar(LOSS, loss))
        self._write(step, lambda: self._writer.add_values(values, step))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write a number that belongs to the run."""
        self._write(step, lambda: self._writer.add_scalar(tag, value, step))

    def saved(self, path: str, step: int) -> None:
        """Note a checkpoint, and put what was written where others see it."""
        if self._begun:
            self._write(step, lambda: self._writer.add_session_log(events.CHECKPOINT, step, path))
            self._guarded(self._writer.flush)

    def close(self) -> None:
        """Put what was written where others see it."""
        self._guarded(self._writer.close)

    def _write(self, step: int, write: Callable[[], None]) -> None:
        if not self._begun:
            self._begun = True
            if self._graph is not None:
                content = self._graph()
                self._guarded(lambda: self._writer.add_graph(content))
            self._guarded(lambda: self._writer.add_session_log(events.START, step))
        self._guarded(write)

    def _guarded(self, write: Callable[[], None]) -> None:
        """Write; a storage that refuses costs the summaries, not the training."""
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._broken = True
            log.warning("No more summaries are written: %s", error)


def training_summaries(
    session: Session, config: RunConfig, model_dir: str, start_step: int
) -> TrainingSummaries | None:
    """Return the summaries of a call of `train`, None if none are wanted.

    Args:
        session: Made with the summaries of its model.
        config: Says how often.
        model_dir: Where.
        start_step: The global step to begin with.
    """
    if not config.save_summary_steps:
        return None
    graph = functools.partial(graph_def, session.model) if config.checkpoint_save_graph_def else None
    return TrainingSummaries(
        model_dir, session.summaries, config.save_summary_steps, start_step, graph, session.summarize
    )
