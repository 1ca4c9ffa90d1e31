"""The loops: training until something says stop, evaluation, prediction."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block, Column
from dataflow.errors import InvalidArgumentError, StateError
from dataflow.runtime.iterate import BlockIterator
from dataflow.storage import files
from dataflow.strings import Strings
from estimators.evaluation.best import KeepBest
from estimators.graph.variable import Array
from estimators.hooks.base import CheckpointSaverListener
from estimators.metrics.base import Metric
from estimators.progress import log, number, progress_bar
from estimators.run_config import RunConfig
from estimators.running.blas import fitting_blas_threads
from estimators.running.history import TrainingHistory
from estimators.running.interrupts import Interrupts
from estimators.running.numerics import NanLossDuringTrainingError
from estimators.running.session import NO_NAN, Session
from estimators.summary.training import SPEED, TrainingSummaries
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import GLOBAL_STEP, Checkpoint

STEPS_PER_CALL = 64
"""Most steps between two looks at clocks and signals."""
SECONDS_PER_CALL = 0.1
"""Where steps are slow, the looks come about so often."""


@dataclasses.dataclass
class TrainLoop:
    """One call of `train`.

    Args:
        session: Its steps give `loss` and update the variables.
        start_step: The global step to begin with.
        last_step: Stop there; None: at the end of the input.
        model_dir: Where to save.
        config: When to save, log and show.
        input_state: Position of the input to go on from, or None.
        settings: Numbers to keep in checkpoints for readers.
        listeners: Called around each checkpoint.
        on_saved: Called with each checkpoint, whose arrays are those of the session, before the listeners'
            `after_save`.
        summaries: What is written for TensorBoard, or None.
    """

    session: Session
    start_step: int
    last_step: int | None
    model_dir: str
    config: RunConfig
    input_state: Any
    settings: Mapping[str, Array]
    listeners: Sequence[CheckpointSaverListener] = ()
    on_saved: Callable[[Checkpoint], None] = lambda _: None
    summaries: TrainingSummaries | None = None
    step: int = dataclasses.field(init=False)
    loss: float | None = dataclasses.field(init=False, default=None)
    history: TrainingHistory = dataclasses.field(init=False)
    _saved: int = dataclasses.field(init=False, default=-1)
    """The step of the last checkpoint."""
    _saved_at: float = dataclasses.field(init=False, default=0.0)
    """The time of the last checkpoint."""
    _next_save: int | None = dataclasses.field(init=False, default=None)
    """The step at which a listener wants a checkpoint."""
    _logged: tuple[int, float] | None = dataclasses.field(init=False, default=None)
    """Step and time of the last log line."""

    def run(self) -> float | None:
        """Train; return the loss of the last step, None if there was none."""
        self.step = self.start_step
        checkpoints.remove_leftovers(self.model_dir)
        self.history = TrainingHistory(self.model_dir, self.step)
        blocks = self._open_input()
        try:
            with Interrupts() as interrupts, fitting_blas_threads(self.session.model.ends):
                stop = self.session.stop_requested
                self._save(blocks.state())
                self.session.stop_requested = stop  # listeners may not stop before the first step
                self._train(blocks, interrupts)
                if interrupts.received is None or self.session.stop_requested:
                    if self.loss is not None and self.config.log_step_count_steps is not None:
                        self.history.add(self.step - 1, self.loss)
                    self._save(None)
                    for listener in self.listeners:
                        listener.end(self.session.run_session, self.step)
                    self.session.end()
                else:
                    log.info("Stopped by %s.", interrupts.name)
                    self._save(blocks.state())
            interrupts.end_process()
        finally:
            blocks.close()
            if self.summaries is not None:
                self.summaries.close()
        return self.loss

    def _open_input(self) -> BlockIterator:
        blocks = self.session.dataset.blocks()
        if self.input_state is not None:
            try:
                blocks.restore(self.input_state)
                log.info("Input continues where the checkpoint was taken.")
            except StateError as error:
                log.warning("The input starts anew: %s", error.message)
                blocks.close()
                blocks = self.session.dataset.blocks()
        return blocks

    def _train(self, blocks: BlockIterator, interrupts: Interrupts) -> None:
        session = self.session
        self._saved_at = time.monotonic()
        steps = 1
        with progress_bar("train", self.step, self.last_step, self.config.progress) as bar:
            while interrupts.received is None and not session.stop_requested:
                began = time.monotonic()
                wanted = self._steps_to_next_event(steps)
                block = blocks.read(wanted) if wanted > 0 else None
                if block is None:
                    break
                before = self.step
                if self.summaries is not None:
                    self.summaries.before(block, self.step)
                if session.hooked:
                    session.read = began, time.monotonic(), block.length
                    self._run_with_hooks(block, blocks)
                else:
                    with np.errstate(all="ignore"):  # overflow and NaN are seen in the loss
                        for columns, fetched in session.run_each(block, self.step):
                            self._after_step(columns, fetched)
                    self._save_if_due(blocks)
                seconds = time.monotonic() - began
                steps = min(2 * steps, STEPS_PER_CALL) if seconds < SECONDS_PER_CALL else max(steps // 2, 1)
                bar.set_postfix_str(f"loss={self.loss:.4g}", refresh=False)
                bar.update(self.step - before)

    def _run_with_hooks(self, block: Block, blocks: BlockIterator) -> None:
        """Run the steps of a block; a checkpoint that is due after the last comes before `after_run`."""
        for i, (columns, fetched) in enumerate(self.session.run_each(block, self.step), start=1):
            self._after_step(columns, fetched)
            if i == block.length:
                self._save_if_due(blocks)
            self.session.after_run()
            if self.session.stop_requested:
                return

    def _steps_to_next_event(self, steps: int) -> int:
        """Steps that may run before something else is due."""
        every = self.config.save_checkpoints_steps
        if self.last_step is not None:
            steps = min(steps, self.last_step - self.step)
        if self.summaries is not None:
            steps = min(steps, self.summaries.steps_to_next(self.step))
        steps = min(steps, every - (self.step - self.start_step) % every) if every else steps
        wanted = [listener.next_save(self.step) for listener in self.listeners]
        self._next_save = min((step for step in wanted if step is not None), default=None)
        return steps if self._next_save is None else min(steps, self._next_save - self.step)

    def _after_step(self, columns: Sequence[Column], fetched: Mapping[str, Any]) -> None:
        """Check and log the loss, and count the step."""
        session = self.session
        loss = float(fetched["loss"])
        if math.isnan(loss):
            session.after_run()
            why, hint = session.why_nan(columns, self.step)
            raise NanLossDuringTrainingError(f"the loss is NaN at step {self.step}{why}", hint=hint)
        if self.config.reference and (name := session.first_nan_variable()) is not None:
            why, hint = session.why_nan(columns, self.step)
            raise NanLossDuringTrainingError(f"{name} has become NaN in step {self.step}{why}", hint=hint)
        self.loss = loss
        every = self.config.log_step_count_steps
        if every is not None and (self.step - self.start_step) % every == 0:
            self._log(loss)
            self.history.add(self.step, loss)
        self.step += 1
        if self.summaries is not None:
            self.summaries.after(self.step, loss)
        session.values[GLOBAL_STEP][...] = self.step

    def _log(self, loss: float) -> None:
        now, text = time.monotonic(), number(np.float32(loss))
        if self._logged is None:
            log.info("loss = %s, step = %d", text, self.step)
        else:
            seconds = now - self._logged[1]
            speed = (self.step - self._logged[0]) / max(seconds, 1e-9)
            log.info("global_step/sec: %g", speed)
            if self.summaries is not None:
                self.summaries.scalar(SPEED, speed, self.step + 1)
            log.info("loss = %s, step = %d (%.3f sec)", text, self.step, seconds)
        self._logged = self.step, now

    def _save_if_due(self, blocks: BlockIterator) -> None:
        """Save if so many steps or seconds have passed."""
        every, secs = self.config.save_checkpoints_steps, self.config.save_checkpoints_secs
        due = every is not None and (self.step - self.start_step) % every == 0
        due = due or self.step == self._next_save
        if due or (secs is not None and time.monotonic() - self._saved_at >= secs):
            self._save(blocks.state())
            self._saved_at = time.monotonic()

    def _save(self, input_state: Any) -> None:
        """Write a checkpoint; a second one of a step replaces the first without a word."""
        broken = self.session.first_nan_variable()
        if broken is not None and self.step > self.start_step:
            raise NanLossDuringTrainingError(
                f"{broken} has become NaN by step {self.step}; the checkpoint before is kept",
                hint="look for huge values in the features, use a smaller learning rate, or train again with "
                "RunConfig(reference=True), which goes on from that checkpoint and names the operation",
            )
        again = self._saved == self.step
        said = log.debug if again else log.info
        listeners = () if again else self.listeners
        said("Calling checkpoint listeners before saving checkpoint %d...", self.step)
        for listener in listeners:
            listener.before_save(self.session.run_session, self.step)
        said("Saving checkpoints for %d into %s.", self.step, files.join(self.model_dir, "model.ckpt"))
        self.history.save()
        settings = {**self.settings, **self.session.run_session.notes}
        content = Checkpoint(self.step, self.session.saved(), input_state, settings)
        kept = {step for listener in self.listeners for step in listener.kept_steps()}
        if isinstance(self.config.keep_best, KeepBest):
            kept.update(self.config.keep_best.steps(self.model_dir))
        path = checkpoints.save(self.model_dir, content, self.config.keep_checkpoint_max, kept)
        self.on_saved(dataclasses.replace(content, path=path))
        if self.summaries is not None:
            self.summaries.saved(path, self.step)
        self._saved = self.step
        said("Calling checkpoint listeners after saving checkpoint %d...", self.step)
        if any([listener.after_save(self.session.run_session, self.step) for listener in listeners]):
            self.session.stop_requested = True


def evaluate(session: Session, metrics: Mapping[str, Metric], steps: int | None) -> dict[str, Any]:
    """Return the metrics over `steps` batches, or over all.

    The session's steps give `loss` and, as ``<metric>/<i>``, the inputs of the metrics.
    """
    sums = {name: metric.zero() for name, metric in metrics.items()}
    losses, count = 0.0, 0
    threads = fitting_blas_threads(session.model.ends)
    with threads, contextlib.closing(session.dataset.blocks()) as blocks:
        while (steps is None or count < steps) and not session.stop_requested:
            block = blocks.read(STEPS_PER_CALL if steps is None else min(STEPS_PER_CALL, steps - count))
            if block is None:
                break
            for columns, fetched in session.run_each(block, count):
                loss = float(fetched["loss"])
                if math.isnan(loss) and not math.isnan(losses):
                    _warn_of_nan(session, columns, count)
                losses, count = losses + loss, count + 1
                for name, metric in metrics.items():
                    arrays = [fetched[f"{name}/{i}"] for i in range(len(metric.inputs))]
                    sums[name] += metric.update(*arrays)
                if steps is not None and (count % max(1, steps // 10) == 0 or count == steps):
                    log.info("Evaluation [%d/%d]", count, steps)
                session.after_run()
                if session.stop_requested:
                    break
    session.end()
    results: dict[str, Any] = {
        name: np.float32(metric.result(sums[name])) for name, metric in metrics.items()
    }
    results["loss"] = np.float32(losses / count if count else 0.0)
    return results


def _warn_of_nan(session: Session, columns: Sequence[Column], batch: int) -> None:
    """Say which feature or label of a batch made its loss NaN, if one did."""
    found = session.nan_in(columns)
    if found is not None:
        log.warning("The loss of batch %d is NaN: %s; %s.", batch, found, NO_NAN)


def predict(session: Session, single: bool) -> Iterator[dict[str, Any]]:
    """Yield what the steps give for each example, or for each batch.

    Raises:
        InvalidArgumentError: Examples are wanted, and predictions differ in their first dimension.
    """
    count = 0
    with contextlib.closing(session.dataset.blocks()) as blocks:
        while not session.stop_requested and (block := blocks.read(STEPS_PER_CALL)) is not None:
            for _, raw in session.run_each(block, count):
                fetched = {name: plain(value) for name, value in raw.items()}
                count += 1
                session.after_run()
                if single:
                    for i in range(examples_of(fetched)):
                        yield {name: array[i] for name, array in fetched.items()}
                else:
                    yield fetched
                if session.stop_requested:
                    break
    session.end()


def plain(value: Any) -> Array:
    """Return an array, of objects for text."""
    return value.to_numpy() if isinstance(value, Strings) else np.asarray(value)


def examples_of(fetched: Mapping[str, Array]) -> int:
    """Return the number of examples in predictions.

    Raises:
        InvalidArgumentError: Predictions differ in their first dimension.
    """
    shapes = {name: array.shape for name, array in fetched.items()}
    sizes = {shape[0] if shape else -1 for shape in shapes.values()}
    if len(sizes) > 1 or -1 in sizes:
        raise InvalidArgumentError(
            f"predictions have no common number of examples: their shapes are {shapes}",
            hint="give yield_single_examples=False, or choose some with predict_keys",
        )
    return sizes.pop()
