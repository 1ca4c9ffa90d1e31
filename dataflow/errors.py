"""The error family: every failure says what happened, where, and what to do.

The classes carry the names that tf.data uses and subclass the fitting builtin too, so both
``except InvalidArgumentError`` and ``except ValueError`` work.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Self


@dataclasses.dataclass(frozen=True)
class Location:
    """The place in the data where a value was read: file, record, column and the value itself."""

    path: str | None = None
    record: int | None = None
    """1-based line number in a text file, or 0-based row number in a Parquet row group."""
    record_kind: str = "line"
    column: str | None = None
    value: str | None = None
    row_group: int | None = None

    def __str__(self) -> str:
        parts = []
        if self.path is not None:
            parts.append(f"file {self.path}")
        if self.row_group is not None:
            parts.append(f"row group {self.row_group}")
        if self.record is not None:
            parts.append(f"{self.record_kind} {self.record}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        if self.value is not None:
            value = self.value if len(self.value) <= 200 else self.value[:200] + "…"
            parts.append(f"value {value!r}")
        return ", ".join(parts)


class DataflowError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        message: What happened.
        hint: What to do about it, or None.
        location: Where in the data, or None.
        stage: The pipeline stage and the line of the user's program that built it, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        location: Location | None = None,
        stage: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location
        self.stage = stage
        self.row: int | None = None
        """Position in the block of the element that failed, where one element is to blame."""
        self.call: object = None
        """The call in a traced function that failed."""
        self.output: int | None = None
        """Number of the result of that call that could not be made."""

    def in_stage(self, stage: str) -> Self:
        """Name the stage unless a stage nearer to the cause was named already."""
        if self.stage is None:
            self.stage = stage
        return self

    def __str__(self) -> str:
        lines = [self.message]
        if self.location is not None:
            lines.append(f"  where: {self.location}")
        if self.stage is not None:
            lines.append(f"  stage: {self.stage}")
        if self.hint is not None:
            lines.append(f"  what to do: {self.hint}")
        return "\n".join(lines)


class InvalidArgumentError(DataflowError, ValueError):
    """A value, in the program or in the data, is not one that the operation accepts."""


class SpecError(DataflowError, TypeError):
    """Structures, shapes or dtypes do not fit together."""


class TraceError(DataflowError, TypeError):
    """A function asked of a symbolic tensor what only a value can answer."""


class NotFoundError(DataflowError, FileNotFoundError):
    """A file, a directory or a variable does not exist."""

    __str__ = DataflowError.__str__


class AlreadyExistsError(DataflowError, FileExistsError):
    """Something would be overwritten or is in use by another iterator."""

    __str__ = DataflowError.__str__


class PermissionDeniedError(DataflowError, PermissionError):
    """The storage refuses access: the key is wrong, or it may not do this."""

    __str__ = DataflowError.__str__


class UnavailableError(DataflowError, ConnectionError):
    """A storage could not be reached, or failed again and again."""

    __str__ = DataflowError.__str__


class OutOfRangeError(DataflowError, EOFError):
    """An iterator is at its end: there is no next element."""


class DataLossError(DataflowError, ValueError):
    """Data is truncated or corrupt."""


class FailedPreconditionError(DataflowError, RuntimeError):
    """The state of the program does not allow the operation."""


class StateError(DataflowError, ValueError):
    """A saved iterator state does not belong to this pipeline."""


class UserFunctionError(DataflowError, RuntimeError):
    """A function of the user raised; the original exception is the cause."""


class OptionalDependencyError(DataflowError, ImportError):
    """A feature needs an extra that is not installed."""

    __str__ = DataflowError.__str__


def did_you_mean(name: str, available: Iterable[object]) -> str:
    """Return a sentence with the closest name and the list of what is available.

    >>> did_you_mean("fare", ["fare_amount", "passengers"])
    "did you mean 'fare_amount'? Available: 'fare_amount', 'passengers'"
    """
    names = [str(item) for item in available]
    listed = ", ".join(repr(item) for item in names[:40]) or "nothing"
    listed += ", …" if len(names) > 40 else ""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"Available: {listed}"
