"""`SecondOrStepTimer`: what is due every so many steps or seconds."""

from __future__ import annotations

import time

from dataflow.errors import InvalidArgumentError


class SecondOrStepTimer:
    """Tells at which steps something is due: the first time at once, then every so many seconds or steps.

    Args:
        every_secs: Seconds between two times.
        every_steps: Steps between two times; one of both must be given.

    Raises:
        InvalidArgumentError: Both are given, or none.

    >>> timer = SecondOrStepTimer(every_steps=3)
    >>> for step in range(8):
    ...     if timer.should_trigger_for_step(step):
    ...         print(step, timer.update_last_triggered_step(step)[1])
    0 None
    3 3
    6 3
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if (every_secs is None) == (every_steps is None):
            raise InvalidArgumentError(
                f"give just one of every_secs ({every_secs}) and every_steps ({every_steps})"
            )
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next query says yes."""
        self._step: int | None = None
        self._time = 0.0

    def should_trigger_for_step(self, step: int) -> bool:
        """Return whether it is due at a step; for the step it was last done at, it is not."""
        if self._step is None:
            return True
        if self._step == step:
            return False
        if self._every_secs is not None:
            return time.monotonic() >= self._time + self._every_secs
        assert self._every_steps is not None
        return step >= self._step + self._every_steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Note that it was done at a step; return the seconds and steps since the time before, or Nones."""
        now = time.monotonic()
        passed = (None, None) if self._step is None else (now - self._time, step - self._step)
        self._step, self._time = step, now
        return passed

    def last_triggered_step(self) -> int | None:
        """Return the step that it was last done at, None before the first time."""
        return self._step
