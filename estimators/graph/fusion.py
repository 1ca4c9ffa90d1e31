"""Which element-wise calls run together, in one kernel that never leaves the cache.

Only operations that are rounded exactly are fused, so fused and unfused programs give the same bits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.schedule import Step
from estimators.graph.specialize import Sized

OPERATIONS = (
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "square", "sqrt",
    "reciprocal", "sign", "cast", "expand_like", "relu", "relu_grad", "where", "less", "less_equal",
    "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
)  # fmt: skip
"""Names of primitives; the kernel has an operation of each name, in capitals."""

WORTHWHILE = 4096
"""Results of a run, all calls together, from which one kernel is faster than NumPy's functions."""
FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
BOOL = np.dtype(np.bool_)


@dataclasses.dataclass(eq=False)
class Run:
    """Calls that run together, on blocks of elements.

    Attributes:
        sizes: Shape of all results.
        dtype: Of the numbers; truth values are 0 and 1 of it.
        steps: The calls, in order.
        at: Where in the schedule the run takes place: that of its last call.
    """

    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    at: int
    steps: list[Step] = dataclasses.field(default_factory=list)

    @property
    def inner(self) -> set[int]:
        """Places of the results."""
        return {place for step in self.steps for place in step.results}

    @property
    def inputs(self) -> list[int]:
        """Places of what is taken from outside, each once."""
        inner = self.inner
        outer = [place for step in self.steps for place in step.inputs if place not in inner]
        return list(dict.fromkeys(outer))


def alignment(shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, int] | None:
    """Return how a value of a shape is aligned with results of `sizes`, and its period; None if it is not.

    >>> alignment((), (4, 3)), alignment((3,), (4, 3)), alignment((4, 1), (4, 3)), alignment((4, 3), (4, 3))
    ((1, 1), (2, 3), (3, 3), (0, 1))
    """
    if math.prod(shape) == 1:
        return kernels.elementwise.SCALAR, 1
    stripped = tuple(shape)
    while stripped and stripped[0] == 1:
        stripped = stripped[1:]
    if stripped == tuple(sizes):
        return kernels.elementwise.WHOLE, 1
    if stripped == tuple(sizes[len(sizes) - len(stripped) :]):
        return kernels.elementwise.SUFFIX, math.prod(stripped)
    if len(shape) == len(sizes):
        kept = max((i + 1 for i, size in enumerate(shape) if size != 1), default=0)
        if tuple(shape[:kept]) == tuple(sizes[:kept]):
            return kernels.elementwise.PREFIX, math.prod(sizes[kept:])
    return None


def runs(sized: Sized) -> list[Run]:
    """Return the runs of at least two calls that are long enough to pay."""
    alone: set[int] = set()
    while True:
        run_of = _run_of(sized, alone)
        found = [run for run in dict.fromkeys(run_of.values()) if len(run.steps) > 1]
        short = [run for run in found if len(run.steps) * math.prod(run.sizes) < WORTHWHILE]
        if not short:
            return found
        alone.update(i for i, run in run_of.items() if run in short)


def _run_of(sized: Sized, alone: set[int]) -> dict[int, Run]:
    """Return the run of each call, by its number; those that shall stay alone have none.

    From the last call to the first: a call joins the run of the first of those that use its result, so the
    result is there when the others come, and what only a gradient needs is computed with the gradient.
    """
    users: dict[int, list[int]] = {}
    for i, step in enumerate(sized.steps):
        for place in step.inputs:
            users.setdefault(place, []).append(i)
    run_of: dict[int, Run] = {}
    for i in reversed(range(len(sized.steps))):
        step = sized.steps[i]
        if step.call.primitive.name == "expand_like":
            step = step._replace(inputs=step.inputs[:1])  # of the other only the shape counts
        key = None if i in alone else _key(step, sized)
        if key is None:
            continue
        using = [user for place in step.results for user in users.get(place, ())]
        first = min(using, key=lambda user: run_of[user].at if user in run_of else user, default=i)
        run = run_of.get(first)
        if run is None or (run.sizes, run.dtype) != key:
            run = Run(*key, i)
        run.steps.insert(0, step)
        run_of[i] = run
    return run_of


