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
PYTHON_WORKERS = ("threads", "processes")
_KINDS = {"block_bytes": int, "threads": int, "memory_bytes": int, "python_workers": str}


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
        memory_bytes: How many bytes a stage that must hold elements back may use before it puts them
            into temporary files, as ``shuffle("global")`` does; a queue of `prefetch` holds an eighth of it.
            The buffer of a shuffle with a number of elements holds them all. Default 256 MiB.
        python_workers: Where `Dataset.map` runs parallel calls of functions that are called per element:
            "threads" (the default) lets waits overlap, as for files and servers; "processes" lets
            computations overlap, and needs functions that are defined at the top level of a module.

    >>> Options(threads=2).merged_with(Options(strict_tracing=True))
    Options(strict_tracing=True, threads=2)
    """

    deterministic: bool | None = None
    strict_tracing: bool | None = None
    rewrites: bool | None = None
    block_bytes: int | None = None
    threads: int | None = None
    memory_bytes: int | None = None
    python_workers: str | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind = _KINDS.get(field.name, bool)
            if value is not None and type(value) is not kind:
                raise TypeError(f"Options.{field.name} must be {kind.__name__} or None, not {value!r}")
        sizes = (self.block_bytes, self.memory_bytes)
        if any(size is not None and size < 1 for size in sizes) or (self.threads or 0) < 0:
            raise InvalidArgumentError(
                f"memory_bytes and block_bytes must be at least 1 and threads at least 0: {self}"
            )
        if self.python_workers not in (None, *PYTHON_WORKERS):
            raise InvalidArgumentError(
                f"python_workers must be 'threads' or 'processes', not {self.python_workers!r}"
            )

    def merged_with(self, later: Options) -> Options:
        """Return these options overridden by what `later` says."""
        said = {k: v for k, v in dataclasses.asdict(later).items() if v is not None}
        return dataclasses.replace(self, **said)

    def resolved(self) -> Options:
        """Return options in which nothing is None."""
        defaults = Options(True, False, True, 1 << 20, usable_cores(), 256 << 20, "threads")
        return defaults.merged_with(self)

    def __repr__(self) -> str:
        said = [f"{k}={v!r}" for k, v in dataclasses.asdict(self).items() if v is not None]
        return f"Options({', '.join(said)})"
