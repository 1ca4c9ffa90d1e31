"""Running a pipeline to see where its time goes."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from typing import Any

from dataflow.advice import Run, advise
from dataflow.errors import FailedPreconditionError, InvalidArgumentError
from dataflow.options import Options
from dataflow.plan.node import Node, walk
from dataflow.profile import Profile, StageProfile
from dataflow.rewrites import plan_at
from dataflow.runtime.iterate import BlockIterator
from dataflow.runtime.profiling import Profiler, Stage, TimeIsUpError
from dataflow.sources.arrow import ArrowStream
from dataflow.sources.parquet import ParquetRows
from dataflow.transforms.prefetch import Prefetch

TURN_SECONDS = 0.02
"""A reader that takes its time is simulated in turns of about so long."""


def profile_of(
    written: Node, options: Options, seconds: float, elements: int | None, consumer_seconds: float
) -> Profile:
    """Run a plan from its start, and report; the plan and its counters stay as they are.

    Args:
        written: The plan as the user wrote it.
        options: Resolved options.
        seconds: Stop after so long.
        elements: Stop after so many elements.
        consumer_seconds: What the reader does for each element takes so long.

    Raises:
        InvalidArgumentError: A number makes no sense.
        FailedPreconditionError: The data can be read once only.
    """
    if not 0 < seconds < math.inf or (elements is not None and elements < 1) or consumer_seconds < 0:
        raise InvalidArgumentError(
            "seconds and elements must be above 0 and consumer_seconds_per_element not below, not "
            f"{seconds}, {elements} and {consumer_seconds}"
        )
    for node in walk(written):
        if isinstance(node, ArrowStream) and node.table.once:
            raise FailedPreconditionError(
                "profile would use up a RecordBatchReader, which can be read once",
                hint="profile from_arrow(reader.read_all()), or a dataset over another reader",
            ).in_stage(node.stage)
    plan = plan_at("placed", _detached(written, {}), options)
    profiler = Profiler(plan, seconds)
    blocks = BlockIterator(plan, written, options, profiler)
    reader = _Reader(blocks, profiler, elements, consumer_seconds)
    computing = time.process_time()
    try:
        reader.run()
        cores = (time.process_time() - computing) / reader.seconds
    finally:
        blocks.close()
    return _report(profiler, reader, cores, options)


def _detached(node: Node, copies: dict[int, Any]) -> Node:
    """Return the plan with counters and caches of its own, which are as far as the real ones."""
    node = node.with_inputs(*(_detached(child, copies) for child in node.inputs))
    changes = {}
    for field in dataclasses.fields(node):
        if "fresh" in field.metadata:
            value = getattr(node, field.name)
            changes[field.name] = copies.setdefault(id(value), copy.copy(value))
    return dataclasses.replace(node, **changes) if changes else node


class _Reader:
    """Takes the elements, by blocks."""

    def __init__(
        self, blocks: BlockIterator, profiler: Profiler, elements: int | None, consumer_seconds: float
    ) -> None:
        self._blocks = blocks
        self._profiler = profiler
        self._elements = 1 << 62 if elements is None else elements
        self._consumer_seconds = consumer_seconds
        self.rows = 0
        self.ended = False
        self.worked = 0.0
        self.seconds = 0.0

    def run(self) -> None:
        """Read until the time is over, or there are no more elements to read."""
        slow = self._consumer_seconds
        at_once = max(1, int(TURN_SECONDS / slow)) if slow else 1 << 62
        try:
            while self.rows < self._elements and not self._profiler.is_over():
                block = self._blocks.read(min(at_once, self._elements - self.rows))
                if block is None:
                    break
                self.rows += block.length
                if slow:
                    self._work(block.length * slow)
            self.ended = not self._profiler.is_over()
        except TimeIsUpError:
            pass
        self.seconds = time.perf_counter() - self._profiler.started

    def _work(self, seconds: float) -> None:
        started = time.perf_counter()
        time.sleep(max(0.0, min(seconds, self._profiler.deadline - started)))
        self.worked += time.perf_counter() - started


def _report(profiler: Profiler, reader: _Reader, cores: float, options: Options) -> Profile:
    lines = list(profiler.root.walk())
    nodes: list[Any] = [line.node for line in lines]
    stages = tuple(_stage(profiler, line, reader.seconds) for line in lines)
    consumer = reader.worked / reader.seconds
    slowest = max(range(len(stages)), key=lambda i: stages[i].load)
    worked = any(stage.rows for stage in stages)
    found = slowest if worked and stages[slowest].load > consumer else None
    run = Run(
        stages, tuple(nodes), found, reader.rows, reader.seconds, reader.ended, cores, consumer, options
    )
    return Profile(
        stages,
        reader.seconds,
        reader.rows,
        reader.rows / reader.seconds,
        cores,
        consumer,
        None if found is None else stages[found],
        advise(run),
    )


def _stage(profiler: Profiler, line: Stage, seconds: float) -> StageProfile:
    total, lifetime = profiler.totals(line)
    node: Any = line.node
    # what processes and the threads of libraries compute is no time of the thread that waits for them
    elsewhere = line.in_processes or (isinstance(node, ParquetRows) and node.threads > 1)
    own = total.wall if elsewhere else min(total.cpu, total.wall)
    note = "processes" if line.in_processes else f"{line.opened:,} datasets" if line.ends_made else ""
    queue = isinstance(node, Prefetch)
    if queue and total.takes:
        note = f"queue: {total.found / total.takes:.1f} blocks, full {total.full / seconds:.0%} of the time"
    threads = line.workers if line.workers > 1 or queue else max(1, round(lifetime / seconds))
    return StageProfile(
        node.describe(),
        line.depth,
        line.made,
        line.opened,
        total.rows,
        total.rows / seconds,
        total.bytes / seconds,
        own / seconds,
        (total.wall - own + (total.idle if queue else 0.0)) / seconds,
        total.wall / seconds,
        threads,
        total.held,
        total.losses > total.yields,
        note,
    )
