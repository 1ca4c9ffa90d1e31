"""The loops: training until something says stop, evaluation, prediction."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import numpy as np

from dataflow.block import Block, Column, Strings, edge_array
from dataflow.dataset import Dataset
from dataflow.errors import DataflowError, StateError
from dataflow.runtime.iterate import BlockIterator
from estimators import checkpoint as checkpoints
from estimators.checkpoint import Checkpoint
from estimators.graph.program import Program
from estimators.graph.variable import Array
from estimators.metrics.base import Metric
from estimators.progress import log, progress_bar
from estimators.run_config import RunConfig

GLOBAL_STEP = "global_step"
STEPS_PER_CALL = 64
"""Most steps between two looks at clocks and signals."""


class NanLossDuringTrainingError(DataflowError, RuntimeError):
    """The loss became NaN; no checkpoint was written after that."""


def batches(block: Block) -> Iterator[list[Column]]:
    """Yield the columns of each element of a block, without their leading axis."""
    for run in block.dense_runs():
        for i in range(run.length):
            yield [
                c.slice(i, i + 1).reshape(c.shape[1:]) if isinstance(c, Strings) else c[i]  # type: ignore[index]
                for c in run.columns
            ]


class Interrupts:
    """Turns SIGINT and SIGTERM into a request to stop, while training runs in the main thread."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: do not wait for the step
        self.received = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def end_process(self) -> None:
        """After a signal and the last checkpoint, end as the signal wanted."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is not None:
            raise SystemExit(128 + self.received)


@dataclasses.dataclass
class TrainLoop:
    """One call of `train`.

    Args:
        program: Fetches `loss` and updates the variables.
        dataset: Columns for the program.
        values: Arrays by variable name; changed in place.
        start_step: The global step to begin with.
        last_step: Stop there; None: at the end of the input.
        model_dir: Where to save.
        config: When to save, log and show.
        input_state: Position of the input to go on from, or None.
        extra: More arrays to keep in checkpoints.
    """

    program: Program
    dataset: Dataset
    values: dict[str, Array]
    start_step: int
    last_step: int | None
    model_dir: str
    config: RunConfig
    input_state: Any
    extra: dict[str, Array]

    def run(self) -> float | None:
        """Train; return the loss of the last step, None if there was none."""
        self.step = self.start_step
        self.loss: float | None = None
        self.saved_step = -1
        blocks = self._open_input()
        try:
            with Interrupts() as interrupts:
                self._save(blocks.state())
                self._train(blocks, interrupts)
                stopped = interrupts.received is not None
                if stopped:
                    log.info("Stopped by %s.", signal.Signals(interrupts.received or 0).name)
                if self.saved_step != self.step or not stopped:
                    self._save(blocks.state() if stopped else None, repeated=not stopped)
            interrupts.end_process()
        finally:
            blocks.close()
        return self.loss

    def _open_input(self) -> BlockIterator:
        blocks = self.dataset.blocks()
        if self.input_state is not None:
            try:
                blocks.restore(self.input_state)
                log.info("Input continues where the checkpoint was taken.")
            except StateError as error:
                log.warning("The input starts anew: %s", error.message)
                blocks.close()
                blocks = self.dataset.blocks()
        return blocks

    def _train(self, blocks: BlockIterator, interrupts: Interrupts) -> None:
        config = self.config
        started = logged_at = saved_at = time.monotonic()
        logged_step = self.step
        with progress_bar("train", self.step, self.last_step, config.progress) as bar:
            while interrupts.received is None:
                wanted = self._steps_to_next_event()
                block = blocks.read(wanted) if wanted else None
                if block is None:
                    break
                before = self.step
                for columns in batches(block):
                    if self._logs(self.step):
                        self._run_step(columns)
                        now = time.monotonic()
                        self._log(self.step - 1, self.step - 1 - logged_step, now - logged_at)
                        logged_at, logged_step = now, self.step - 1
                    else:
                        self._run_step(columns)
                bar.update(self.step - before)
                bar.set_postfix_str(f"loss={self.loss:.4g}", refresh=False)
                due = config.save_checkpoints_steps and (self.step - self.start_step) % config.save_checkpoints_steps == 0
                secs = config.save_checkpoints_secs
                if due or (secs is not None and time.monotonic() - saved_at >= secs):
                    self._save(blocks.state())
                    saved_at = time.monotonic()
        if self.step > self.start_step:
            log.info("%d steps in %.1f seconds.", self.step - self.start_step, time.monotonic() - started)

    def _steps_to_next_event(self) -> int:
        """Steps that may run before something else is due."""
        steps = STEPS_PER_CALL if self.last_step is None else min(STEPS_PER_CALL, self.last_step - self.step)
        every = self.config.save_checkpoints_steps
        return max(0, min(steps, every - (self.step - self.start_step) % every) if every else steps)

    def _run_step(self, columns: Sequence[Column]) -> None:
        loss = float(self.program.run(columns, self.values)["loss"])
        if math.isnan(loss):
            raise NanLossDuringTrainingError(
                f"the loss is NaN at step {self.step}",
                hint="look for NaN in features and labels, or use a smaller learning rate",
            )
        self.loss = loss
        self.step += 1
        self.values[GLOBAL_STEP][...] = self.step

    def _logs(self, step: int) -> bool:
        every = self.config.log_step_count_steps
        return every is not None and (step - self.start_step) % every == 0

    def _log(self, step: int, steps: int, seconds: float) -> None:
        value = np.float32(self.loss or 0.0)
        if not steps:
            log.info("loss = %s, step = %d", value, step)
            return
        log.info("global_step/sec: %g", steps / max(seconds, 1e-9))
        log.info("loss = %s, step = %d (%.3f sec)", value, step, seconds)

    def _save(self, input_state: Any, *, repeated: bool = False) -> None:
        """Write a checkpoint; `repeated` replaces one of the same step to mark the end of the run."""
        if not (repeated and self.saved_step == self.step):
            log.info("Saving checkpoints for %d into %s.", self.step, checkpoints.files.join(self.model_dir, "model.ckpt"))
        content = Checkpoint(self.step, {**self.values, **self.extra}, input_state)
        checkpoints.save(self.model_dir, content, self.config.keep_checkpoint_max)
        self.saved_step = self.step


def evaluate(
    program: Program, dataset: Dataset, values: dict[str, Array], metrics: dict[str, Metric], steps: int | None
) -> dict[str, Any]:
    """Return the metrics over `steps` batches, or over all.

    The program fetches `loss` and, as ``<metric>/<i>``, the inputs of the metrics.
    """
    sums = {name: metric.zero() for name, metric in metrics.items()}
    losses, count = 0.0, 0
    blocks = dataset.blocks()
    try:
        while (steps is None or count < steps) and (
            block := blocks.read(STEPS_PER_CALL if steps is None else min(STEPS_PER_CALL, steps - count))
        ) is not None:
            for columns in batches(block):
                fetched = program.run(columns, values)
                losses, count = losses + float(fetched["loss"]), count + 1
                for name, metric in metrics.items():
                    arrays = [fetched[f"{name}/{i}"] for i in range(len(metric.inputs))]
                    sums[name] += metric.update(*arrays)
    finally:
        blocks.close()
    results: dict[str, Any] = {name: np.float32(metric.result(sums[name])) for name, metric in metrics.items()}
    results["loss"] = np.float32(losses / count if count else 0.0)
    return results


def predict(
    program: Program, dataset: Dataset, values: dict[str, Array], single: bool
) -> Iterator[dict[str, Any]]:
    """Yield the fetches of each example, or of each batch."""
    blocks = dataset.blocks()
    with contextlib.closing(blocks):
        while (block := blocks.read(STEPS_PER_CALL)) is not None:
            for columns in batches(block):
                fetched = {n: edge_array(v) for n, v in program.run(columns, values).items()}
                if not single:
                    yield fetched
                    continue
                for i in range(len(next(iter(fetched.values())))):
                    yield {name: array[i] for name, array in fetched.items()}

