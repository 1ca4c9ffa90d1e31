"""How far a job is: a bar for people, lines for logs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from estimators.command_line.logs import log
from estimators.command_line.stopping import Stop


def quantity(number: int, thing: str) -> str:
    """Return a number and what it counts.

    >>> quantity(1, "row"), quantity(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"


def counted(rows: int, files: int) -> str:
    """Return how many rows and files there are, as text."""
    return f"{quantity(rows, 'row')} in {quantity(files, 'file')}"


class Progress:
    """Is called with the rows so far and the files that are complete, and shows them from time to time.

    Args:
        stop: Is looked at each time.
        before: Rows that were there before.
        total: Rows in all, None if nobody knows.
        every: Seconds between lines.
    """

    def __init__(self, stop: Stop, before: int, total: int | None, every: float) -> None:
        self._stop = stop
        self._before = before
        self._total = total
        self._every = every
        self._began = self._told = time.monotonic()
        self._bar: Any = None

    @contextlib.contextmanager
    def bar(self, *, shown: bool) -> Iterator[None]:
        """Show a bar meanwhile, if stderr is a terminal."""
        if not shown or not sys.stderr.isatty():
            yield
            return
        from tqdm import tqdm  # takes time to import

        with tqdm(total=self._total, initial=self._before, unit=" rows", unit_scale=True) as self._bar:
            yield
        self._bar = None

    def __call__(self, rows: int, files: int) -> None:
        """Show it.

        Raises:
            Stopped: A signal had come.
        """
        self._stop.check()
        if self._bar is not None:
            self._bar.set_postfix(files=files, refresh=False)
            self._bar.update(rows - self._bar.n)
        elif time.monotonic() - self._told >= self._every:
            self._told = time.monotonic()
            self.tell("progress", rows, files)

    def tell(self, event: str, rows: int, files: int, text: str = "", **more: Any) -> None:
        """Write a line to the log: text, or what the rows are."""
        seconds = time.monotonic() - self._began
        speed = max(0, rows - self._before) / seconds if seconds > 0 else 0.0
        fields = {"rows": rows, "rows_per_s": round(speed, 1), "files": files, **more}
        if self._total is not None:
            fields["rows_total"] = self._total
        of = "" if self._total is None else f", of {self._total:,}"
        text = text or f"{counted(rows, files)}{of}, {speed:,.0f} rows/s"
        log.info("%s", text, extra={"event": event, "fields": fields})
