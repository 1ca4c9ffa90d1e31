"""Jobs on the command line: ``python -m estimators predict`` and ``describe``.

Exit codes: 0 when all is done, 1 for an error in the data or in reaching them, 2 for a wrong command, 130 and
143 after SIGINT and SIGTERM. What was written stays, and the same command goes on behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dataflow.errors import DataflowError
from estimators.command_line import describing, predicting
from estimators.command_line.arguments import Arguments, parse
from estimators.command_line.errors import UsageError, error_fields, error_text
from estimators.command_line.logs import as_json, log, logging_to_stderr
from estimators.command_line.stopping import Stop, Stopped

__all__ = ["main"]

DONE, FAILED, USAGE = 0, 1, 2
_COMMANDS = {"predict": predicting.predict, "describe": describing.describe}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code.

    Args:
        arguments: What stands behind ``python -m estimators``; None takes those of the process.

    >>> main(["describe", "/no/such/model", "--log", "json"])
    2
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with logging_to_stderr(json_lines=as_json(given)):
        try:
            parsed = parse(given)
            return _run(parsed)
        except UsageError as error:
            log.error("%s", error_text(error), extra=error_fields(error))
            return USAGE


def _run(parsed: Arguments) -> int:
    """Run a command; errors become a line of the log, and a code."""
    with Stop() as stop:
        try:
            _COMMANDS[parsed.command](parsed, stop)
            return DONE
        except UsageError:
            raise
        except DataflowError as error:
            log.error("%s", error_text(error), extra=error_fields(error))
            return FAILED
        except Stopped as stopped:
            return 128 + stopped.number
        except Exception as error:
            log.exception("%s: %s", type(error).__name__, error, extra={"event": "error"})
            return FAILED
