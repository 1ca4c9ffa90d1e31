"""Where NaN came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import DataflowError
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Tensor
from dataflow.strings import Strings
from estimators.graph.registry import output
from estimators.graph.scope import BATCH_NUMBER
from estimators.graph.variable import VARIABLE, Array
from estimators.inputs.input_fn import SymbolicInput


class NanLossDuringTrainingError(DataflowError, RuntimeError):
    """The loss, or a variable, became NaN; no checkpoint was written after that."""


def is_nan(value: Any) -> bool:
    """Tell whether a value holds a NaN."""
    return (
        isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f" and bool(np.isnan(value).any())
    )


_SAME_NUMBERS = ("cast", "concatenate", "index", "reshape")


def nan_in_input(source: SymbolicInput, tensors: Sequence[Tensor], columns: Sequence[Any]) -> str | None:
    """Say which column of a batch holds NaN, or infinity; None if there is none.

    Args:
        source: The model's input.
        tensors: What the columns are values of.
        columns: Of the batch.
    """
    tests: list[tuple[Callable[..., Array], str]] = [(np.isnan, "NaN"), (np.isinf, "infinite")]
    for test, what in tests:
        for tensor, column in zip(tensors, columns, strict=True):
            if isinstance(column, np.ndarray | np.generic) and column.dtype.kind == "f":
                array: Array = np.atleast_1d(column)
                if test(array).any():
                    inner, part = _part(tensor, array, test)
                    bad: Any = np.asarray(test(part)).reshape(len(part), -1).any(axis=1)
                    return (
                        f"{_name_of(source, inner)} is {what} in {np.count_nonzero(bad)} of {len(bad)} "
                        f"examples of the batch, first in example {np.argmax(bad)} (from 0)"
                    )
    return None


def _part(tensor: Tensor, array: Array, test: Callable[..., Array]) -> tuple[Tensor, Array]:
    """Return the first part of joined features that fails a test, and its values."""
    call = tensor.call
    if call.primitive.name != "concatenate" or call.attributes.get("axis") not in (-1, array.ndim - 1):
        return tensor, array
    start = 0
    for part in call.inputs:
        width = part.shape[-1]
        if width is None:
            return tensor, array
        values = array[..., start : start + width]
        if test(values).any():
            return _part(part, values, test)
        start += width
    return tensor, array


def _name_of(source: SymbolicInput, tensor: Tensor) -> str:
    order = postorder([tensor])
    inner = {id(call) for call in order}
    pairs = zip(source.names, source.leaves, strict=True)
    names = ", ".join(name for name, leaf in pairs if id(leaf.call) in inner)
    if all(call.primitive is PARAMETER or call.primitive.name in _SAME_NUMBERS for call in order):
        return names
    return f"{tensor.call.primitive.name} of {names}, at {tensor.call.line},"


def first_nan(
    ends: Sequence[Tensor],
    leaves: Sequence[Tensor],
    columns: Sequence[Any],
    values: Mapping[str, Array],
    number: int,
) -> str | None:
    """Compute a step primitive by primitive, and say which gives NaN first.

    None if none does, or if the batch holds NaN itself.

    Args:
        ends: All that the step computes.
        leaves: What the columns are values of.
        columns: Of the batch.
        values: Of the variables, before the step.
        number: Of the step.
    """
    order = [call for call in postorder(ends) if call.primitive is not CONSTANT]
    fed: list[Tensor] = list(leaves)
    given = list(columns)
    for call in order:
        if call.primitive is VARIABLE:
            fed.append(output(call))
            given.append(values[call.attributes["variable"].name])
        elif call.primitive is BATCH_NUMBER:
            fed.append(output(call))
            given.append(np.int64(number))
    tensors = [tensor for call in order for tensor in _outputs(call)]
    with np.errstate(all="ignore"):
        results = Function(tuple(fed), tuple(tensors)).run(given, lead=0)
    found = {(id(t.call), t.output): value for t, value in zip(tensors, results, strict=True)}
    for call in order:
        if any(is_nan(found[id(t.call), t.output]) for t in _outputs(call)):
            return _described(call, found)
    return None


def _outputs(call: Call) -> list[Tensor]:
    specs = call.primitive.infer(*call.inputs, **call.attributes)
    return [output(call, i) for i in range(len(specs) if isinstance(specs, tuple) else 1)]


def _described(call: Call, found: Mapping[tuple[int, int], Any]) -> str | None:
    if call.primitive is VARIABLE:
        return f"{call.attributes['variable']!r} is NaN before the step"
    if not call.inputs:
        return None
    given = []
    for tensor in call.inputs:
        value = found.get((id(tensor.call), tensor.output), tensor.call.attributes.get("value"))
        text = str(tensor.spec)
        if not isinstance(value, Strings):
            array = np.asarray(value)
            text = f"{array.dtype} {array.shape}"
            if array.size and array.dtype.kind in "fiu":
                text += f" from {array.min():.6g} to {array.max():.6g}"
        given.append(text)
    return f"{call.primitive.name}, used at {call.line}, gives NaN first; its inputs: {', '.join(given)}"
