"""`NanTensorHook`: training ends where a tensor becomes NaN."""

from __future__ import annotations

import numpy as np

from dataflow.expr.tensor import Tensor
from estimators.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.named import Named, named_tensor
from estimators.progress import log
from estimators.running.numerics import NanLossDuringTrainingError


class NanTensorHook(SessionRunHook):
    """Watches a tensor, and raises or ends the run when it holds NaN.

    `Estimator.train` watches its loss itself, and raises in any case.

    Args:
        loss_tensor: What to watch, or its name as in `LoggingTensorHook`.
        fail_on_nan_loss: Whether to raise; else the run ends as at the end of the input.
    """

    def __init__(self, loss_tensor: Named, fail_on_nan_loss: bool = True) -> None:
        self._loss = loss_tensor
        self._fail = fail_on_nan_loss
        self._tensor: Tensor | None = None

    def begin(self) -> None:
        """Forget the run before."""
        self._tensor = None

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the tensor."""
        if self._tensor is None:
            self._tensor = named_tensor(self._loss, run_context)
        return SessionRunArgs(self._tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Look for NaN."""
        if not np.isnan(run_values.results).any():
            return
        said = f"{self._tensor!r} is NaN at step {run_context.session.global_step}"
        if self._fail:
            raise NanLossDuringTrainingError(
                said, hint="use a smaller learning rate, or find the operation with RunConfig(reference=True)"
            )
        log.warning("%s; stopping.", said)
        run_context.request_stop()
