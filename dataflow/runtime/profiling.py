"""Measuring a running pipeline: what passes through each stage, and where threads spend their time.

A stage is found by its place in the plan. Stages of the plans that `flat_map` and others make for elements
are one for all of these plans, however many there are.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from dataflow.block import Block
from dataflow.runtime.threads import PerThread

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]
if not hasattr(resource, "RUSAGE_THREAD"):
    resource = None  # type: ignore[assignment]

T = TypeVar("T")

SAMPLE_SECONDS = 0.05
"""How often a stage is asked how much it holds."""


class Planned(Protocol):
    """What is known of nodes here."""

    @property
    def inputs(self) -> Sequence[Planned]:
        """The stages that it reads."""

    @property
    def origin(self) -> str:
        """The line that built it."""


class Running(Protocol):
    """What is known of operators here."""

    node: Any

    @property
    def inputs(self) -> Sequence[Any]:
        """Cursors over its inputs."""

    def held_bytes(self) -> int:
        """How much it holds."""


class TimeIsUpError(BaseException):
    """Ends a run from within its stages: no `Exception`, for it is no error of their inputs."""


@dataclasses.dataclass(slots=True)
class Totals:
    """What one stage did in one thread, or in all.

    Attributes:
        rows: Elements that it gave out.
        blocks: In so many blocks.
        bytes: Of so many bytes.
        wall: Seconds in its own code, without that of its inputs.
        cpu: The part of `wall` in which the thread computed.
        yields: How often, meanwhile, it gave its core away to wait for something.
        losses: How often the system took the core from it, for others.
        idle: Seconds in which it waited for threads that work for it.
        full: Seconds in which its thread waited because nobody took what it had made.
        found: Sum of how many blocks waited in its queue when one was taken.
        takes: How often one was taken.
        held: The most bytes that it was seen to hold.
        first: When it began to work here.
        last: When it worked last here.
    """

    rows: int = 0
    blocks: int = 0
    bytes: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    yields: int = 0
    losses: int = 0
    idle: float = 0.0
    full: float = 0.0
    found: int = 0
    takes: int = 0
    held: int = 0
    first: float = float("inf")
    last: float = 0.0


class Stage:
    """A line of the report: one stage of the plan.

    Args:
        node: The node; of stages that were made while running, the first one.
        depth: How far it is indented.
        made: Whether it belongs to plans that the stage above it makes.
    """

    def __init__(self, node: Planned, depth: int, made: bool = False) -> None:
        self.node = node
        self.depth = depth
        self.made = made
        self.ends_made = False
        self.opened = 0
        self.workers = 1
        self.in_processes = False
        self.inputs = [Stage(child, depth + 1, made) for child in node.inputs]
        self.makes: dict[tuple[type, str], Stage] = {}

    def walk(self) -> Iterator[Stage]:
        """Yield this stage, those that it makes, and its inputs, in the order of `explain`."""
        yield self
        for stage in (*list(self.makes.values()), *self.inputs):
            yield from stage.walk()

    def stage_of(self, child: Running, number: int | None) -> Stage:
        """Return the stage of an operator that this one opens: an input, or the end of a plan it has made."""
        if number is not None:
            return self.inputs[number]
        node = child.node
        made = self.makes.get((type(node), node.origin))
        if made is None:
            made = self.makes.setdefault((type(node), node.origin), Stage(node, self.depth + 1, made=True))
            made.ends_made = True
        return made


Clock = tuple[float, float, int, int]
"""Of a thread: wall, cpu, yields, losses, as in `Totals`."""


def _clock() -> Clock:
    if resource is None:
        return time.perf_counter(), time.thread_time(), 0, 0
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return time.perf_counter(), time.thread_time(), usage.ru_nvcsw, usage.ru_nivcsw


def _since(start: Clock) -> Clock:
    now = _clock()
    return now[0] - start[0], now[1] - start[1], now[2] - start[2], now[3] - start[3]


@dataclasses.dataclass(slots=True)
class _Frame:
    """A call that runs, and how much of its time passed in calls that it made."""

    meter: Meter
    inner: Clock = (0.0, 0.0, 0, 0)

    def add(self, spent: Clock) -> None:
        """Note a call that it made."""
        a, b = self.inner, spent
        self.inner = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


class _Thread:
    """What one thread does and did."""

    def __init__(self) -> None:
        self.frames: list[_Frame] = []
        self.totals: dict[Stage, Totals] = {}

    def of(self, stage: Stage) -> Totals:
        """Return the totals of the stage in this thread."""
        totals = self.totals.get(stage)
        if totals is None:
            totals = self.totals[stage] = Totals()
        return totals


class Profiler:
    """Collects measurements of all stages of one run; each thread has its own, so nothing is locked.

    Args:
        plan: The plan that runs.
        seconds: After so long, the next call of any stage raises `TimeIsUpError`.
    """

    def __init__(self, plan: Planned, seconds: float) -> None:
        self.root = Stage(plan, 0)
        self.threads = PerThread(_Thread)
        self.started = time.perf_counter()
        self.deadline = self.started + seconds

    def meter(self, operator: Running) -> Meter:
        """Return what measures an operator that is being opened by the stage that runs in this thread."""
        frames = self.threads.get().frames
        if frames:
            above = frames[-1].meter
            numbers = [i for i, c in enumerate(above.operator.inputs) if c.operator is operator]
            stage = above.stage.stage_of(operator, numbers[0] if numbers else None)
        else:
            stage = self.root
        stage.opened += 1
        return Meter(self, stage, operator)

    def is_over(self) -> bool:
        """Tell whether the time has passed."""
        return time.perf_counter() > self.deadline

    def totals(self, stage: Stage) -> tuple[Totals, float]:
        """Return the sums over all threads, and how many seconds these existed for the stage."""
        parts = [thread.totals[stage] for thread in list(self.threads.all) if stage in thread.totals]
        total = Totals()
        for field in dataclasses.fields(Totals):
            values = [getattr(part, field.name) for part in parts]
            combine: Any = {"held": max, "first": min, "last": max}.get(field.name, sum)
            if values:
                setattr(total, field.name, combine(values))
        return total, sum(max(part.last - part.first, 0.0) for part in parts)


class Meter:
    """Measures one operator."""

    def __init__(self, profiler: Profiler, stage: Stage, operator: Running) -> None:
        self.stage = stage
        self.operator = operator
        self._profiler = profiler
        self._sampled = 0.0
        self._made = 0.0

    def own(self, call: Callable[..., T], *args: Any) -> T:
        """Call; its time is the stage's, except for calls of other stages within."""
        here = self._profiler.threads.get()
        frame = _Frame(self)
        here.frames.append(frame)
        start = _clock()
        totals = here.of(self.stage)
        totals.first = min(totals.first, start[0])
        try:
            return call(*args)
        finally:
            spent = _since(start)
            here.frames.pop()
            totals.wall += spent[0] - frame.inner[0]
            totals.cpu += spent[1] - frame.inner[1]
            totals.yields += spent[2] - frame.inner[2]
            totals.losses += spent[3] - frame.inner[3]
            totals.last = start[0] + spent[0]
            if here.frames:
                here.frames[-1].add(spent)

    def wait(self, call: Callable[..., T], *args: Any) -> T:
        """Call what waits for another thread of the stage: that is nobody's work."""
        here = self._profiler.threads.get()
        start = _clock()
        try:
            return call(*args)
        finally:
            spent = _since(start)
            here.of(self.stage).idle += spent[0]
            if here.frames:
                here.frames[-1].add(spent)

    def next(self, produce: Callable[[], Block | None]) -> Block | None:
        """Return the next block of the stage, and count it.

        Raises:
            TimeIsUpError: The run is over.
        """
        if self._profiler.is_over():
            raise TimeIsUpError
        try:
            block = self.own(produce)
        except TimeIsUpError:
            self._sample()
            raise
        totals = self._profiler.threads.get().of(self.stage)
        if block is not None:
            totals.blocks += 1
            totals.rows += block.length
            totals.bytes += block.nbytes
        if totals.last - self._sampled > SAMPLE_SECONDS:
            self._sampled = totals.last
            self._sample()
        return block

    def _sample(self) -> None:
        totals = self._profiler.threads.get().of(self.stage)
        totals.held = max(totals.held, self.operator.held_bytes())

    def works_with(self, workers: int, *, in_processes: bool = False) -> None:
        """Note in how many threads or processes at a time the stage works."""
        self.stage.workers, self.stage.in_processes = workers, in_processes

    def taken(self, waiting: int) -> None:
        """Note how many blocks waited in the stage's queue when one was taken."""
        totals = self._profiler.threads.get().of(self.stage)
        totals.found += waiting
        totals.takes += 1

    def ahead(self, step: Callable[[], T]) -> Callable[[], T]:
        """Return the step of a thread that works ahead, measured; between steps, it waits for room."""

        def measured() -> T:
            if self._made:
                self._profiler.threads.get().of(self.stage).full += time.perf_counter() - self._made
            try:
                return self.own(step)
            finally:
                self._made = time.perf_counter()

        return measured
