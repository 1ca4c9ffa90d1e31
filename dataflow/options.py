"""Settings of a whole pipeline."""

from __future__ import annotations

import dataclasses
import os

from dataflow.errors import InvalidArgumentError

AUTOTUNE = -1
"""Let the framework choose: a number of threads, or how far to run ahead."""
INFINITE_CARDINALITY = -1
"""What `Dataset.cardinality` returns for an endless dataset."""
UNKNOWN_CARDINALITY = -2
"""What `Dataset.cardinality` returns when only a full pass could tell."""


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of a pipeline; None means: not said here, ask upstream, else use the default.

    Args:
        deterministic: Whether order may never depend on timing. Default True; this version keeps
            the order in either case.
        strict_tracing: Make it an error when a function cannot be traced, and so would be compiled or run
            per element.
        rewrites: Whether plans are optimised. Default True; False runs the plan as it was written.
        block_bytes: How many bytes sources aim at per block. Default 1 MiB.
        threads: Threads that may work for the pipeline, beside the one that consumes. Default: the
            number of usable cores; 0 runs all in the consuming thread.

    >>> Options(threads=2).merged_with(Options(strict_tracing=True))
    Options(strict_tracing=True, threads=2)
    """

    deterministic: bool | None = None
    strict_tracing: bool | None = None
    rewrites: bool | None = None
    block_bytes: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = int if field.name in ("block_bytes", "threads") else bool
            if value is not None and type(value) is not kind:
                raise TypeError(f"Options.{field.name} must be {kind.__name__} or None, not {value!r}")
        if (self.block_bytes is not None and self.block_bytes < 1) or (self.threads or 0) < 0:
            raise InvalidArgumentError(f"block_bytes must be at least 1 and threads at least 0: {self}")

    def merged_with(self, later: Options) -> Options:
        """Return these options overridden by what `later` says."""
        said = {k: v for k, v in dataclasses.asdict(later).items() if v is not None}
        return dataclasses.replace(self, **said)

    def resolved(self) -> Options:
        """Return options in which nothing is None."""
        defaults = Options(True, False, True, 1 << 20, usable_cores())
        return defaults.merged_with(self)

    def __repr__(self) -> str:
        said = [f"{k}={v!r}" for k, v in dataclasses.asdict(self).items() if v is not None]
        return f"Options({', '.join(said)})"
