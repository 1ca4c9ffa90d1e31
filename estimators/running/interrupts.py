"""Ctrl-C and SIGTERM as a request to stop at the next step."""

from __future__ import annotations

import contextlib
import signal
from types import FrameType
from typing import Any


class Interrupts:
    """Turns SIGINT and SIGTERM into a request to stop, while training runs in the main thread.

    A signal that the program ignores stays ignored, and a second one does not wait for the step.

    >>> with Interrupts() as interrupts:
    ...     signal.raise_signal(signal.SIGTERM)
    >>> interrupts.name
    'SIGTERM'
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The name of the signal that was received."""
        return "no signal" if self.received is None else signal.Signals(self.received).name

    def __enter__(self) -> Interrupts:
        with contextlib.suppress(ValueError):  # outside of the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        asked_before, self.received = self.received is not None, number
        if asked_before:
            self._end(number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def end_process(self) -> None:
        """After a signal and the last checkpoint, end as the signal wanted.

        Raises:
            KeyboardInterrupt: After SIGINT.
            SystemExit: After SIGTERM, with 143, unless the program has a handler of its own, which is called.
        """
        if self.received is not None:
            self._end(self.received)

    def _end(self, number: int) -> None:
        handler = self._previous.get(number)
        if callable(handler):
            handler(number, None)  # Python's own raises KeyboardInterrupt
        else:
            raise SystemExit(128 + number)
