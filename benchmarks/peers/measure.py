"""What the programs of the peers share: they get a task as JSON, and print one line of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def task() -> dict[str, Any]:
    """Return what the benchmark asks for."""
    return json.loads(sys.argv[1])


def peak_megabytes() -> float:
    """Return the peak resident size of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone: ru_maxrss starts with what the parent process had
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)


def measure(batches: Iterable[Any], rows_of: Callable[[Any], int], limit: int, *, warm: bool = True) -> None:
    """Take batches until they have `limit` rows, and print rows, seconds and peak memory.

    Args:
        batches: A pass.
        rows_of: Number of rows of a batch.
        limit: Rows to take, at least 1.
        warm: Start the clock when the first batch has come, and do not count its rows.
    """
    rows = skipped = 0
    started = time.perf_counter()
    for batch in batches:
        rows += rows_of(batch)
        if warm and not skipped:
            skipped = rows
            started = time.perf_counter()
        if rows >= limit:
            break
    seconds = time.perf_counter() - started
    print(json.dumps({"rows": rows - skipped, "seconds": seconds, "megabytes": peak_megabytes()}))
