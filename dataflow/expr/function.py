"""A graph with named ends: parameters in, outputs out, and how to run it on blocks."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.block import Strings
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor, as_value, plain_value


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
    def _steps(self) -> list[tuple[Call, int, tuple[tuple[int, int], ...]]]:
        """(call, its number, (call number, output) of each input) in execution order."""
        order = postorder(self.outputs)
        number = {id(call): i for i, call in enumerate(order)}
        return [(c, i, tuple((number[id(t.call)], t.output) for t in c.inputs)) for i, c in enumerate(order)]

    def run(self, values: Sequence[Any], *, lead: int = 1, rows: int = 0) -> list[Any]:
        """Compute the outputs.

        Args:
            values: One column per parameter; ``[rows, *shape]`` with ``lead=1``, else ``[*shape]``.
            lead: Whether values have a leading axis of elements.
            rows: Number of elements, with ``lead=1``.

        Returns:
            One array or `Strings` per output, with the leading axis if ``lead=1``.
        """
        fed = {id(tensor.call): value for tensor, value in zip(self.parameters, values, strict=True)}
        results: list[tuple[Any, ...]] = []
        batched: list[bool] = []
        for call, _, inputs in self._steps:
            if call.primitive is PARAMETER:
                results.append((fed[id(call)],))
                batched.append(lead == 1)
                continue
            if call.primitive is CONSTANT:
                results.append((call.attributes["value"],))
                batched.append(False)
                continue
            flags = [batched[number] for number, _ in inputs]
            arguments = [results[number][output] for number, output in inputs]
            has_lead = any(flags)
            if has_lead:
                if call.primitive.elementwise:
                    arguments = _align(arguments, flags)
                else:
                    arguments = [
                        a if f else broadcast_rows(a, rows) for a, f in zip(arguments, flags, strict=True)
                    ]
            result = call.primitive.compute(int(has_lead), *arguments, **call.attributes)
            results.append(result if isinstance(result, tuple) else (result,))
            batched.append(has_lead)
        number = {id(call): i for call, i, _ in self._steps}
        ends = [(results[number[id(t.call)]][t.output], batched[number[id(t.call)]]) for t in self.outputs]
        return [v if done or lead == 0 else broadcast_rows(v, rows) for v, done in ends]

    def substitute(self, replacements: Mapping[Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs with leaves replaced by other tensors."""
        done: dict[int, Call] = {}
        by_call = {id(old.call): new for old, new in replacements.items()}
        for call, _, _ in self._steps:
            if id(call) in by_call:
                continue
            inputs = tuple(_resolve(t, by_call, done) for t in call.inputs)
            changed = any(a is not b for a, b in zip(inputs, call.inputs, strict=True))
            done[id(call)] = dataclasses.replace(call, inputs=inputs) if changed else call
        return tuple(_resolve(t, by_call, done) for t in self.outputs)

    def after(self, first: Function) -> Function:
        """Return the composition: `first`, then this function on its outputs."""
        return Function(
            first.parameters, self.substitute(dict(zip(self.parameters, first.outputs, strict=True)))
        )


def _resolve(tensor: Tensor, by_call: Mapping[int, Tensor], done: Mapping[int, Call]) -> Tensor:
    if id(tensor.call) in by_call:
        return by_call[id(tensor.call)]
    call = done[id(tensor.call)]
    return tensor if call is tensor.call else Tensor(call, tensor.spec, tensor.output)


def _align(arguments: list[Any], flags: list[bool]) -> list[Any]:
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
