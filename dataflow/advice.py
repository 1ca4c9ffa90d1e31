"""What to change in a pipeline, by what was measured: a list of rules, each with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from dataflow.expr.user_function import UserFunction
from dataflow.options import Options, usable_cores
from dataflow.plan.node import Node
from dataflow.profile import StageProfile
from dataflow.sources.generator import FromGenerator
from dataflow.transforms.batch import Batch
from dataflow.transforms.cache import Cache
from dataflow.transforms.filter import Filter
from dataflow.transforms.map import Map
from dataflow.transforms.padded_batch import PaddedBatch
from dataflow.transforms.prefetch import Prefetch
from dataflow.transforms.ragged_batch import RaggedBatch
from dataflow.transforms.shuffle import Shuffle

MANY_ELEMENTS = 200_000
"""So many elements a second are more than a Python loop can take well."""
MEMORY_SPEED = 1e9
"""Bytes a second that a thread moves easily."""
COMPUTES = 0.25
"""A function that computes for this part of its time is not waiting: it may share its core with others."""
PROCESSES = 'num_parallel_calls=AUTOTUNE with Options(python_workers="processes")'


@dataclasses.dataclass(frozen=True)
class Run:
    """What was measured.

    Attributes:
        stages: The stages in the order of `explain`.
        nodes: Their nodes.
        bottleneck: Which stage is the bottleneck; None if it is the one who reads.
        rows: Elements that came out.
        seconds: How long it ran.
        ended: Whether all elements came out, or as many as were asked for.
        cores: How many cores the process kept busy.
        consumer: Share of the time that the one who reads took.
        options: Resolved options.
    """

    stages: tuple[StageProfile, ...]
    nodes: tuple[Node, ...]
    bottleneck: int | None
    rows: int
    seconds: float
    ended: bool
    cores: float
    consumer: float
    options: Options

    @property
    def slowest(self) -> tuple[StageProfile, Node] | None:
        """The bottleneck."""
        return (
            None if self.bottleneck is None else (self.stages[self.bottleneck], self.nodes[self.bottleneck])
        )

    def any(self, *kinds: type[Node]) -> bool:
        """Tell whether there is a stage of one of these kinds."""
        return any(isinstance(node, kinds) for node in self.nodes)


Rule = Callable[[Run], str | None]
"""Returns what to change, or None where it has nothing to say."""


def reader_is_slower(run: Run) -> str | None:
    """Nothing in the pipeline helps one who reads more slowly than it gives."""
    if run.bottleneck is not None or run.consumer < 0.5:
        return None
    return f"the pipeline waits for you: you take {run.consumer:.0%} of the time, so it is not the bottleneck"


def nothing_came(run: Run) -> str | None:
    """Stages that fill a buffer first give nothing for a while, and such a run tells about filling alone."""
    if run.rows or run.ended:
        return None
    most = max(run.stages, key=lambda stage: stage.held_bytes)
    filling = f"; {most.name} holds {_mb(most.held_bytes)} so far" if most.held_bytes else ""
    return f"no element came within {run.seconds:.1f} s{filling}: profile(seconds=...) for longer to see all"


def python_function(run: Run) -> str | None:
    """A Python function is called for each element; that costs more than what most of them compute."""
    found = _function(run)
    if found is None or not found[1].endswith("[python]"):
        return None
    stage, function, is_map = found
    if stage.note == "processes":
        return f"{function} keeps its {stage.threads} processes busy: " + (
            "raise num_parallel_calls" if stage.threads < usable_cores() else "it needs more cores"
        )
    held_up = stage.threads > 1 and run.cores > 0.8
    if stage.own > COMPUTES * stage.busy or stage.starved or held_up:
        processes = f"; or let calls overlap in processes, {PROCESSES}" if is_map else ""
        lock = ", in one thread at a time whatever num_parallel_calls says" if held_up else ""
        return (
            f"{function} is called for each element{lock}: write it with NumPy functions on the symbolic "
            f"tensors that it gets, so that it runs on blocks{processes}"
        )
    if not is_map:
        return f"{function} waits most of its time: do what it waits for in a map() with num_parallel_calls"
    calls = 16 if stage.threads == 1 else 2 * stage.threads
    return (
        f"{function} waits for {1 - stage.own / stage.busy:.0%} of its time, as for files, servers or sleep: "
        f"let the waits overlap, num_parallel_calls={calls}"
    )


def block_function(run: Run) -> str | None:
    """Functions on blocks use cores well; more cores, or not computing again, is what is left."""
    found = _function(run)
    if found is None or found[1].endswith("[python]"):
        return None
    stage, function, is_map = found
    if is_map and stage.threads < usable_cores():
        return (
            f"{function} keeps its {stage.threads} threads busy: raise num_parallel_calls or Options.threads"
        )
    return (
        f"{function} does most of the work: cache() behind it, if its results fit, saves it in later epochs"
    )


def source(run: Run) -> str | None:
    """One file is read by one thread; several can be read side by side."""
    if run.slowest is None or run.slowest[1].inputs:
        return None
    node = run.slowest[1]
    if isinstance(node, FromGenerator):
        return (
            "the generator makes its elements one by one in Python: let it yield arrays of many, and "
            "unbatch() them; prefetch() behind it lets it run beside the other stages"
        )
    if not hasattr(node, "paths"):
        return None
    return (
        f"{type(node).__name__} is read by one thread: split the data into several files and read them side "
        "by side, list_files(...).interleave(lambda path: ...(path).prefetch(1), cycle_length=4); "
        "cache() or snapshot() behind it saves reading again"
    )


def taking_turns(run: Run) -> str | None:
    """Stages in one thread take turns, where they might run beside each other.

    Where they are about as fast as memory, handing blocks from thread to thread costs more than it gains.
    """
    if not run.options.threads or run.slowest is None or run.any(Prefetch):
        return None
    stage = run.slowest[0]
    others = sum(other.busy for other in run.stages) - stage.busy
    if stage.threads > 1 or stage.load > 0.8 or others < 0.2 or stage.bytes_per_second > MEMORY_SPEED:
        return None
    place = "behind" if run.bottleneck else "before"
    return f"the stages take turns in one thread: prefetch() {place} {stage.name} lets them run at a time"


def beside_the_reader(run: Run) -> str | None:
    """Without a prefetch at its end, the pipeline stands still while the reader works."""
    if run.options.threads and 0.1 < run.consumer < 0.9 and not isinstance(run.nodes[0], Prefetch):
        return "the pipeline stands still while you work: prefetch() at its end lets it run beside you"
    return None


def memory(run: Run) -> str | None:
    """What is held back has to fit into memory beside all else."""
    limit = run.options.memory_bytes or 0
    for stage, node in zip(run.stages, run.nodes, strict=True):
        if stage.held_bytes <= limit:
            continue
        text = f"{stage.name} holds {_mb(stage.held_bytes)}"
        if isinstance(node, Shuffle):
            return f'{text}: shuffle("global") mixes fully, and puts what exceeds memory_bytes into files'
        if isinstance(node, Cache):
            return f"{text}: cache(filename) keeps it in a file"
    return None


def wide_shuffle(run: Run) -> str | None:
    """The same elements take less room before a map makes them wider."""
    for i, (stage, node) in enumerate(zip(run.stages, run.nodes, strict=True)):
        if not isinstance(node, Shuffle) or not isinstance(node.input, Map) or stage.held_bytes < 1 << 26:
            continue
        above, below = (_row_bytes(run.stages[i + step]) for step in (1, 2))
        if above > 2 * below > 0:
            return (
                f"{stage.name} holds {_mb(stage.held_bytes)}: put it before {run.stages[i + 1].name}, "
                f"which makes elements {above / below:.0f} times as large"
            )
    return None


def single_elements(run: Run) -> str | None:
    """Blocks are cheap, but a Python loop takes about a microsecond for each element it is given."""
    if run.rows / run.seconds < MANY_ELEMENTS or run.any(Batch, PaddedBatch, RaggedBatch):
        return None
    return "a Python loop over single elements is slower than this pipeline: batch() them"


RULES: tuple[Rule, ...] = (
    reader_is_slower,
    nothing_came,
    python_function,
    block_function,
    source,
    taking_turns,
    beside_the_reader,
    memory,
    wide_shuffle,
    single_elements,
)
"""The most useful first."""


def advise(run: Run) -> tuple[str, ...]:
    """Return what the rules say."""
    return tuple(text for rule in RULES if (text := rule(run)) is not None)


def _function(run: Run) -> tuple[StageProfile, str, bool] | None:
    """Return the bottleneck, its function with its tier, and whether it is a map; None if it has none."""
    if run.slowest is None:
        return None
    stage, node = run.slowest
    functions = [value for value in node.settings().values() if isinstance(value, UserFunction)]
    if not functions or not isinstance(node, Map | Filter):
        return None
    changed = functions[0].verdict.difference is not None  # found while running
    return stage, str(functions[0].in_python() if changed else functions[0]), isinstance(node, Map)


def _row_bytes(stage: StageProfile) -> float:
    return stage.bytes_per_second / stage.rows_per_second if stage.rows_per_second else 0.0


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
