"""`RunConfig`: how a run is saved, logged and shown."""

from __future__ import annotations

import dataclasses
import numbers
import os
from typing import Any, Self

from dataflow.errors import InvalidArgumentError, did_you_mean

DEFAULT: Any = object()
"""Stands for an argument that was not given."""

LOWEST = {
    "tf_random_seed": 0,
    "save_checkpoints_steps": 1,
    "save_checkpoints_secs": 0,
    "keep_checkpoint_max": 0,
    "log_step_count_steps": 1,
}


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
        reference: Run the graph by plain NumPy, primitive by primitive, to check results or to find out
            where NaN comes from. Slow.

    Raises:
        InvalidArgumentError: A setting is out of range, or both save_checkpoints are given.

    >>> RunConfig(save_checkpoints_steps=100).save_checkpoints_secs is None
    True
    """

    model_dir: str | None = None
    tf_random_seed: int | None = None
    save_checkpoints_steps: int | None = DEFAULT
    save_checkpoints_secs: float | None = DEFAULT
    keep_checkpoint_max: int | None = 5
    log_step_count_steps: int | None = 100
    progress: bool | None = None
    reference: bool = False

    def __post_init__(self) -> None:
        steps, secs = self.save_checkpoints_steps, self.save_checkpoints_secs
        if steps is DEFAULT:
            object.__setattr__(self, "save_checkpoints_steps", None)
        if secs is DEFAULT:
            object.__setattr__(self, "save_checkpoints_secs", 600 if steps is DEFAULT else None)
        if self.save_checkpoints_steps is not None and self.save_checkpoints_secs is not None:
            raise InvalidArgumentError("give save_checkpoints_steps or save_checkpoints_secs, not both")
        if self.model_dir is not None:
            object.__setattr__(self, "model_dir", os.fspath(self.model_dir))
        if self.model_dir == "":
            raise InvalidArgumentError("model_dir must not be empty")
        if not isinstance(self.reference, bool):
            raise InvalidArgumentError(f"reference must be True or False, not {self.reference!r}")
        for name, low in LOWEST.items():
            value = getattr(self, name)
            integer = not name.endswith("secs")
            kind: Any = numbers.Integral if integer else numbers.Real
            good = isinstance(value, kind) and not isinstance(value, bool) and value >= low
            if value is not None and not good:
                what = "an integer" if integer else "a number"
                raise InvalidArgumentError(f"{name} must be None or {what} of at least {low}, not {value!r}")

    def replace(self, **changes: Any) -> Self:
        """Return the settings with changes; setting one save_checkpoints clears the other.

        Raises:
            InvalidArgumentError: There is no such setting, or its value is out of range.

        >>> RunConfig().replace(save_checkpoints_steps=5).save_checkpoints_secs is None
        True
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in names:
                raise InvalidArgumentError(f"RunConfig has no {name!r}", hint=did_you_mean(name, names))
        for name, other in (
            ("save_checkpoints_steps", "save_checkpoints_secs"),
            ("save_checkpoints_secs", "save_checkpoints_steps"),
        ):
            if name in changes and other not in changes:
                changes[other] = None
        return dataclasses.replace(self, **changes)
