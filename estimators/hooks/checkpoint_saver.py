"""`CheckpointSaverHook`: when checkpoints are written, said by a hook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.storage import files
from estimators.hooks.base import CheckpointSaverListener, SessionRunHook, checked
from estimators.hooks.run_session import RunSession
from estimators.hooks.timer import SecondOrStepTimer
from estimators.values import checkpoint as checkpoints

BASENAME = "model.ckpt"


class CheckpointSaverHook(SessionRunHook):
    """Says when `Estimator.train` writes checkpoints, in place of `RunConfig`.

    They are those of `train` itself: with the position of the input, at the start and at the end too. A
    checkpoint that is due is written before the `after_run` of any hook. Outside of training it does
    nothing.

    Args:
        checkpoint_dir: The model_dir. Another directory gets copies of the checkpoints.
        save_secs: Seconds between two checkpoints.
        save_steps: Steps between two checkpoints; one of both must be given.
        saver: Must be None.
        checkpoint_basename: Must be "model.ckpt".
        scaffold: Means nothing here.
        listeners: Called around each checkpoint; the first hook gets the `saving_listeners` of `train` too.
        save_graph_def: Means nothing here: checkpoints hold no graph.

    Raises:
        InvalidArgumentError: Both of `save_secs` and `save_steps` are given, or none; another name or saver.

    >>> CheckpointSaverHook("model", save_steps=100).save_steps
    100
    """

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: None = None,
        checkpoint_basename: str = BASENAME,
        scaffold: Any = None,
        listeners: Sequence[CheckpointSaverListener] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None:
            raise InvalidArgumentError("saver must be None: there is one format of checkpoints")
        if checkpoint_basename != BASENAME:
            raise InvalidArgumentError(f"checkpoints are called {BASENAME!r}, not {checkpoint_basename!r}")
        if save_steps is not None and (isinstance(save_steps, bool) or not hasattr(save_steps, "__index__")):
            raise SpecError(f"save_steps must be an integer, not {save_steps!r}")
        SecondOrStepTimer(save_secs, save_steps)
        if save_steps is not None and save_steps < 1:
            raise InvalidArgumentError(f"save_steps must be at least 1, not {save_steps}")
        self.checkpoint_dir = os.fspath(checkpoint_dir)
        self.save_secs, self.save_steps = save_secs, save_steps
        self.listeners = checked("listeners", listeners, CheckpointSaverListener)

    def listeners_of(self, model_dir: str, start: int) -> list[CheckpointSaverListener]:
        """Return what makes training save as this hook wants.

        Args:
            model_dir: Where training saves.
            start: The global step that it begins with.
        """
        schedule = [_EverySteps(start, self.save_steps)] if self.save_steps else []
        if _same(self.checkpoint_dir, model_dir):
            return [*schedule, *self.listeners]
        return [*schedule, _Copies(model_dir, self, start)]


class _EverySteps(CheckpointSaverListener):
    """Wants a checkpoint after every so many steps."""

    def __init__(self, start: int, every: int) -> None:
        self._start, self._every = start, every

    def next_save(self, global_step_value: int) -> int:
        return global_step_value + self._every - (global_step_value - self._start) % self._every


class _Copies(CheckpointSaverListener):
    """Copies checkpoints to another directory, around which it calls the listeners of a hook."""

    def __init__(self, model_dir: str, hook: CheckpointSaverHook, start: int) -> None:
        self._model_dir, self._hook = model_dir, hook
        self._timer = SecondOrStepTimer(hook.save_secs, hook.save_steps)
        self._copied = -1

    def begin(self) -> None:
        for listener in self._hook.listeners:
            listener.begin()

    def after_save(self, session: RunSession, global_step_value: int) -> bool:
        if not self._timer.should_trigger_for_step(global_step_value):
            return False
        self._timer.update_last_triggered_step(global_step_value)
        return self._copy(session, global_step_value)

    def _copy(self, session: RunSession, step: int) -> bool:
        listeners = self._hook.listeners
        again, self._copied = self._copied == step, step
        for listener in () if again else listeners:
            listener.before_save(session, step)
        found = checkpoints.load(checkpoints.path_of(self._model_dir, step))
        checkpoints.save(self._hook.checkpoint_dir, found, None)
        return any([listener.after_save(session, step) for listener in (() if again else listeners)])

    def end(self, session: RunSession, global_step_value: int) -> None:
        self._copy(session, global_step_value)
        for listener in self._hook.listeners:
            listener.end(session, global_step_value)


def _same(left: str, right: str) -> bool:
    """Tell whether two paths name one directory."""
    if files.is_url(left) or files.is_url(right):
        return left.rstrip("/") == right.rstrip("/")
    return os.path.realpath(left) == os.path.realpath(right)
