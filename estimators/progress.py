"""What a run shows: log lines in tf.estimator's words, and a progress bar."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm
from tqdm.std import tqdm

log = logging.getLogger("estimators")


def ensure_logging() -> None:
    """Show log lines on stderr unless the program has set logging up itself."""
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


def interactive() -> bool:
    """Tell whether somebody watches: a terminal, or a notebook."""
    return "ipykernel" in sys.modules or sys.stderr.isatty()


def _bar_class() -> Any:
    if "ipykernel" in sys.modules:
        with contextlib.suppress(ImportError):  # without ipywidgets the plain bar does
            from tqdm.notebook import tqdm_notebook

            return tqdm_notebook
    return tqdm


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
            stack.enter_context(logging_redirect_tqdm([log]))
        yield stack.enter_context(
            _bar_class()(desc=description, initial=done, total=total, disable=not wanted, unit="step", leave=True)
        )
