"""`InMemoryEvaluatorHook`: evaluation in the middle of training, without a checkpoint."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.estimator import Estimator
from estimators.hooks.base import SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.run_session import Coordinator, RunSession
from estimators.hooks.timer import SecondOrStepTimer
from estimators.inputs.input_fn import InputFn
from estimators.values.checkpoint import Checkpoint


class InMemoryEvaluatorHook(SessionRunHook):
    """Evaluates the values of training before the first step, every so many steps, and at the end.

    The results are logged and kept as those of `Estimator.evaluate`. The input_fn is called once; each
    evaluation reads its dataset from the start.

    Args:
        estimator: What is trained.
        input_fn: As for `Estimator.evaluate`, and so are the next three.
        steps: Batches to use; None: all.
        hooks: Called around each batch.
        name: Of the evaluation.
        every_n_iter: Steps between two evaluations.

    Raises:
        SpecError: `estimator` is no `Estimator`.
        InvalidArgumentError: `every_n_iter` or `steps` is below 1; several machines train.
    """

    def __init__(
        self,
        estimator: Estimator,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise SpecError(f"estimator must be an Estimator, not {estimator!r}")
        if every_n_iter is None or every_n_iter <= 0:
            raise InvalidArgumentError(f"every_n_iter must be at least 1, not {every_n_iter}")
        if estimator.config.num_ps_replicas > 0 or estimator.config.num_worker_replicas > 1:
            raise InvalidArgumentError("InMemoryEvaluatorHook evaluates only where one machine trains")
        self._make = functools.partial(estimator._evaluator, input_fn, steps, hooks, name)
        self._make()
        self._timer = SecondOrStepTimer(every_steps=every_n_iter)

    def begin(self) -> None:
        """Make the model."""
        self._timer.reset()
        self._count = 0
        self._evaluator = self._make()
        self._model = self._evaluator.prepare()

    def after_create_session(self, session: RunSession, coord: Coordinator) -> None:
        """Evaluate what training begins with."""
        self._evaluate(session)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Evaluate where it is due."""
        self._count += 1
        if self._timer.should_trigger_for_step(self._count):
            self._evaluate(run_context.session)

    def end(self, session: RunSession) -> None:
        """Evaluate the last values."""
        self._evaluate(session)

    def _evaluate(self, session: RunSession) -> None:
        self._timer.update_last_triggered_step(self._count)
        names = {variable.name for variable in self._model.variables}
        values = {name: value for name, value in session.values.items() if name in names}
        self._evaluator.run(Checkpoint(session.global_step, values, path="memory"))
