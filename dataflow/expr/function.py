"""A graph with named ends: parameters in, outputs out, and how to run it on blocks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dataflow.block import Ragged
from dataflow.errors import DataflowError, InvalidArgumentError
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor, as_value, plain_value
from dataflow.strings import Strings


def postorder(outputs: Iterable[Tensor]) -> list[Call]:
    """Return all calls that the outputs need, inputs first."""
    seen: set[int] = set()
    order: list[Call] = []
    stack = [(tensor.call, False) for tensor in reversed(list(outputs))]
    while stack:
        call, ready = stack.pop()
        if ready:
            order.append(call)
        elif id(call) not in seen:
            seen.add(id(call))
            stack.append((call, True))
            stack.extend((item.call, False) for item in reversed(call.inputs))
    return order


_Place: TypeAlias = tuple[int, int]
"""The number of a step, and which of its results."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class _Step:
    """A call of the schedule; `batched` says which inputs depend on a parameter."""

    call: Call
    parameter: int | None
    inputs: tuple[_Place, ...]
    batched: tuple[bool, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Function:
    """A computation from parameters to outputs.

    Args:
        parameters: Leaves made by `parameter`, in the order of the values given to `run`.
        outputs: Tensors computed from them.
    """

    parameters: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @functools.cached_property
    def used_parameters(self) -> tuple[int, ...]:
        """Positions of the parameters that some output depends on."""
        calls = {id(call) for call in postorder(self.outputs)}
        return tuple(i for i, tensor in enumerate(self.parameters) if id(tensor.call) in calls)

    @functools.cached_property
    def is_total(self) -> bool:
        """Whether no element can make it fail: all operations are total, on tensors of known shapes."""
        return all(
            call.primitive in (PARAMETER, CONSTANT)
            or (call.primitive.total and not any(None in t.shape for t in call.inputs))
            for call in postorder(self.outputs)
        )

    @functools.cached_property
    def _schedule(self) -> tuple[list[_Step], list[_Place]]:
        """The calls in execution order, and where the outputs are found."""
        order = postorder(self.outputs)
        number = {id(call): i for i, call in enumerate(order)}
        fed = {id(tensor.call): i for i, tensor in enumerate(self.parameters)}
        steps = []
        batched: list[bool] = []
        for call in order:
            places = tuple((number[id(t.call)], t.output) for t in call.inputs)
            flags = tuple(batched[i] for i, _ in places)
            batched.append(id(call) in fed or any(flags))
            steps.append(_Step(call, fed.get(id(call)), places, flags))
        return steps, [(number[id(t.call)], t.output) for t in self.outputs]

    def run(self, values: Sequence[Any], *, lead: int = 1, rows: int = 0) -> list[Any]:
        """Compute the outputs.

        Args:
            values: One column per parameter; ``[rows, *shape]`` with ``lead=1``, else ``[*shape]``.
            lead: Whether values have a leading axis of elements.
            rows: Number of elements, with ``lead=1``.

        Returns:
            One array or `Strings` per output, with the leading axis if ``lead=1``; then it may also be a
            `Ragged` column, where a primitive gives elements of different shapes.

        Raises:
            DataflowError: Where one element is to blame, with its row. Without a row where the elements, one
                by one, may be right: a primitive needs values of one shape.
        """
        steps, places = self._schedule
        ragged = False
        results: list[tuple[Any, ...]] = []
        for step in steps:
            if step.parameter is not None:
                results.append((values[step.parameter],))
                continue
            if step.call.primitive is CONSTANT:
                results.append((step.call.attributes["value"],))
                continue
            arguments = [results[number][output] for number, output in step.inputs]
            if ragged and any(isinstance(value, Ragged) for value in arguments):
                raise _one_shape_needed(step.call)
            has_lead = lead == 1 and any(step.batched)
            if has_lead:
                if step.call.primitive.elementwise:
                    arguments = _align(arguments, step.batched)
                elif not all(step.batched):
                    pairs = zip(arguments, step.batched, strict=True)
                    arguments = [a if f else broadcast_rows(a, rows) for a, f in pairs]
            result = _compute(step.call, has_lead, arguments)
            results.append(result if isinstance(result, tuple) else (result,))
            if lead and not ragged:
                ragged = any(isinstance(value, Ragged) for value in results[-1])
        if lead == 0:
            return [results[number][output] for number, output in places]
        return [
            results[number][output]
            if steps[number].parameter is not None or any(steps[number].batched)
            else broadcast_rows(results[number][output], rows)
            for number, output in places
        ]

    def substitute(self, replacements: Mapping[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs with leaves replaced by other tensors."""
        return self.cut({(id(old.call), old.output): new for old, new in replacements.items()})

    def cut(self, replacements: Mapping[tuple[int, int], Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs with results of calls, given by ``(id(call), output)``, replaced."""
        done: dict[int, Call] = {}

        def resolve(tensor: Tensor) -> Tensor:
            new = replacements.get((id(tensor.call), tensor.output))
            if new is not None:
                return new
            call = done[id(tensor.call)]
            return tensor if call is tensor.call else Tensor(call, tensor.spec, tensor.output)

        for call in postorder(self.outputs):
            inputs = tuple(resolve(t) for t in call.inputs)
            changed = any(a is not b for a, b in zip(inputs, call.inputs, strict=True))
            done[id(call)] = dataclasses.replace(call, inputs=inputs) if changed else call
        return tuple(resolve(t) for t in self.outputs)

    def after(self, first: Function) -> Function:
        """Return the composition: `first`, then this function on its outputs."""
        return Function(
            first.parameters, self.substitute(dict(zip(self.parameters, first.outputs, strict=True)))
        )


def _compute(call: Call, has_lead: bool, arguments: Sequence[Any]) -> Any:
    """Run one kernel; an error says which call failed, and on which line it was written."""
    try:
        return call.primitive.compute(int(has_lead), *arguments, **call.attributes)
    except DataflowError as error:
        if error.call is None and call.line not in error.message:
            error.message += f": {call.primitive.name}, used at {call.line}"
        error.call = call
        raise
    except Exception as cause:
        failed = InvalidArgumentError(
            f"{call.primitive.name} failed with {type(cause).__name__}: {cause}, at {call.line}"
        )
        failed.call = call
        raise failed from cause


def _one_shape_needed(call: Call) -> InvalidArgumentError:
    error = InvalidArgumentError(
        f"{call.primitive.name} needs values of one shape, and the elements have several, at {call.line}"
    )
    error.call = call
    return error


def depends_on(tensor: Tensor, call: Call, output: int) -> bool:
    """Tell whether a tensor is computed from one result of a call."""
    stack, seen = [tensor], set()
    while stack:
        item = stack.pop()
        if item.call is call and item.output == output:
            return True
        if (id(item.call), item.output) not in seen:
            seen.add((id(item.call), item.output))
            stack.extend(item.call.inputs)
    return False


def _align(arguments: list[Any], flags: Sequence[bool]) -> list[Any]:
    """Insert axes behind the leading one, so that element axes broadcast from the right."""
    ranks = [np.ndim(a) - 1 if f else np.ndim(a) for a, f in zip(arguments, flags, strict=True)]
    rank = max(ranks)
    return [
        a.reshape((len(a), *(1,) * (rank - r), *a.shape[1:])) if f and r < rank else a
        for a, f, r in zip(arguments, flags, ranks, strict=True)
    ]


def evaluate(tensor: Tensor, leaves: Sequence[Tensor], values: Sequence[Any]) -> Any:
    """Compute one tensor from the values of leaves; the result is a plain value."""
    fed = [as_value(value) for value in values]
    return plain_value(Function(tuple(leaves), (tensor,)).run(fed, lead=0)[0])


def broadcast_rows(value: Any, rows: int) -> Any:
    """Repeat a value without leading axis for every row; numbers as a view."""
    if isinstance(value, Strings):
        column = value.reshape((1, *value.shape))
        return column.take(np.zeros(rows, np.int64))
    array = np.asarray(value)
    return np.broadcast_to(array, (rows, *array.shape))
