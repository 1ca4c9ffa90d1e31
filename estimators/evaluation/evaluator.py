"""Evaluating a model over one input, once or again and again while it is trained."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.dataset import Dataset
from dataflow.errors import InvalidArgumentError
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import bind, epochs_of
from estimators.evaluation import evaluations
from estimators.hooks.base import SessionRunHook
from estimators.model import Model
from estimators.progress import log, number
from estimators.running import loop
from estimators.running.session import Session
from estimators.summary.evaluation import write_evaluation
from estimators.values.checkpoint import GLOBAL_STEP, Checkpoint
from estimators.values.first_values import restored_values


@dataclasses.dataclass
class Evaluator:
    """Evaluates a model, whose program is made once and kept.

    Where there are hooks it is made anew for each evaluation: `begin` of a hook may add to the model.

    Args:
        build: Makes the model in mode EVAL, with its input.
        start: Makes a session of a model, values (None: its first ones) and hooks.
        model_dir: Where results are kept.
        steps: Batches to use; None: all.
        hooks: Called around each batch.
        name: Of the evaluation.
        anew: Whether random stages of the input start anew for each evaluation, with counters of their own;
            else they go on, as in a loop over a dataset.
    """

    build: Callable[[], Model]
    start: Callable[[Model, Checkpoint | None, Sequence[SessionRunHook]], Session]
    model_dir: str
    steps: int | None = None
    hooks: Sequence[SessionRunHook] = ()
    name: str | None = None
    anew: bool = False
    _model: Model | None = dataclasses.field(default=None, init=False)
    _session: Session | None = dataclasses.field(default=None, init=False)

    def prepare(self) -> Model:
        """Make the model, unless it is there.

        Raises:
            InvalidArgumentError: The input is endless, and the number of steps is not given.
        """
        if self._model is None:
            model = self.build()
            if self.steps is None and model.dataset.cardinality() == INFINITE_CARDINALITY:
                of = f" {self.name!r}" if self.name else ""
                raise InvalidArgumentError(
                    f"the input of evaluate{of} is endless",
                    hint="give steps=, or leave out .repeat() in the input_fn",
                )
            if self.anew:
                model = dataclasses.replace(model, dataset=Dataset(bind(model.dataset.node, (), ())))
            self._model = model
        return self._model

    def run(self, found: Checkpoint | None) -> dict[str, Any]:
        """Evaluate with the values of a checkpoint, or with first values; keep and return the results."""
        model = self.prepare()
        label = f" {self.name}" if self.name else ""
        log.info("Starting evaluation%s at %s", label, _now())
        session = self._started(model, found)
        results = loop.evaluate(session, session.model.spec.eval_metric_ops, self.steps)
        log.info("Finished evaluation%s at %s", label, _now())
        results[GLOBAL_STEP] = np.int64(session.values[GLOBAL_STEP])
        if found is not None:
            directory = evaluations.directory_of(self.model_dir, self.name)
            evaluations.append(directory, found.step, results)
            write_evaluation(directory, found.step, results, found.path)
        text = ", ".join(f"{key} = {number(results[key])}" for key in sorted(results))
        log.info("Saving dict for global step %d: %s", results[GLOBAL_STEP], text)
        return results

    def _started(self, model: Model, found: Checkpoint | None) -> Session:
        if self._session is not None and found is not None:
            if self.anew:
                for epochs in epochs_of(self._session.dataset.node):
                    epochs.upcoming = 0
            self._session.values = restored_values(model, found)
            return self._session
        hooks = (*self.hooks, *model.spec.evaluation_hooks)
        session = self.start(model, found, hooks)
        if hooks:
            self._model = None
        else:
            self._session = session
        return session


def _now() -> str:
    return datetime.datetime.now().isoformat(timespec="seconds")
