"""When a call of `train` writes checkpoints, and which it keeps, as `RunConfig`, hooks and listeners say."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from estimators.hooks.base import CheckpointSaverListener, SessionRunHook
from estimators.hooks.checkpoint_saver import CheckpointSaverHook
from estimators.run_config import NEVER_KEPT, RunConfig
from estimators.values import checkpoint as checkpoints

Listeners = tuple[CheckpointSaverListener, ...]
Hooks = tuple[SessionRunHook, ...]


def saving(
    config: RunConfig,
    hooks: Sequence[SessionRunHook],
    listeners: Sequence[CheckpointSaverListener],
    model_dir: str,
    start: int,
) -> tuple[RunConfig, Hooks, Listeners]:
    """Return what a training run needs: its settings, the hooks that see steps, and all listeners.

    Args:
        config: Of the estimator; hooks that say when to save take its place.
        hooks: In the order of calls.
        listeners: Given to `train`.
        model_dir: Where checkpoints are.
        start: The global step to begin with.
    """
    savers = [hook for hook in hooks if isinstance(hook, CheckpointSaverHook)]
    found = [listener for saver in savers for listener in saver.listeners_of(model_dir, start)]
    found += [listener for listener in listeners if not any(listener is other for other in found)]
    if savers:
        secs = [saver.save_secs for saver in savers if saver.save_secs is not None]
        config = config.replace(save_checkpoints_steps=None, save_checkpoints_secs=min(secs, default=None))
    if config.keep_checkpoint_every_n_hours < NEVER_KEPT:
        names = checkpoints.listed(model_dir)
        kept = names[: -config.keep_checkpoint_max] if config.keep_checkpoint_max else []
        steps = {checkpoints.step_of(name) for name in kept}
        found.append(_KeptByTime(steps, 3600 * config.keep_checkpoint_every_n_hours))
    # what overrides nothing need not see the steps, which are quicker without
    return config, tuple(hook for hook in hooks if type(hook) is not CheckpointSaverHook), tuple(found)


class _KeptByTime(CheckpointSaverListener):
    """Keeps a checkpoint for ever every so many seconds, and those that earlier runs have kept."""

    def __init__(self, kept: set[int], seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds
        self._kept = kept

    def before_save(self, session: object, global_step_value: int) -> None:
        if time.monotonic() >= self._next:
            self._kept.add(global_step_value)
            self._next += self._seconds

    def kept_steps(self) -> Collection[int]:
        return self._kept
