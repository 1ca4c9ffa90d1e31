"""A program for batches of one size: kept arrays, and calls that need only the batch."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import DataflowError
from dataflow.expr.tensor import Call
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators import kernels
from estimators.graph import numpy_kernels  # noqa: F401  (registers kernels)
from estimators.graph.fusion import Registers, encoded, registers
from estimators.graph.layout import Action, Layout, actions_of
from estimators.graph.registry import FRESH, KERNELS
from estimators.graph.row_steps import row_steps
from estimators.graph.specialize import Sized, failed, locate
from estimators.graph.timing import CallTime, timed
from estimators.graph.variable import Array

Memory = npt.NDArray[np.uint8]


class _Bound:
    """A function with its arguments; those that differ from batch to batch are put in before the call."""

    __slots__ = ("arguments", "call", "function", "holes", "results")

    def __init__(
        self, function: Callable[..., Any], arguments: list[Any], holes: list[tuple[int, int]], call: Call
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.holes = holes
        self.call = call
        self.results: tuple[int, ...] = ()
        """Places of the results, if the function returns them."""


class Plan:
    """What is done for a batch of one size.

    Args:
        sized: The calls; the ends are the fetches, then the new values, then their rows.
        variables: Names of the variables among the leaves, by place.
        fetches: Names of the fetches.
        updates: Names of the variables that change, and whether only rows of them do.
    """

    def __init__(
        self,
        sized: Sized,
        variables: Mapping[int, str],
        fetches: Sequence[str],
        updates: Sequence[tuple[str, bool]],
    ) -> None:
        self._sized, self._variables = sized, variables
        ends = iter(sized.ends)
        self._fetches = [(name, next(ends)) for name in fetches]
        new = [next(ends) for _ in updates]
        self._updates = [
            (name, place, next(ends) if rows else None)
            for (name, rows), place in zip(updates, new, strict=True)
        ]
        self._kept = {*sized.constants, *variables}
        fetched = [place for _, place in self._fetches]
        self._actions, self._updates, self._row_steps = row_steps(
            actions_of(sized, self._kept), self._updates, variables, fetched
        )
        self._layout = Layout()
        needed = [place for step in self._row_steps for place in step.places]
        self._layout.follow(self._actions, sized.leaves, [*sized.ends, *needed])
        self._in_variables = self._updated_in_place()
        self._registers: dict[int, Registers] = {}
        requests = {n: self._request(n, action) for n, action in enumerate(self._actions)}
        self._layout.place(
            self._actions, sized.specs, requests, set(self._in_variables), self._kept_constants()
        )
        self._bound: list[_Bound] = []
        self._constants: list[tuple[Array, Any]] = []
        """Places in memory, and what belongs there."""
        self._bound_to: tuple[Any, list[tuple[str, Array]]] = (None, [])
        self._arrays: dict[int, Any] = {}
        self._held: list[Any] = [None] * len(sized.tensors)

    @property
    def size(self) -> int:
        """Bytes of memory that it needs."""
        return self._layout.size

    # Making ----------------------------------------------------------------------------------------

    def _updated_in_place(self) -> dict[int, str]:
        """Return the new values that are computed in the memory of their variables: nobody reads the old."""
        place_of = {name: place for place, name in self._variables.items()}
        made = {place: n for n, action in enumerate(self._actions) for place in action.results}
        places = [place for _, place, _ in self._updates]
        found = {}
        for name, place, rows in self._updates:
            number = made.get(place)
            if rows is not None or number is None or places.count(place) > 1:
                continue
            action = self._actions[number]
            in_place = action.kind == "kernel" and KERNELS[action.step.call.primitive.name].in_place
            if in_place and self._layout.last_use.get(place_of[name], -1) <= number:
                found[place] = name
        return found

    def _kept_constants(self) -> dict[int, int]:
        """Return the bytes of the constants that runs read."""
        return {
            place: action.run.dtype.itemsize * max(1, math.prod(self._spec(place).shape))  # type: ignore[arg-type]
            for action in self._actions
            if action.run is not None
            for place in action.run.inputs
            if place in self._sized.constants
        }

    def _spec(self, place: int) -> TensorSpec:
        spec = self._sized.specs[place]
        assert spec is not None
        return spec

    def _request(self, number: int, action: Action) -> list[int]:
        """Return the bytes of the working arrays of an action."""
        if action.run is not None:
            buffers = {p for a in self._actions if a.kind in ("run", "kernel") for p in a.results}
            inside = (buffers | set(self._sized.constants)) - set(self._in_variables)
            copied = {
                place
                for place in action.run.inputs
                if place not in inside
                or (self._spec(place).dtype != action.run.dtype and place not in self._sized.constants)
            }
            found = registers(action.run, self._sized, copied, set(self._layout.last_use))
            self._registers[number] = found
            return [found.size * action.run.dtype.itemsize]
        return [_bytes(spec) for spec in self._scratch(action)] if action.kind == "kernel" else []

    def _scratch(self, action: Action) -> Sequence[TensorSpec]:
        kernel = KERNELS[action.step.call.primitive.name]
        if kernel.scratch is None:
            return ()
        specs = [self._spec(place) for place in action.step.inputs]
        return kernel.scratch(*specs, **action.step.call.attributes)

    # Binding ---------------------------------------------------------------------------------------

    def bind(self, memory: Memory, values: Mapping[str, Array], *, used: bool) -> None:
        """Make the arrays and the calls, in this memory and with the arrays of these variables.

        Args:
            memory: Shared with other plans.
            values: By name of a variable.
            used: Whether another plan may have used the memory since.
        """
        if not self._make(memory, values) and not used:
            return
        for target, value in self._constants:
            np.copyto(target, value, casting="unsafe")

    def _make(self, memory: Memory, values: Mapping[str, Array]) -> bool:
        """Make arrays and calls anew if memory or variables are other ones."""
        known, arrays = self._bound_to
        if known is memory and all(values[name] is array for name, array in arrays):
            return False
        self._bound_to = memory, [(name, values[name]) for name in self._variables.values()]
        self._arrays = {place: values[name] for place, name in self._variables.items()}
        self._arrays.update(self._sized.constants)
        self._bound, self._constants = [], []
        for number, action in enumerate(self._actions):
            if action.kind == "view":
                step = action.step
                inputs = [self._arrays[place] for place in step.inputs]
                views = step.call.primitive.compute(0, *inputs, **step.call.attributes)
                self._arrays.update(
                    zip(step.results, views if isinstance(views, tuple) else (views,), strict=True)
                )
                continue
            if action.kind != "compute":
                for place in action.results:
                    self._make_array(place, memory, values)
            if action.run is not None:
                self._bind_run(number, action, memory)
            else:
                self._bind_call(number, action, memory)
        return True

    def _make_array(self, place: int, memory: Memory, values: Mapping[str, Array]) -> None:
        if place in self._in_variables:
            self._arrays[place] = values[self._in_variables[place]]
        elif place in self._layout.offsets:
            self._arrays[place] = _array(memory, self._layout.offsets[place], self._spec(place))

    def _bind_call(self, number: int, action: Action, memory: Memory) -> None:
        call = action.step.call
        places = action.step.inputs
        arguments = [self._arrays.get(place) for place in places]
        holes = [(i, place) for i, place in enumerate(places) if place not in self._arrays]
        if action.kind == "compute":
            compute = functools.partial(call.primitive.compute, 0)
            function = FRESH.get(call.primitive.name, compute)
            bound = _Bound(functools.partial(function, **call.attributes), arguments, holes, call)
            bound.results = action.step.results
        else:
            scratch = zip(self._layout.scratch[number], self._scratch(action), strict=True)
            working = tuple(_array(memory, start, spec) for start, spec in scratch)
            out = tuple(self._arrays[place] for place in action.step.results)
            run = KERNELS[call.primitive.name].run
            bound = _Bound(functools.partial(run, out, working, **call.attributes), arguments, holes, call)
        self._bound.append(bound)

    def _bind_run(self, number: int, action: Action, memory: Memory) -> None:
        run, found, call = action.run, self._registers[number], action.step.call
        assert run is not None
        (start,) = self._layout.scratch[number]
        item = run.dtype.itemsize

        def part(offset: int, shape: Sequence[Any]) -> Array:
            return _array(memory, offset, TensorSpec(tuple(shape), run.dtype))

        for place in run.inputs:
            if place in self._sized.constants:
                constant = part(self._layout.offsets[place], self._spec(place).shape)
                self._constants.append((constant, self._sized.constants[place]))
        for place, offset in found.copies.items():
            target = part(start + offset * item, self._spec(place).shape)
            holes = [] if place in self._arrays else [(1, place)]
            self._bound.append(_Bound(np.copyto, [target, self._arrays.get(place)], holes, call))
        offsets = self._layout.offsets
        positions = {p: offsets[p] // item for p in (*run.inputs, *run.inner) if p in offsets}
        loads, code = encoded(run, found, start // item, positions)
        arguments = [memory.view(run.dtype), loads, code, math.prod(run.sizes)]
        self._bound.append(_Bound(kernels.elementwise.run, arguments, [], call))
        for place, offset in found.whole.items():
            numbers = part(start + offset * item, run.sizes)
            truth = functools.partial(np.not_equal, out=self._arrays[place])
            self._bound.append(_Bound(truth, [numbers, 0], [], call))

    # Running ---------------------------------------------------------------------------------------

    def run(self, columns: Sequence[Any], values: dict[str, Array], number: int) -> dict[str, Any]:
        """Run one batch in the memory that it is bound to; return the fetches."""
        held = self._held
        fed = (place for place in range(self._sized.leaves) if place not in self._variables)
        for place, column in zip(fed, columns, strict=True):
            held[place] = column
        for place in self._sized.numbers:
            held[place] = np.array(number, np.int64)
        bound = None
        try:
            for bound in self._bound:
                for position, place in bound.holes:
                    bound.arguments[position] = held[place]
                result = bound.function(*bound.arguments)
                if bound.results:
                    results = result if isinstance(result, tuple) else (result,)
                    for place, value in zip(bound.results, results, strict=True):
                        held[place] = value
        except DataflowError as error:
            assert bound is not None
            locate(error, bound.call)
            raise
        except Exception as cause:
            assert bound is not None
            shapes = [np.shape(argument) for argument in bound.arguments]
            raise failed(bound.call, cause, shapes) from cause
        fetched = {name: self._fetched(place) for name, place in self._fetches}
        self._apply(values)
        return fetched

    @contextlib.contextmanager
    def timed(self) -> Iterator[list[CallTime]]:
        """Inside, note when each call begins and ends; the plan must be bound."""
        times: list[CallTime] = []
        actions = {id(action.step.call): action for action in self._actions}
        root: dict[int, int] = {}
        for action in self._actions:
            if action.kind == "view":
                root.update(dict.fromkeys(action.results, root.get(action.inputs[0], action.inputs[0])))

        def measured(bound: _Bound) -> Callable[..., Any]:
            action = actions[id(bound.call)]
            steps = [action.step] if action.run is None else action.run.steps
            whole = action.run is None or bound.function is kernels.elementwise.run
            name = " + ".join(step.call.primitive.name for step in steps) if whole else "copy"
            inputs = tuple(root.get(place, place) for place in action.inputs)
            results = {place: self._bytes_of(place) for place in action.results} if whole else {}
            return timed(
                bound.function,
                lambda began, ended: times.append(
                    CallTime(name, bound.call.line, began, ended, inputs, results)
                ),
            )

        functions = [bound.function for bound in self._bound]
        try:
            for bound in self._bound:
                bound.function = measured(bound)
            yield times
        finally:
            for bound, function in zip(self._bound, functions, strict=True):
                bound.function = function

    def _bytes_of(self, place: int) -> int:
        """Return the bytes of a result; 0 if they are not known before it is there."""
        spec = self._sized.specs[place]
        return 0 if spec is None or place not in self._arrays else int(self._arrays[place].nbytes)

    def _value(self, place: int) -> Any:
        return self._arrays[place] if place in self._arrays else self._held[place]

    def _fetched(self, place: int) -> Any:
        """Return a value that later batches leave alone."""
        value = self._value(place)
        shared = place in self._arrays or bool(self._layout.bases.get(place))
        return np.array(value) if shared and not isinstance(value, Strings) else value

    def _apply(self, values: dict[str, Array]) -> None:
        """Set the new values that were not computed in place; first copy what is another variable's."""
        pending = []
        for name, place, rows in self._updates:
            if place not in self._in_variables:
                value = self._value(place)
                from_variable = any(base in self._variables for base in self._layout.bases.get(place, ()))
                pending.append((name, np.array(value) if from_variable else value, rows))
        for step in self._row_steps:
            step.run(values, self._value)
        for name, value, rows in pending:
            if rows is None:
                np.copyto(values[name], value)
            else:
                kernels.sparse.put_rows(
                    values[name].reshape(len(values[name]), -1),
                    self._value(rows),
                    value.reshape(len(value), -1),
                )


def _bytes(spec: TensorSpec) -> int:
    return int(spec.dtype.itemsize * math.prod(spec.shape))  # type: ignore[arg-type]


def _array(memory: Memory, offset: int, spec: TensorSpec) -> Array:
    """Return the array at a place in memory."""
    array = memory[offset : offset + _bytes(spec)].view(spec.dtype)
    return array.reshape(spec.shape)  # type: ignore[arg-type]