def _key(step: Step, sized: Sized) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Return sizes and dtype of a call that can be fused."""
    specs = [sized.specs[place] for place in (step.results[0], *step.inputs)]
    if step.call.primitive.name not in OPERATIONS or any(spec is None for spec in specs):
        return None
    known = [spec for spec in specs if spec is not None]
    weak = [False, *(_is_weak(sized.tensors[place].constant) for place in step.inputs)]
    dtypes = {spec.dtype for spec, w in zip(known, weak, strict=True) if spec.dtype != BOOL and not w}
    if len(dtypes) != 1 or not dtypes <= FLOATS:
        return None
    sizes = _sizes(known[0])
    if any(alignment(_sizes(spec), sizes) is None for spec in known[1:]):
        return None
    return sizes, dtypes.pop()


def _sizes(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(int(size) for size in spec.shape)  # type: ignore[arg-type]


def _is_weak(value: Any) -> bool:
    return type(value) in (int, float, bool)


@dataclasses.dataclass(eq=False)
class Registers:
    """The working memory of a run, counted in elements of its dtype.

    Attributes:
        copies: Where an input is copied to before the run, by place.
        loads: Register of an input that is broadcast, how it is aligned, and its period, by place.
        results: Register of a result that nobody else needs, by place.
        whole: Where a truth value that others need is kept as a number, by place.
        size: Elements in all.
    """

    copies: dict[int, int] = dataclasses.field(default_factory=dict)
    loads: dict[int, tuple[int, int, int]] = dataclasses.field(default_factory=dict)
    results: dict[int, int] = dataclasses.field(default_factory=dict)
    whole: dict[int, int] = dataclasses.field(default_factory=dict)
    size: int = 0

    def take(self, count: int) -> int:
        """Return the first of `count` new elements, at the beginning of a cache line."""
        start = self.size
        self.size += -(-count // 16) * 16
        return start


def registers(run: Run, sized: Sized, copied: set[int], needed: set[int]) -> Registers:
    """Return the working memory of a run.

    Args:
        run: The calls.
        sized: What they belong to.
        copied: Inputs that are not in the program's memory.
        needed: Results that others need.
    """
    block = kernels.elementwise.BLOCK
    found = Registers()
    for place in run.inputs:
        shape = _sizes(sized.specs[place])  # type: ignore[arg-type]
        if place in copied:
            found.copies[place] = found.take(math.prod(shape))
        kind, period = alignment(shape, run.sizes) or (0, 0)
        if kind != kernels.elementwise.WHOLE:
            size = block + (period if kind == kernels.elementwise.SUFFIX else 0)
            found.loads[place] = (found.take(size), kind, period)
    last_use = {place: step.call for step in run.steps for place in step.inputs}
    free: list[int] = []
    for step in run.steps:
        (place,) = step.results
        if place not in needed:
            found.results[place] = free.pop() if free else found.take(block)
        elif sized.specs[place].dtype == BOOL:  # type: ignore[union-attr]
            found.whole[place] = found.take(math.prod(run.sizes))
        ended = {p for p in step.inputs if p in found.results and last_use[p] is step.call}
        free += [found.results[p] for p in ended]
    return found


def encoded(
    run: Run, registers: Registers, at: int, positions: Mapping[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a run as `loads` and `code` for the kernel.

    Args:
        run: The calls.
        registers: Their working memory.
        at: Its first element in the program's memory.
        positions: Of inputs and results in the program's memory, by place.
    """
    kernel = kernels.elementwise
    where = {place: (at + start, kernel.FIXED) for place, start in registers.results.items()}
    where |= {place: (at + start, kernel.ADVANCES) for place, start in registers.whole.items()}
    sources = {**positions, **{place: at + start for place, start in registers.copies.items()}}
    loads = []
    for place in run.inputs:
        register, kind, period = registers.loads.get(place, (0, kernel.WHOLE, 0))
        if kind == kernel.WHOLE:
            where[place] = sources[place], kernel.ADVANCES
        else:
            suffix = kind == kernel.SUFFIX and period > 1
            where[place] = at + register, period if suffix else kernel.FIXED
            loads.append((at + register, sources[place], kind, period))
    code = []
    for step in run.steps:
        places = (*step.results, *step.inputs)
        operands = [where.get(p) or (positions[p], kernel.ADVANCES) for p in places]
        row = [getattr(kernel, step.call.primitive.name.upper()), *(n for pair in operands for n in pair)]
        code.append(row + [0] * (9 - len(row)))
    return np.array(loads, np.int64).reshape(-1, 4), np.array(code, np.int64)
