"""From tensors to a list of calls in order: equal calls once, constants computed beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import CONSTANT, Call, Tensor, as_tensor
from dataflow.strings import Strings
from estimators.graph.scope import BATCH_NUMBER

SMALL = 64
"""Constants of at most so many values are compared with each other."""


class Step(NamedTuple):
    """A call of the schedule: the places of what it takes, and the places of its results."""

    call: Call
    inputs: tuple[int, ...]
    results: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
    """Calls in order. Every value has a place: first the leaves, then constants and results.

    Attributes:
        tensors: What each place stands for.
        leaves: How many leaves come first.
        constants: Values by place.
        numbers: Places that hold the number of the batch.
        steps: The calls.
        ends: Places of what is wanted.
    """

    tensors: tuple[Tensor, ...]
    leaves: int
    constants: dict[int, Any]
    numbers: tuple[int, ...]
    steps: tuple[Step, ...]
    ends: tuple[int, ...]


def schedule(leaves: Sequence[Tensor], ends: Sequence[Tensor], late: Sequence[Tensor] = ()) -> Schedule:
    """Return the calls that the ends need.

    Args:
        leaves: What is fed, and the variables.
        ends: What is wanted.
        late: Those of the ends whose calls (and what is computed from them) come last.

    Raises:
        InvalidArgumentError: Something is computed from a leaf that is not fed.
    """
    builder = _Builder(leaves)
    for call in postorder(ends):
        builder.add(call)
    steps = builder.steps
    last = _dependents(steps, {place for tensor in late for place in (builder.place(tensor),)})
    ordered = [s for s in steps if id(s.call) not in last] + [s for s in steps if id(s.call) in last]
    return Schedule(
        tuple(builder.tensors),
        len(leaves),
        builder.constants,
        tuple(builder.numbers),
        tuple(ordered),
        tuple(builder.place(end) for end in ends),
    )


def without_repeats(ends: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors of the same values, for which equal calls are made once."""
    calls: dict[int, Call] = {}
    known: dict[Hashable, Call] = {}

    def resolved(tensor: Tensor) -> Tensor:
        call = calls[id(tensor.call)]
        return tensor if call is tensor.call else Tensor(call, tensor.spec, tensor.output)

    for call in postorder(ends):
        inputs = tuple(resolved(tensor) for tensor in call.inputs)
        same = all(new is old for new, old in zip(inputs, call.inputs, strict=True))
        key = None
        if inputs or call.primitive is CONSTANT:
            key = _key(call, tuple((id(tensor.call), tensor.output) for tensor in inputs))
        found = known.get(key) if key is not None else None
        calls[id(call)] = found or (call if same else dataclasses.replace(call, inputs=inputs))
        if key is not None:
            known[key] = calls[id(call)]
    return tuple(resolved(tensor) for tensor in ends)


def _key(call: Call, inputs: Hashable) -> Hashable | None:
    """Return what equal calls of these inputs have in common; None if calls cannot be compared."""
    if call.primitive is CONSTANT:
        value = call.attributes["value"]
        if isinstance(value, Strings) or np.size(value) > SMALL:
            return None
        array = np.asarray(value)
        return type(value), array.dtype.str, array.shape, array.tobytes()
    attributes = tuple((name, _hashable(value)) for name, value in sorted(call.attributes.items()))
    key = (call.primitive.name, inputs, attributes)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _hashable(value: Any) -> Hashable:
    """Return what stands for a value, its type and those of its parts, if all can be hashed."""
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    return type(value), tuple(map(_hashable, value)) if isinstance(value, tuple) else value


def _dependents(steps: Sequence[Step], places: set[int]) -> set[int]:
    """Return the calls that make these places, and those computed from them."""
    found, reached = set(), set(places)
    for step in steps:
        if reached.intersection(step.results) or reached.intersection(step.inputs):
            found.add(id(step.call))
            reached.update(step.results)
    return found


class _Builder:
    """Gives each different value a place."""

    def __init__(self, leaves: Sequence[Tensor]) -> None:
        self.tensors = list(leaves)
        self.constants: dict[int, Any] = {}
        self.numbers: list[int] = []
        self.steps: list[Step] = []
        self._places = {(id(leaf.call), leaf.output): place for place, leaf in enumerate(leaves)}
        self._known: dict[Hashable, tuple[int, ...]] = {}

    def place(self, tensor: Tensor) -> int:
        """Return the place of a tensor whose call was added."""
        return self._places[id(tensor.call), tensor.output]

    def add(self, call: Call) -> None:
        """Give the results of a call places: new ones, or those of an equal call."""
        if (id(call), 0) in self._places:
            return
        inputs = tuple(self.place(tensor) for tensor in call.inputs)
        key = _key(call, inputs)
        places = self._known.get(key) if key is not None else None
        if places is None:
            places = self._new(call, inputs)
            if key is not None:
                self._known[key] = places
        for output, place in enumerate(places):
            self._places[id(call), output] = place

    def _new(self, call: Call, inputs: tuple[int, ...]) -> tuple[int, ...]:
        first = len(self.tensors)
        if call.primitive is CONSTANT:
            self.constants[first] = call.attributes["value"]
            self.tensors.append(as_tensor(call.attributes["value"]))
            return (first,)
        specs = call.primitive.infer(*call.inputs, **call.attributes)
        specs = specs if isinstance(specs, tuple) else (specs,)
        places = tuple(range(first, first + len(specs)))
        self.tensors += [Tensor(call, spec, i) for i, spec in enumerate(specs)]
        if call.primitive is BATCH_NUMBER:
            self.numbers.append(first)
        elif not call.inputs:
            raise InvalidArgumentError(f"a program is not fed with a {call.primitive.name} that it needs")
        elif not self._folded(call, inputs, places):
            self.steps.append(Step(call, inputs, places))
        return places

    def _folded(self, call: Call, inputs: tuple[int, ...], places: tuple[int, ...]) -> bool:
        """Compute a call of small constants now; what fails will fail, with its line, when it runs."""
        if not all(place in self.constants for place in inputs):
            return False
        values = [self.constants[place] for place in inputs]
        if any(isinstance(value, Strings) for value in values):
            return False
        try:
            result = call.primitive.compute(0, *values, **call.attributes)
        except Exception:
            return False
        results = result if isinstance(result, tuple) else (result,)
        if any(isinstance(value, Strings) or np.size(value) > SMALL for value in results):
            return False
        self.constants.update(zip(places, results, strict=True))
        return True
