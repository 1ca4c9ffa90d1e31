"""The compiled step: what is fetched, and which variables change to what."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import estimators.graph.primitives
import estimators.graph.rules  # noqa: F401  (both register gradients and kernels)
from dataflow.block import Column
from dataflow.errors import DataflowError, InvalidArgumentError
from dataflow.expr.tensor import Tensor
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators.graph.plan import Memory, Plan
from estimators.graph.schedule import schedule
from estimators.graph.specialize import failed, locate, specialize
from estimators.graph.timing import CallTime
from estimators.graph.updates import Update
from estimators.graph.variable import Array, Variable, members_of, variables_of

PLANS = 32
"""Most sizes of batches whose plans are kept."""


class Program:
    """A fixed schedule of kernels from batches to fetches and new variable values.

    For each size of batches it makes a plan: arrays that are kept from batch to batch, and runs of
    element-wise calls that become one kernel. All plans share one piece of memory. The plain form of the
    same schedule, primitive by primitive in NumPy, is there to check and to debug.

    Args:
        inputs: Leaves that are fed, in the order of the columns given to `run`.
        fetches: What to return, by name.
        updates: What to change. All new values are computed from the old ones, then set together.
        reference: Run the plain form; default the environment variable ``ESTIMATORS_REFERENCE`` being 1.

    Raises:
        InvalidArgumentError: A variable is updated twice, two have one name, one is used beside what is
            stacked of it, or something is computed from a leaf that is not fed.

    >>> from estimators.graph.updates import Update
    >>> from estimators.graph.variable import Variable
    >>> count = Variable("count", ())
    >>> program = Program([], {"before": count}, [Update(count, count + 1.0)])
    >>> values = initial_values([count], seed=0)
    >>> float(program.run([], values)["before"]), float(values["count"])
    (0.0, 1.0)
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        fetches: Mapping[str, Tensor],
        updates: Sequence[Update] = (),
        *,
        reference: bool | None = None,
    ) -> None:
        rows = [update.rows for update in updates if update.rows is not None]
        new = [update.value for update in updates]
        ends = [*fetches.values(), *new, *rows]
        self.variables = variables_of([*ends, *(update.variable for update in updates)])
        names = [update.variable.name for update in updates]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InvalidArgumentError(f"variables are updated twice in one step: {sorted(twice)}")
        for variable in self.variables:
            if any(variable.whole is other for other in self.variables if other.members):
                raise InvalidArgumentError(
                    f"{variable!r}, made at {variable.line}, is part of {variable.whole!r}; both are used",
                    hint="use rows of the whole: it holds its members one below the other",
                )
        self._schedule = schedule([*inputs, *self.variables], ends, new)
        self._variables = {len(inputs) + i: v.name for i, v in enumerate(self.variables)}
        self._fetches = list(fetches)
        self._updates = [(update.variable.name, update.rows is not None) for update in updates]
        self._reference = os.environ.get("ESTIMATORS_REFERENCE") == "1" if reference is None else reference
        self._stacked = [variable for variable in self.variables if variable.members]
        self._plans: dict[Any, Plan] = {}
        self._active: Plan | None = None
        """The plan that used the memory last."""
        self._memory: Memory = np.empty(0, np.uint8)

    def run(self, columns: Sequence[Any], values: dict[str, Array], number: int = 0) -> dict[str, Any]:
        """Run one batch, and put the new values of variables into the arrays of `values`.

        Args:
            columns: One per input.
            values: Arrays by name of a variable; those of updated variables change in place. Of a stacked
                variable the members are given; their arrays become parts of one.
            number: What `batch_number` gives: the global step, or the position of the batch.

        Returns:
            The fetches, as plain arrays or `Strings`; fetched variables have their old values.

        Raises:
            InvalidArgumentError: A kernel failed; the message says which, and the line that used it.
        """
        self._join(values)
        if self._reference:
            return self._run_reference(columns, values, number)
        plan = self._plan(tuple([_shape(column) for column in columns]), columns)
        self._bind(plan, values)
        return plan.run(columns, values, number)

    def run_timed(
        self, columns: Sequence[Any], values: dict[str, Array], number: int = 0
    ) -> tuple[dict[str, Any], list[CallTime]]:
        """Run one batch as `run`; return the fetches, and when each call began and ended.

        The plain form gives no times of calls.
        """
        if self._reference:
            return self.run(columns, values, number), []
        self._join(values)
        plan = self._plan(tuple([_shape(column) for column in columns]), columns)
        self._bind(plan, values)
        with plan.timed() as times:
            fetched = plan.run(columns, values, number)
        began = times[-1].ended if times else time.monotonic()
        times.append(CallTime("fetch, set variables", "", began, time.monotonic(), (), {}))
        return fetched, times

    def run_each(
        self, columns: Sequence[Column], length: int, values: dict[str, Array], number: int = 0
    ) -> Iterator[tuple[list[Column], dict[str, Any]]]:
        """Run several batches of one size, each when it is asked for; yield its columns and the fetches.

        Args:
            columns: One per input, each with a leading axis of batches.
            length: How many batches.
            values: As for `run`; the arrays must stay the same meanwhile.
            number: Of the first batch.
        """
        plan = None
        self._join(values)
        for i in range(length):
            batch = batch_of(columns, i)
            if self._reference:
                yield batch, self._run_reference(batch, values, number + i)
                continue
            if plan is None:
                plan = self._plan(tuple([_shape(column) for column in batch]), batch)
            self._bind(plan, values)
            yield batch, plan.run(batch, values, number + i)

    def _bind(self, plan: Plan, values: dict[str, Array]) -> None:
        plan.bind(self._memory, values, used=plan is not self._active)
        self._active = plan

    def _join(self, values: dict[str, Array]) -> None:
        """Let the arrays of stacked variables' members be parts of one array."""
        for variable in self._stacked:
            if variable.name not in values:
                whole = np.concatenate([values[member.name] for member in variable.members])
                ends = np.cumsum([len(values[member.name]) for member in variable.members])
                parts = zip(variable.members, np.split(whole, ends[:-1]), strict=True)
                values.update({variable.name: whole, **{member.name: part for member, part in parts}})

    def _plan(self, key: tuple[tuple[int, ...], ...], columns: Sequence[Any]) -> Plan:
        return self._plans.get(key) or self._make_plan(key, columns)

    def _make_plan(self, key: Any, columns: Sequence[Any]) -> Plan:
        leaves = [TensorSpec(shape, c.dtype) for shape, c in zip(key, map(_as_array, columns), strict=True)]
        sized = specialize(self._schedule, [*leaves, *(v.spec for v in self.variables)])
        plan = Plan(sized, self._variables, self._fetches, self._updates)
        if len(self._plans) >= PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan
        if plan.size > len(self._memory):
            self._memory = np.empty(plan.size, np.uint8)
        return plan

    def _run_reference(self, columns: Sequence[Any], values: dict[str, Array], number: int) -> dict[str, Any]:
        """Run primitive by primitive, each into new arrays."""
        plan = self._schedule
        held: dict[int, Any] = dict(enumerate([*columns, *(values[v.name] for v in self.variables)]))
        held.update(plan.constants)
        held.update(dict.fromkeys(plan.numbers, np.array(number, np.int64)))
        for step in plan.steps:
            inputs = [held[place] for place in step.inputs]
            try:
                result = step.call.primitive.compute(0, *inputs, **step.call.attributes)
            except DataflowError as error:
                locate(error, step.call)
                raise
            except Exception as cause:
                raise failed(step.call, cause, [np.shape(value) for value in inputs]) from cause
            results = result if isinstance(result, tuple) else (result,)
            held.update(zip(step.results, results, strict=True))
        ends = iter([_copied(held[place]) for place in plan.ends])
        fetched = {name: next(ends) for name in self._fetches}
        new = [(name, next(ends), rows) for name, rows in self._updates]
        for name, value, rows in new:
            values[name][next(ends) if rows else ...] = value
        return fetched


def _shape(column: Any) -> tuple[int, ...]:
    return column.shape if hasattr(column, "shape") else np.shape(column)


def batch_of(columns: Sequence[Column], i: int) -> list[Column]:
    """Return the columns of one batch, without the axis of batches."""
    return [
        c.slice(i, i + 1).reshape(c.shape[1:]) if isinstance(c, Strings) else c[i]  # type: ignore[index]
        for c in columns
    ]


def _as_array(value: Any) -> Any:
    return value if isinstance(value, Strings) else np.asarray(value)


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
    for variable in members_of(variables):
        rng = np.random.default_rng(np.random.SeedSequence([entropy, *variable.name.encode()]))
        first = variable.initializer(variable.sizes, variable.dtype, rng)
        values[variable.name] = np.array(first, order="C")  # kernels change values in place, as flat arrays
    return values
