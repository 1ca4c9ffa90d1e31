"""Ctrl-C and SIGTERM end a job at once; what is complete counts."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType
from typing import Any


class Stopped(BaseException):
    """A signal asked for the end.

    Attributes:
        number: Which one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """While it is entered, the first SIGINT or SIGTERM raises `Stopped`; a second one ends the process.

    A signal that the process ignores stays ignored.

    >>> try:
    ...     with Stop():
    ...         signal.raise_signal(signal.SIGTERM)
    ... except Stopped as stopped:
    ...     print(stopped)
    SIGTERM
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        with contextlib.suppress(ValueError):  # outside of the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        for other in self._previous:
            signal.signal(other, signal.SIG_DFL)
        raise Stopped(number)

    def check(self) -> None:
        """Raise `Stopped` again if it was lost, as what a finalizer raises is."""
        if self._received is not None:
            raise Stopped(self._received)
