"""`RunConfig`: how a run is saved, logged and shown."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from dataflow.errors import InvalidArgumentError

UNSET = -1


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of training runs, with tf.estimator's names and defaults.

    Args:
        model_dir: Where checkpoints are; an estimator's own argument must agree with it.
        tf_random_seed: Seed of first values; None: from the operating system.
        save_checkpoints_steps: Save after so many steps. Giving it turns `save_checkpoints_secs` off.
        save_checkpoints_secs: Save after so many seconds. Default 600, unless steps are given.
            With both None only the first and the last state are saved.
        keep_checkpoint_max: How many of the newest checkpoints to keep; None or 0: all.
        log_step_count_steps: Log loss and speed after so many steps; None: never.
        progress: Whether to show a progress bar; None: in terminals and notebooks.

    Raises:
        InvalidArgumentError: A setting is out of range, or both save_checkpoints are given.

    >>> RunConfig(save_checkpoints_steps=100).save_checkpoints_secs is None
    True
    """

    model_dir: str | None = None
    tf_random_seed: int | None = None
    save_checkpoints_steps: int | None = UNSET
    save_checkpoints_secs: float | None = UNSET
    keep_checkpoint_max: int | None = 5
    log_step_count_steps: int | None = 100
    progress: bool | None = None

    def __post_init__(self) -> None:
        steps, secs = self.save_checkpoints_steps, self.save_checkpoints_secs
        given = [value for value in (steps, secs) if value not in (None, UNSET)]
        if len(given) == 2:
            raise InvalidArgumentError("give save_checkpoints_steps or save_checkpoints_secs, not both")
        if steps == UNSET:
            object.__setattr__(self, "save_checkpoints_steps", None)
        if secs == UNSET:
            object.__setattr__(self, "save_checkpoints_secs", 600 if steps == UNSET else None)
        if self.model_dir == "":
            raise InvalidArgumentError("model_dir must not be empty")
        lowest = {"save_checkpoints_steps": 1, "save_checkpoints_secs": 0, "keep_checkpoint_max": 0, "log_step_count_steps": 1}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InvalidArgumentError(f"{name} must be at least {low} or None, not {value}")
        if self.tf_random_seed is not None and not isinstance(self.tf_random_seed, int):
            raise InvalidArgumentError(f"tf_random_seed must be an integer, not {self.tf_random_seed!r}")

    def replace(self, **changes: Any) -> Self:
        """Return the settings with changes; setting one save_checkpoints clears the other.

        >>> RunConfig().replace(save_checkpoints_steps=5).save_checkpoints_secs is None
        True
        """
        for name, other in (
            ("save_checkpoints_steps", "save_checkpoints_secs"),
            ("save_checkpoints_secs", "save_checkpoints_steps"),
        ):
            if name in changes and other not in changes:
                changes[other] = None
        return dataclasses.replace(self, **changes)
