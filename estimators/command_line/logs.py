"""Log lines on stderr: text for people, or JSON for schedulers."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

log = logging.getLogger("estimators.command_line")


def as_json(arguments: Sequence[str]) -> bool:
    """Tell whether a command asks for JSON, also one that is wrong.

    >>> as_json(["predict", "--log", "json"]), as_json(["predict", "--log=json"]), as_json(["predict"])
    (True, True, False)
    """
    return "--log=json" in arguments or ("--log", "json") in itertools.pairwise(arguments)


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, and what belongs to the event."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "log"),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.name != log.name:
            entry["logger"] = record.name
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _Lines(logging.Handler):
    """Writes lines to what `sys.stderr` is at the time, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            if "tqdm" in sys.modules:
                from tqdm import tqdm

                tqdm.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr)
        except Exception:
            self.handleError(record)


@contextlib.contextmanager
def logging_to_stderr(*, json_lines: bool) -> Iterator[None]:
    """Write what is logged to stderr, and warnings of Python too."""
    root = logging.getLogger()
    ours = [logging.getLogger(name) for name in ("dataflow", "estimators")]
    levels = [logger.level for logger in ours]
    handler = _Lines()
    handler.setFormatter(
        _JsonLines() if json_lines else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root.addHandler(handler)
    for logger in ours:
        logger.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, level in zip(ours, levels, strict=True):
            logger.setLevel(level)
        root.removeHandler(handler)
