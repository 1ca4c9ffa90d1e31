"""One call of `train_and_evaluate`: what is still to do, and doing it."""

from __future__ import annotations

import bisect
import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dataflow.errors import InvalidArgumentError, did_you_mean
from dataflow.storage import files
from estimators.estimator import Estimator
from estimators.evaluation import evaluations
from estimators.evaluation.best import EarlyStopping
from estimators.evaluation.evaluator import Evaluator
from estimators.hooks.base import CheckpointSaverListener
from estimators.hooks.run_session import RunSession
from estimators.inputs.input_fn import InputFn, call_input_fn
from estimators.progress import log
from estimators.specs import ModeKeys
from estimators.training import run_state
from estimators.training.epochs import batches_after
from estimators.training.run_state import RunState
from estimators.training.specs import EvalSpec, TrainSpec
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import GLOBAL_STEP, Checkpoint

if TYPE_CHECKING:
    from estimators.export.exporters import Exporter

FOR_EVER = 1 << 40
"""More epochs than any input has."""


@dataclasses.dataclass
class Task:
    """One EvalSpec, and what its last evaluation gave.

    Args:
        spec: What to do.
        evaluator: Keeps the model.
        epoch_end: The global step at which an epoch, counted from 1, ends; None if nobody asks.
    """

    spec: EvalSpec
    evaluator: Evaluator
    epoch_end: Callable[[int], int] | None = None
    step: int | None = None
    """The step of the last evaluation."""
    results: dict[str, Any] | None = None
    exports: list[Any] | None = None
    final: bool = False
    """Whether the exporters were told that it was the last time."""
    _began: float | None = None
    """When the last evaluation began."""
    _ends: list[int] = dataclasses.field(default_factory=list)
    """Steps at which epochs end, as far as anybody has asked."""

    def next_due(self, step: int) -> int | None:
        """Return the next step, later than this one, that the plan names; None: the plan names none."""
        every, epochs = self.spec.every_steps, self.spec.every_epochs
        if every is not None:
            return (step // every + 1) * every
        if epochs is None or self.epoch_end is None or self.epoch_end(FOR_EVER) <= step:
            return None
        while not self._ends or self._ends[-1] <= step:
            self._ends.append(self.epoch_end((len(self._ends) + 1) * epochs))
        return self._ends[bisect.bisect_right(self._ends, step)]

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """What exports after each evaluation."""
        return cast("tuple[Exporter, ...]", self.spec.exporters)

    @property
    def planned(self) -> bool:
        """Whether evaluations come at steps, not after seconds."""
        return self.spec.every_steps is not None or self.spec.every_epochs is not None

    def is_due(self, step: int) -> bool:
        """Tell whether to evaluate after the checkpoint of a step, which is not the first."""
        if self.step == step:
            return False
        if self.planned:
            return self.next_due(step - 1) == step
        rest = 0.0 if self._began is None else self._began + self.spec.throttle_secs - time.monotonic()
        if rest > 0:
            log.info(
                "Skip the current checkpoint eval due to throttle secs (%g secs, %.0f of them are left).",
                self.spec.throttle_secs,
                rest,
            )
        return rest <= 0

    def is_owed(self, step: int) -> bool:
        """Tell whether the evaluation of a step is missing in the run that is gone on with."""
        due = self.next_due(step - 1) == step if self.planned else self.spec.throttle_secs == 0
        return due and self.recorded(step) is None

    def evaluate(self, found: Checkpoint) -> None:
        """Evaluate."""
        self._began, self.step, self.final = time.monotonic(), found.step, False
        self.results, self.exports = self.evaluator.run(found), []

    def recorded(self, step: int) -> dict[str, Any] | None:
        """Return the results of a step if they are kept, as `evaluate` gave them."""
        directory = evaluations.directory_of(self.evaluator.model_dir, self.spec.name)
        for kept in evaluations.read(directory):
            if kept.step == step:
                return {
                    **{name: np.float32(v) for name, v in kept.metrics.items()},
                    GLOBAL_STEP: np.int64(step),
                }
        return None

    def export(self, estimator: Estimator, path: str, *, final: bool) -> None:
        """Call the exporters with the last results."""
        base = files.join(estimator.model_dir, "export")
        self.final = final
        self.exports = [
            exporter.export(
                estimator=estimator,
                export_path=files.join(base, exporter.name),
                checkpoint_path=path,
                eval_result=dict(self.results or {}),
                is_the_final_export=final,
            )
            for exporter in self.exporters
        ]


class EvaluatingListener(CheckpointSaverListener):
    """Evaluates after checkpoints.

    Args:
        run: What is done.
    """

    def __init__(self, run: TrainingRun) -> None:
        self._run = run
        self._first = True

    def after_save(self, session: RunSession, global_step_value: int) -> bool | None:
        """Evaluate what is due; at the start there is nothing new to see."""
        if self._first:
            self._first = False
            return None
        due = [task for task in self._run.tasks if task.is_due(global_step_value)]
        found = self._run.live(global_step_value)
        self._run.evaluate(due, found, last=found.input_state is None)
        return bool(due) and self._run.should_stop()

    def end(self, session: RunSession, global_step_value: int) -> None:
        """Evaluate what has not been evaluated at the last step."""
        rest = [task for task in self._run.tasks if task.step != global_step_value]
        self._run.evaluate(rest, self._run.live(global_step_value), last=True)

    def next_save(self, global_step_value: int) -> int | None:
        """Return the next step that is planned for an evaluation."""
        found = [task.next_due(global_step_value) for task in self._run.tasks]
        return min((step for step in found if step is not None), default=None)

    def kept_steps(self) -> Collection[int]:
        """Return the step of the best evaluation, if it may have to be restored."""
        stopping = self._run.restoring
        return () if stopping is None else stopping.best_steps(self._run.model_dir)


class TrainingRun:
    """One call of `train_and_evaluate`.

    Args:
        estimator: The model.
        train_spec: How to train.
        eval_specs: How to evaluate.
        early_stopping: When to stop.
    """

    def __init__(
        self,
        estimator: Estimator,
        train_spec: TrainSpec,
        eval_specs: Sequence[EvalSpec],
        early_stopping: EarlyStopping | None,
    ) -> None:
        self.estimator = estimator
        self.model_dir = estimator.model_dir
        self.tasks = [Task(spec, self._evaluator(spec)) for spec in eval_specs]
        self._train = train_spec
        self._stopping = early_stopping
        restores = early_stopping is not None and early_stopping.restore_best
        self.restoring = early_stopping if restores else None
        self._settings = {
            "max_steps": train_spec.max_steps,
            "early_stopping": None if early_stopping is None else dataclasses.asdict(early_stopping),
        }

    def run(self) -> list[Task] | None:
        """Do what is still to do; return the tasks with their results, None if there was nothing."""
        path = self.estimator.latest_checkpoint()
        step = 0 if path is None else checkpoints.step_of(path)
        state = run_state.read(self.model_dir)
        resumed = state is not None and state.phase != "finished"
        if not resumed and self._is_done(state, step):
            return None
        over = state is not None and resumed and self._is_over(state, path, step)
        start = state.start_step if state is not None and resumed else step
        state = RunState("training", start, settings=self._settings)
        self._check_evaluations()
        if not over:
            input_fn = self._prepare_epochs(state.start_step)
            self._log_plan(step)
            state.write(self.model_dir)
            self._go_on(state, path, step, input_fn)
        self._finish(state)
        return self.tasks

    def _evaluator(self, spec: EvalSpec) -> Evaluator:
        """Return what evaluates, as a process that is started again would: over the same batches."""
        found = self.estimator._evaluator(spec.input_fn, spec.steps, spec.hooks, spec.name)
        return dataclasses.replace(found, anew=True)

    # What is to do ---------------------------------------------------------------------------------

    def _is_done(self, state: RunState | None, step: int) -> bool:
        """Tell whether an earlier call has done everything."""
        if self._reached(step):
            log.info("Skipping training since max_steps has already saved.")
            return True
        same = state is not None and state.step == step and state.settings == self._settings
        if self._stopping is not None and same:
            log.info(
                "Skipping training: it has ended already, with the weights of step %d. With another "
                "EarlyStopping, or another max_steps, it goes on from there.",
                step,
            )
            return True
        return False

    def _is_over(self, state: RunState, path: str | None, step: int) -> bool:
        """Tell whether the call that is gone on with had come to the end of training."""
        if path is None or self._reached(step):
            return path is not None
        if state.settings != self._settings:
            return False
        return state.phase == "ending" or (step > state.start_step and not checkpoints.is_under_way(path))

    def _reached(self, step: int) -> bool:
        return self._train.max_steps is not None and step >= self._train.max_steps

    def _check_evaluations(self) -> None:
        """Make the models of evaluations, so that what is wrong with them is known before training."""
        stopping = self._stopping
        for task in self.tasks:
            known = ["loss", *task.evaluator.prepare().spec.eval_metric_ops]
            if stopping is not None and stopping.name == task.spec.name and stopping.metric not in known:
                raise InvalidArgumentError(
                    f"early_stopping looks at {stopping.metric!r}, which the evaluation does not give",
                    hint=did_you_mean(stopping.metric, known),
                )

    def _prepare_epochs(self, start: int) -> InputFn:
        """Find out how long epochs are, if that is asked for; return what to train with."""
        if all(task.spec.every_epochs is None for task in self.tasks):
            return self._train.input_fn
        data = call_input_fn(
            self._train.input_fn,
            endless=self._train.max_steps is not None,
            mode=ModeKeys.TRAIN,
            params=self.estimator.params,
            config=self.estimator.config,
            input_context=None,
        )
        after = batches_after(data)
        if after is not None:
            for task in self.tasks:
                task.epoch_end = lambda epochs: start + after(epochs)
        return data

    def _log_plan(self, step: int) -> None:
        config, last = self.estimator.config, self._train.max_steps
        every, secs = config.save_checkpoints_steps, config.save_checkpoints_secs
        often = f"every {every} steps" if every else f"every {secs:g} seconds" if secs else "at the start"
        end = "the end of the input" if last is None else f"step {last}"
        log.info("Plan: train from step %d to %s; checkpoints %s, and at the end.", step, end, often)
        for task in self.tasks:
            spec = task.spec
            name = f" {spec.name}" if spec.name else ""
            size = "all batches" if spec.steps is None else f"{spec.steps} batches"
            if spec.every_steps is not None:
                when = f"every {spec.every_steps} steps"
            elif spec.every_epochs is not None:
                first = None if task.epoch_end is None else task.epoch_end(spec.every_epochs)
                when = f"every {spec.every_epochs} epochs" + (f" (first at step {first})" if first else "")
            else:
                when = (
                    f"at checkpoints, {spec.throttle_secs:g} seconds apart or more (EvalSpec(every_steps=n) "
                    "sets it in steps)"
                )
            names = ", ".join(exporter.name for exporter in task.exporters)
            export = f"; then export: {names}" if names else ""
            log.info("Plan: evaluate%s (%s) %s, and at the end%s.", name, size, when, export)
        if self._stopping is not None:
            log.info("Plan: stop early by %s.", self._stopping)

    # Doing it --------------------------------------------------------------------------------------

    def _go_on(self, state: RunState, path: str | None, step: int, input_fn: InputFn) -> None:
        """Train, after evaluations that a killed process has not made."""
        if path is not None and step > state.start_step:
            owed = [task for task in self.tasks if task.is_owed(step)]
            if owed:
                self.evaluate(owed, checkpoints.load(path))
            if self.should_stop():
                return
        self.estimator.train(
            input_fn,
            hooks=self._train.hooks,
            max_steps=self._train.max_steps,
            saving_listeners=[*(self._train.saving_listeners or ()), EvaluatingListener(self)],
        )

    def live(self, step: int) -> Checkpoint:
        """Return the checkpoint of a step, which was just written, with the values that are in memory."""
        saved = self.estimator._saved
        assert saved is not None
        assert saved.step == step
        return saved

    def evaluate(self, tasks: Sequence[Task], found: Checkpoint, *, last: bool = False) -> None:
        """Evaluate, and call the exporters, unless the values of the end are still to be restored."""
        final = last or self._reached(found.step)
        for task in tasks:
            task.evaluate(found)
            if not final or self.restoring is None:
                task.export(self.estimator, found.path, final=final)

    def should_stop(self) -> bool:
        """Tell, in the log too, whether training should stop early."""
        why = None if self._stopping is None else self._stopping.why_stop(self.model_dir)
        if why is not None:
            log.info("Stopping early: %s.", why)
        return why is not None

    def _finish(self, state: RunState) -> None:
        """Restore the best values if wanted, and make the last evaluations and exports that are missing."""
        state = dataclasses.replace(state, phase="ending", settings=self._settings).write(self.model_dir)
        if self.restoring is not None:
            self._restore(self.restoring)
        path = self.estimator.latest_checkpoint()
        assert path is not None
        step = checkpoints.step_of(path)
        for task in self.tasks:
            if task.step != step:
                known = task.recorded(step)
                if known is None:
                    found = self.estimator._values(path)
                    assert found is not None
                    task.evaluate(found)
                else:
                    task.step, task.results, task.final = step, known, False
            if not task.final:
                task.export(self.estimator, path, final=True)
        dataclasses.replace(state, phase="finished", step=step).write(self.model_dir)

    def _restore(self, stopping: EarlyStopping) -> None:
        for step in stopping.best_steps(self.model_dir):
            if checkpoints.go_back(self.model_dir, step) is not None:
                log.info("Restored the weights of step %d, whose %s was best.", step, stopping.metric)
