"""The compiled step: what is fetched, and which variables change to what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import estimators.graph.primitives
import estimators.graph.rules  # noqa: F401
from dataflow.errors import DataflowError, InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.primitives.arithmetic import ELEMENTWISE
from dataflow.expr.tensor import CONSTANT, Call, Tensor
from dataflow.strings import Strings
from estimators.graph.primitives.updates import ftrl
from estimators.graph.updates import Update
from estimators.graph.variable import Array, Variable, variables_of

_MAKES_NEW_ARRAYS = {*map(id, ELEMENTWISE.values()), id(ftrl)}
"""Results of these never share memory with their inputs; others are copied where it matters."""


class _Step(NamedTuple):
    """A call of the schedule: the places of what it takes, and the first place of its results."""

    compute: Callable[..., Any]
    inputs: tuple[int, ...]
    attributes: dict[str, Any]
    first: int
    several: bool
    call: Call


class Program:
    """A fixed schedule of kernels from batches to fetches and new variable values.

    Args:
        inputs: Leaves that are fed, in the order of the columns given to `run`.
        fetches: What to return, by name.
        updates: What to change. All new values are computed from the old ones, then set together.

    Raises:
        InvalidArgumentError: A variable is updated twice, two have one name, or something is computed
            from a leaf that is not fed.

    >>> from estimators.graph.updates import Update
    from estimators.graph.variable import Variable
    >>> count = Variable("count", ())
    >>> program = Program([], {"before": count}, [Update(count, count + 1.0)])
    >>> values = initial_values([count], seed=0)
    >>> float(program.run([], values)["before"]), float(values["count"])
    (0.0, 1.0)
    """

    def __init__(
        self, inputs: Sequence[Tensor], fetches: Mapping[str, Tensor], updates: Sequence[Update] = ()
    ) -> None:
        ends = [
            *fetches.values(),
            *(u.value for u in updates),
            *(u.rows for u in updates if u.rows is not None),
        ]
        updated = [update.variable for update in updates]
        self.variables = variables_of([*ends, *(variable for variable in updated)])
        names = [variable.name for variable in updated]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InvalidArgumentError(f"variables are updated twice in one step: {sorted(twice)}")
        self._names = [variable.name for variable in self.variables]
        self._start: list[Any] = []
        """The values before a run: places of columns, of variables, constants, and places of results."""
        self._steps, places = self._schedule([*inputs, *(v for v in self.variables)], ends)
        changes = bool(updates)
        self._fetches = [
            (name, places.pop(0), changes and not _new_array(tensor)) for name, tensor in fetches.items()
        ]
        new = [places.pop(0) for _ in updates]
        rows = [None if u.rows is None else places.pop(0) for u in updates]
        copy = [not (u.variable.shape and _new_array(u.value)) for u in updates]
        self._updates = list(zip((u.variable.name for u in updates), new, copy, rows, strict=True))

    def _schedule(self, leaves: Sequence[Tensor], ends: Sequence[Tensor]) -> tuple[list[_Step], list[int]]:
        """Return the calls in order, and the places of the ends."""
        first = {id(leaf.call): place for place, leaf in enumerate(leaves)}
        self._start = [None] * len(leaves)
        steps = []
        for call in postorder(ends):
            if id(call) in first:
                continue
            first[id(call)] = len(self._start)
            if call.primitive is CONSTANT:
                self._start.append(call.attributes["value"])
                continue
            if not call.inputs:
                raise InvalidArgumentError(f"a program is not fed with a {call.primitive.name} that it needs")
            inputs = tuple(first[id(t.call)] + t.output for t in call.inputs)
            specs = call.primitive.infer(*call.inputs, **call.attributes)
            several = isinstance(specs, tuple)
            steps.append(
                _Step(call.primitive.compute, inputs, dict(call.attributes), len(self._start), several, call)
            )
            self._start += [None] * (len(specs) if isinstance(specs, tuple) else 1)
        return steps, [first[id(end.call)] + end.output for end in ends]

    def run(self, columns: Sequence[Any], values: dict[str, Array]) -> dict[str, Any]:
        """Run one batch, and put the new values of variables into `values` (arrays by name).

        Returns:
            The fetches, as plain arrays or `Strings`; fetched variables have their old values.
        """
        held = self._start.copy()
        count = len(columns)
        held[:count] = columns
        held[count : count + len(self._names)] = [values[name] for name in self._names]
        self._compute(held)
        fetched = {name: _copied(held[at]) if copy else held[at] for name, at, copy in self._fetches}
        for _, at, copy, _ in self._updates:
            if copy:
                held[at] = np.array(held[at])
        for name, at, _, rows in self._updates:
            if rows is None:
                values[name] = held[at]
            else:
                values[name][held[rows]] = held[at]
        return fetched

    def _compute(self, held: list[Any]) -> None:
        """Fill the places of results.

        Raises:
            InvalidArgumentError: A kernel failed; the message says which, and the line that used it.
        """
        for compute, inputs, attributes, first, several, call in self._steps:
            try:
                result = compute(0, *[held[i] for i in inputs], **attributes)
            except DataflowError:
                raise
            except Exception as cause:
                raise InvalidArgumentError(
                    f"{call.primitive.name} failed with {type(cause).__name__}: {cause}, used at {call.line}"
                ) from cause
            if several:
                held[first : first + len(result)] = result
            else:
                held[first] = result


def _new_array(tensor: Tensor) -> bool:
    return id(tensor.call.primitive) in _MAKES_NEW_ARRAYS


def _copied(value: Any) -> Any:
    return value if isinstance(value, Strings) else np.array(value)


def initial_values(variables: Sequence[Variable], seed: int | None) -> dict[str, Array]:
    """Return the first value of each variable.

    Each variable has a generator of its own, made from the seed and its name, so adding one variable
    does not change the others. Without a seed it comes from the operating system.
    """
    entropy = np.random.SeedSequence(seed).entropy
    assert isinstance(entropy, int)
    values = {}
    for variable in variables:
        rng = np.random.default_rng(np.random.SeedSequence([entropy, *variable.name.encode()]))
        values[variable.name] = np.array(variable.initializer(variable.sizes, variable.dtype, rng))
    return values
