"""The loops: training until something says stop, evaluation, prediction."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block, Column
from dataflow.dataset import Dataset
from dataflow.errors import DataflowError, InvalidArgumentError, StateError
from dataflow.runtime.iterate import BlockIterator
from dataflow.storage import files
from dataflow.strings import Strings
from estimators import checkpoint as checkpoints
from estimators.checkpoint import GLOBAL_STEP, Checkpoint
from estimators.graph.program import Program
from estimators.graph.variable import Array
from estimators.interrupts import Interrupts
from estimators.metrics.base import Metric
from estimators.progress import log, number, progress_bar
from estimators.run_config import RunConfig

STEPS_PER_CALL = 64
"""Most steps between two looks at clocks and signals."""
SECONDS_PER_CALL = 0.1
"""Where steps are slow, the looks come about so often."""


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


@dataclasses.dataclass
class TrainLoop:
    """One call of `train`.

    Args:
        program: Fetches `loss` and updates the variables.
        dataset: Columns for the program.
        values: Arrays by variable name; they change.
        start_step: The global step to begin with.
        last_step: Stop there; None: at the end of the input.
        model_dir: Where to save.
        config: When to save, log and show.
        input_state: Position of the input to go on from, or None.
        settings: Numbers to keep in checkpoints for readers.
    """

    program: Program
    dataset: Dataset
    values: dict[str, Array]
    start_step: int
    last_step: int | None
    model_dir: str
    config: RunConfig
    input_state: Any
    settings: Mapping[str, Array]
    step: int = dataclasses.field(init=False)
    loss: float | None = dataclasses.field(init=False, default=None)
    _saved: int = dataclasses.field(init=False, default=-1)
    """The step of the last checkpoint."""
    _logged: tuple[int, float] | None = dataclasses.field(init=False, default=None)
    """Step and time of the last log line."""

    def run(self) -> float | None:
        """Train; return the loss of the last step, None if there was none."""
        self.step = self.start_step
        checkpoints.remove_leftovers(self.model_dir)
        blocks = self._open_input()
        try:
            with Interrupts() as interrupts:
                self._save(blocks.state())
                self._train(blocks, interrupts)
                if interrupts.received is None:
                    self._save(None)
                else:
                    log.info("Stopped by %s.", interrupts.name)
                    self._save(blocks.state())
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
        saved_at = time.monotonic()
        steps = 1
        with progress_bar("train", self.step, self.last_step, config.progress) as bar:
            while interrupts.received is None:
                began = time.monotonic()
                wanted = self._steps_to_next_event(steps)
                block = blocks.read(wanted) if wanted else None
                if block is None:
                    break
                before = self.step
                for columns in batches(block):
                    self._run_step(columns)
                now = time.monotonic()
                steps = (
                    min(2 * steps, STEPS_PER_CALL) if now - began < SECONDS_PER_CALL else max(steps // 2, 1)
                )
                bar.set_postfix_str(f"loss={self.loss:.4g}", refresh=False)
                bar.update(self.step - before)
                every, secs = config.save_checkpoints_steps, config.save_checkpoints_secs
                due = every is not None and (self.step - self.start_step) % every == 0
                if due or (secs is not None and now - saved_at >= secs):
                    self._save(blocks.state())
                    saved_at = time.monotonic()

    def _steps_to_next_event(self, steps: int) -> int:
        """Steps that may run before something else is due."""
        every = self.config.save_checkpoints_steps
        if self.last_step is not None:
            steps = min(steps, self.last_step - self.step)
        return min(steps, every - (self.step - self.start_step) % every) if every else steps

    def _run_step(self, columns: Sequence[Column]) -> None:
        loss = float(self.program.run(columns, self.values)["loss"])
        if math.isnan(loss):
            raise NanLossDuringTrainingError(
                f"the loss is NaN at step {self.step}",
                hint="give missing numbers a value, or use a smaller learning rate",
            )
        self.loss = loss
        every = self.config.log_step_count_steps
        if every is not None and (self.step - self.start_step) % every == 0:
            self._log(loss)
        self.step += 1
        self.values[GLOBAL_STEP][...] = self.step

    def _log(self, loss: float) -> None:
        now, text = time.monotonic(), number(np.float32(loss))
        if self._logged is None:
            log.info("loss = %s, step = %d", text, self.step)
        else:
            seconds = now - self._logged[1]
            log.info("global_step/sec: %g", (self.step - self._logged[0]) / max(seconds, 1e-9))
            log.info("loss = %s, step = %d (%.3f sec)", text, self.step, seconds)
        self._logged = self.step, now

    def _save(self, input_state: Any) -> None:
        """Write a checkpoint; a second one of a step replaces the first without a word."""
        broken = [n for n, v in self.values.items() if v.dtype.kind == "f" and np.isnan(v).any()]
        if broken and self.step > self.start_step:
            raise NanLossDuringTrainingError(
                f"{broken[0]} has become NaN by step {self.step}; the checkpoint before is kept",
                hint="look for huge values in the features, or use a smaller learning rate",
            )
        said = log.info if self._saved != self.step else log.debug
        said("Calling checkpoint listeners before saving checkpoint %d...", self.step)
        said("Saving checkpoints for %d into %s.", self.step, files.join(self.model_dir, "model.ckpt"))
        content = Checkpoint(self.step, self.values, input_state, self.settings)
        checkpoints.save(self.model_dir, content, self.config.keep_checkpoint_max)
        self._saved = self.step
        said("Calling checkpoint listeners after saving checkpoint %d...", self.step)


def evaluate(
    program: Program,
    dataset: Dataset,
    values: dict[str, Array],
    metrics: dict[str, Metric],
    steps: int | None,
) -> dict[str, Any]:
    """Return the metrics over `steps` batches, or over all.

    The program fetches `loss` and, as ``<metric>/<i>``, the inputs of the metrics.
    """
    sums = {name: metric.zero() for name, metric in metrics.items()}
    losses, count = 0.0, 0
    with contextlib.closing(dataset.blocks()) as blocks:
        while steps is None or count < steps:
            block = blocks.read(STEPS_PER_CALL if steps is None else min(STEPS_PER_CALL, steps - count))
            if block is None:
                break
            for columns in batches(block):
                fetched = program.run(columns, values)
                losses, count = losses + float(fetched["loss"]), count + 1
                for name, metric in metrics.items():
                    arrays = [fetched[f"{name}/{i}"] for i in range(len(metric.inputs))]
                    sums[name] += metric.update(*arrays)
                if steps is not None and (count % max(1, steps // 10) == 0 or count == steps):
                    log.info("Evaluation [%d/%d]", count, steps)
    results: dict[str, Any] = {
        name: np.float32(metric.result(sums[name])) for name, metric in metrics.items()
    }
    results["loss"] = np.float32(losses / count if count else 0.0)
    return results


def predict(
    program: Program, dataset: Dataset, values: dict[str, Array], single: bool
) -> Iterator[dict[str, Any]]:
    """Yield the fetches of each example, or of each batch.

    Raises:
        InvalidArgumentError: Examples are wanted, and predictions differ in their first dimension.
    """
    with contextlib.closing(dataset.blocks()) as blocks:
        while (block := blocks.read(STEPS_PER_CALL)) is not None:
            for columns in batches(block):
                fetched = {name: _plain(value) for name, value in program.run(columns, values).items()}
                if not single:
                    yield fetched
                    continue
                for i in range(_examples(fetched)):
                    yield {name: array[i] for name, array in fetched.items()}


def _plain(value: Any) -> Array:
    return value.to_numpy() if isinstance(value, Strings) else np.asarray(value)


def _examples(fetched: Mapping[str, Array]) -> int:
    shapes = {name: array.shape for name, array in fetched.items()}
    sizes = {shape[0] if shape else -1 for shape in shapes.values()}
    if len(sizes) > 1 or -1 in sizes:
        raise InvalidArgumentError(
            f"predictions have no common number of examples: their shapes are {shapes}",
            hint="give yield_single_examples=False, or choose some with predict_keys",
        )
    return sizes.pop()
