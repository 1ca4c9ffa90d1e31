"""A schedule for known sizes: shapes become constants, and calls that change nothing disappear."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import DataflowError, InvalidArgumentError
from dataflow.expr.tensor import Call, Tensor
from dataflow.spec import TensorSpec, is_text
from dataflow.strings import Strings
from estimators.graph.schedule import SMALL, Schedule, Step
from estimators.graph.variable import VARIABLE

SHAPE_ONLY = {
    **dict.fromkeys(("size_of", "full_like"), slice(0, 1)),
    **dict.fromkeys(
        ("sum_to", "expand_like", "reshape_like", "put_like", "sum_copies", "average_pool2d_backward"),
        slice(1, 2),
    ),
    **dict.fromkeys(
        ("add_at", "add_along", "scatter_sum", "max_pool2d_backward", "conv2d_backward_input"), slice(2, 3)
    ),
    "conv2d_backward_filters": slice(2, 3),
    "part_of": slice(1, None),
}
"""Inputs of which only the shape is used, by the primitive's name."""
UNCHANGED = frozenset(
    {"sum_to", "expand_like", "reshape", "reshape_like", "broadcast_to", "cast", "with_updates", "positive"}
    | {"stop_gradient"}
)
"""Primitives that return their first input if its shape and dtype are those of the result."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sized(Schedule):
    """A schedule with the spec of each place; None where sizes depend on values."""

    specs: tuple[TensorSpec | None, ...]


def specialize(schedule: Schedule, leaves: Sequence[TensorSpec]) -> Sized:
    """Return the schedule for leaves of these specs, whose sizes are all known.

    Raises:
        InvalidArgumentError: Shapes do not fit each other; the message names the line.
    """
    sizer = _Sizer(schedule, leaves)
    for step in schedule.steps:
        sizer.add(step)
    ends = tuple(sizer.same.get(place, place) for place in schedule.ends)
    return Sized(
        tuple(sizer.tensors),
        schedule.leaves,
        sizer.constants,
        schedule.numbers,
        tuple(_needed(sizer.steps, ends)),
        ends,
        tuple(sizer.specs),
    )


def failed(call: Call, cause: BaseException, shapes: Sequence[Any]) -> InvalidArgumentError:
    """Return the error of a call that cannot be computed."""
    text = cause.message if isinstance(cause, DataflowError) else f"{type(cause).__name__}: {cause}"
    error = InvalidArgumentError(
        f"{call.primitive.name} of shapes {', '.join(map(str, shapes))} failed: {text}, used at {call.line}",
        hint=cause.hint if isinstance(cause, DataflowError) else None,
    )
    error.call = call
    return error


def locate(error: DataflowError, call: Call) -> None:
    """Say in an error of a kernel which primitive it is, of which variable, and the user's line."""
    if error.call is not None:
        return
    error.call = call
    read = [t.call.attributes["variable"] for t in call.inputs if t.call.primitive is VARIABLE]
    table = f" of variable {read[0].name!r}" if read and not read[0].members else ""
    error.message += f": {call.primitive.name}{table}, used at {call.line}"


def _needed(steps: Sequence[Step], ends: Sequence[int]) -> list[Step]:
    """Return the steps that the ends need."""
    wanted = set(ends)
    kept = []
    for step in reversed(steps):
        if wanted.intersection(step.results):
            wanted.update(step.inputs)
            kept.append(step)
    return kept[::-1]


class _Sizer:
    """Goes through a schedule with sizes at hand."""

    def __init__(self, schedule: Schedule, leaves: Sequence[TensorSpec]) -> None:
        self.tensors = list(schedule.tensors)
        self.specs: list[TensorSpec | None] = [None] * len(self.tensors)
        self.constants = dict(schedule.constants)
        self.same: dict[int, int] = {}
        """Places whose value is that of another."""
        self.steps: list[Step] = []
        for place, spec in enumerate(leaves):
            self._set(place, spec)
        for place in (*schedule.constants, *schedule.numbers):
            self._set(place, self.tensors[place].spec)

    def _set(self, place: int, spec: TensorSpec) -> None:
        if None not in spec.shape:
            before = self.tensors[place]
            self.specs[place] = spec
            self.tensors[place] = before if before.spec == spec else Tensor(before.call, spec, before.output)

    def add(self, step: Step) -> None:
        """Infer the sizes of a step's results; leave the step out if they are known or nothing new."""
        call = step.call
        inputs = [self.same.get(place, place) for place in step.inputs]
        if any(self.specs[place] is None for place in inputs):
            self.steps.append(step._replace(inputs=tuple(inputs)))
            return
        tensors = [self.tensors[place] for place in inputs]
        try:
            found = call.primitive.infer(*tensors, **call.attributes)
        except DataflowError as error:
            raise failed(call, error, [tensor.shape for tensor in tensors]) from error
        for place, spec in zip(step.results, found if isinstance(found, tuple) else (found,), strict=True):
            self._set(place, spec)
        shape_only = SHAPE_ONLY.get(call.primitive.name, slice(0))
        inputs[shape_only] = [self._stand_in(place) for place in inputs[shape_only]]
        first, result = self.specs[inputs[0]], self.specs[step.results[0]]
        if call.primitive.name in UNCHANGED and first is not None and first == result:
            self.same[step.results[0]] = inputs[0]
        elif not self._folded(step, inputs):
            self.steps.append(step._replace(inputs=tuple(inputs)))

    def _stand_in(self, place: int) -> int:
        """Return a constant of the same shape that takes no memory."""
        spec = self.specs[place]
        assert spec is not None
        if place in self.constants or is_text(spec.dtype):
            return place
        shape = tuple(int(size) for size in spec.shape)  # type: ignore[arg-type]
        self.constants[len(self.tensors)] = np.broadcast_to(np.zeros((), spec.dtype), shape)
        self.tensors.append(self.tensors[place])
        self.specs.append(spec)
        return len(self.tensors) - 1

    def _folded(self, step: Step, inputs: Sequence[int]) -> bool:
        """Compute a call of constants now, if its results are small."""
        specs = [self.specs[place] for place in step.results]
        small = all(spec is not None and math.prod(spec.shape) <= SMALL for spec in specs)  # type: ignore[arg-type]
        if not small or not all(place in self.constants for place in inputs):
            return False
        values = [self.constants[place] for place in inputs]
        try:
            result = step.call.primitive.compute(0, *values, **step.call.attributes)
        except Exception:
            return False  # it fails, with its line, when it runs
        results = result if isinstance(result, tuple) else (result,)
        if any(isinstance(value, Strings) for value in results):
            return False
        self.constants.update(zip(step.results, results, strict=True))
        return True
