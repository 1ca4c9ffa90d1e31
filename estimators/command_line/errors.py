"""What goes wrong with a command, as text and as fields of JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from dataflow.errors import (
    AlreadyExistsError,
    DataflowError,
    InvalidArgumentError,
    NotFoundError,
    OptionalDependencyError,
    SpecError,
)

_OF_USERS = (InvalidArgumentError, SpecError, NotFoundError, AlreadyExistsError, OptionalDependencyError)

_OPTIONS = (
    (re.compile(r"fill_nulls=\{'([^']*)': ([^}]*)\}"), r"--fill-null \1=\2"),
    (re.compile(r"on_bad_rows='(\w+)'(, or keep them with) '(\w+)'"), r"--on-bad-rows \1\2 \3"),
    (re.compile(r"encoding=[\"']([\w-]+)[\"']"), r"--encoding \1"),
)
"""Arguments in hints of the library, and the options that stand for them."""


class UsageError(DataflowError, ValueError):
    """The command itself is wrong: another try does not help."""


@contextlib.contextmanager
def usage() -> Iterator[None]:
    """Before rows are read, make errors those of the command, unless a row is to blame."""
    try:
        yield
    except _OF_USERS as error:
        if error.location is not None and error.location.record is not None:
            raise
        raise UsageError(error.message, hint=error.hint, location=error.location) from error


def error_text(error: DataflowError) -> str:
    """Return the lines of an error that mean something outside of a program."""
    lines = [error.message]
    if error.location is not None:
        lines.append(f"  where: {error.location}")
    if error.hint is not None:
        lines.append(f"  what to do: {_with_options(error.hint)}")
    return "\n".join(lines)


def error_fields(error: DataflowError) -> dict[str, Any]:
    """Return an error as what a log record takes as ``extra``."""
    fields: dict[str, Any] = {"error": type(error).__name__, "message": error.message}
    if error.location is not None:
        place = dataclasses.asdict(error.location)
        kind, row = place.pop("record_kind"), place.pop("record")
        found = {"file": place.pop("path"), **({} if row is None else {kind: row}), **place}
        fields["where"] = {name: value for name, value in found.items() if value is not None}
    if error.hint is not None:
        fields["hint"] = _with_options(error.hint)
    return {"event": "error", "fields": fields}


def _with_options(hint: str) -> str:
    """Return a hint of the library as one for the command line.

    >>> _with_options("give a default: fill_nulls={'n': 0}")
    'give a default: --fill-null n=0'
    """
    for argument, option in _OPTIONS:
        hint = argument.sub(option, hint)
    return hint
