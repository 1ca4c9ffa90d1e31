"""What a run shows: log lines in tf.estimator's words, and a progress bar."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

log = logging.getLogger("estimators")


class _StandardError(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` is at the time, unless the program has set logging up meanwhile."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        self.addFilter(lambda _: not logging.getLogger().handlers)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        raise AttributeError("the stream is always sys.stderr")


def ensure_logging() -> None:
    """Show log lines on stderr unless the program has set logging up itself."""
    if not log.hasHandlers():
        log.addHandler(_StandardError())
        if log.level == logging.NOTSET:
            log.setLevel(logging.INFO)


def number(value: Any) -> str:
    """Return a number as tf.estimator prints it: the shortest text that gives the same value.

    >>> number(np.float32(1548333.4)), number(np.float32(9290000)), number(np.float32(1e-5))
    ('1548333.4', '9290000.0', '1e-05')
    >>> number(np.float32([0.5, 0.25]))  # in one line, however long
    '[0.5  0.25]'
    """
    if isinstance(value, np.ndarray):
        return np.array2string(value, max_line_width=sys.maxsize).replace("\n", "")
    if isinstance(value, np.floating) and 1e-4 <= abs(value) < 1e16:
        return np.format_float_positional(value, trim="0")
    return str(value)


def interactive() -> bool:
    """Tell whether somebody watches: a terminal, or a notebook."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


def _bar_class() -> Any:
    from tqdm.std import tqdm  # takes time to import, and a model that only predicts needs no bar

    if "ipykernel" in sys.modules:
        from tqdm.notebook import IProgress, tqdm_notebook

        if IProgress is not None:  # without ipywidgets the plain bar does
            return tqdm_notebook
    return tqdm


def _writes_to_console(logger: logging.Logger) -> bool:
    streams = (getattr(handler, "stream", None) for handler in logger.handlers)
    return any(stream is not None and stream in (sys.stdout, sys.stderr) for stream in streams)


@contextlib.contextmanager
def progress_bar(description: str, done: int, total: int | None, show: bool | None) -> Iterator[Any]:
    """Show a bar of steps; log lines appear above it.

    Args:
        description: In front of the bar.
        done: Steps that were done before.
        total: Steps in all, None if nobody knows.
        show: None: if somebody watches.
    """
    wanted = interactive() if show is None else show
    with contextlib.ExitStack() as stack:
        if wanted:
            from tqdm.contrib.logging import logging_redirect_tqdm

            loggers = [logger for logger in (log, logging.getLogger()) if _writes_to_console(logger)]
            stack.enter_context(logging_redirect_tqdm(loggers))
        yield stack.enter_context(
            _bar_class()(
                desc=description, initial=done, total=total, disable=not wanted, unit="step", leave=True
            )
        )
