"""When the calls of a step began and ended, for a timeline."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class CallTime:
    """One call of a step.

    Attributes:
        name: Of the primitive; of calls that run together, all names.
        line: Where the program made it.
        began: In seconds, as `time.monotonic` counts.
        ended: The same.
        inputs: Places that it reads.
        results: Places that it writes, with their bytes.
    """

    name: str
    line: str
    began: float
    ended: float
    inputs: tuple[int, ...]
    results: Mapping[int, int]


@dataclasses.dataclass
class StepTimes:
    """One step.

    Attributes:
        began: In seconds, as `time.monotonic` counts.
        ended: The same.
        calls: In the order of work.
        read: When the loop began and ended to wait for the batches that it read last, and how many they were.
    """

    began: float
    ended: float
    calls: list[CallTime]
    read: tuple[float, float, int] | None = None


def timed(function: Callable[..., Any], note: Callable[[float, float], None]) -> Callable[..., Any]:
    """Return a function that does the same, and tells when it began and ended."""

    def measured(*arguments: Any) -> Any:
        began = time.monotonic()
        result = function(*arguments)
        note(began, time.monotonic())
        return result

    return measured
