"""`LoggingTensorHook`: values of tensors in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from estimators.hooks.named import Named, named_tensor, tag_of
from estimators.hooks.run_session import RunSession, needs_batch
from estimators.hooks.timer import SecondOrStepTimer
from estimators.progress import log


class LoggingTensorHook(SessionRunHook):
    """Logs values of tensors every so many steps of a run, or seconds, or at its end: ``tag = value, …``.

    Args:
        tensors: Tensors by tag, logged by tag in alphabetical order, or a list of tensors. In place of a
            tensor its name, if it has one: "loss", "global_step", and variables do.
        every_n_iter: Steps between two lines; the first step has one.
        every_n_secs: Seconds between two lines.
        at_end: Whether to log at the end too: variables as they are then, others of the last step.
        formatter: Makes the line from a dict of values by tag.

    Raises:
        InvalidArgumentError: Not just one of `every_n_iter` and `every_n_secs` is given (none may be with
            `at_end`), or `every_n_iter` is below 1; in the run, a name that nothing has.
        SpecError: `tensors` is neither dict nor list.

    >>> LoggingTensorHook({"mean loss": "loss"}, every_n_iter=0)
    Traceback (most recent call last):
    dataflow.errors.InvalidArgumentError: every_n_iter must be at least 1, not 0
    """

    def __init__(
        self,
        tensors: Mapping[str, Named] | Iterable[Named],
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        timed = every_n_iter is not None or every_n_secs is not None
        if every_n_iter is not None and every_n_iter <= 0:
            raise InvalidArgumentError(f"every_n_iter must be at least 1, not {every_n_iter}")
        if not timed and not at_end:
            raise InvalidArgumentError("give every_n_iter, every_n_secs or at_end=True")
        self._timer = SecondOrStepTimer(every_n_secs, every_n_iter) if timed else None
        if isinstance(tensors, str | Tensor):
            raise SpecError(f"tensors must be a dict or a list, not {tensors!r}")
        if isinstance(tensors, Mapping):
            self._given = {tag: tensors[tag] for tag in sorted(tensors)}
        else:
            self._given = {tag_of(tensor): tensor for tensor in tensors}
        self._at_end = at_end
        self._formatter = formatter
        self._tensors: dict[str, Tensor] = {}
        self._last: dict[str, Any] = {}

    def begin(self) -> None:
        """Count from here."""
        if self._timer is not None:
            self._timer.reset()
        self._count = 0
        self._tensors, self._last = {}, {}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Ask for the tensors where they are to be logged; for the end, for those of each batch."""
        if not self._tensors:
            self._tensors = {tag: named_tensor(given, run_context) for tag, given in self._given.items()}
            self._of_batch = {tag: tensor for tag, tensor in self._tensors.items() if needs_batch(tensor)}
        self._due = self._timer is not None and self._timer.should_trigger_for_step(self._count)
        if self._due:
            return SessionRunArgs(self._tensors)
        return SessionRunArgs(self._of_batch if self._at_end else None)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Log what is due."""
        self._last = run_values.results or {}
        if self._due:
            self._log(self._last)
        self._count += 1

    def end(self, session: RunSession) -> None:
        """Log the last values."""
        if self._at_end and self._tensors:
            rest = {tag: tensor for tag, tensor in self._tensors.items() if tag not in self._of_batch}
            values = {**self._last, **session.run(rest)}
            self._log({tag: values[tag] for tag in self._tensors if tag in values})

    def _log(self, values: dict[str, Any]) -> None:
        seconds = None
        if self._timer is not None:
            seconds, _ = self._timer.update_last_triggered_step(self._count)
        if self._formatter is not None:
            log.info("%s", self._formatter(values))
            return
        with np.printoptions(suppress=True):
            text = ", ".join(f"{tag} = {value!s}" for tag, value in values.items())
        if seconds is None:
            log.info("%s", text)
        else:
            log.info("%s (%.3f sec)", text, seconds)
