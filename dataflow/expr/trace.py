"""Turn a user's function into a `Function` by calling it once with symbolic tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, TraceError, did_you_mean
from dataflow.expr.function import Function
from dataflow.expr.messages import described
from dataflow.expr.tensor import Tensor, as_tensor, parameter
from dataflow.origin import failing_line
from dataflow.spec import Structure, flatten, is_namedtuple, is_structure, map_structure, pack


def call_with_element(function: Callable[..., Any], element: Structure) -> Any:
    """Call as tf.data does: a plain tuple is unpacked, everything else is one argument."""
    if isinstance(element, tuple) and not is_namedtuple(element):
        return function(*element)
    return function(element)


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """A traced function and the structure of what it returns."""

    graph: Function
    output_spec: Structure


def trace(function: Callable[..., Any], element_spec: Structure) -> Traced:
    """Call the function once with symbolic tensors of the element spec.

    Raises:
        TraceError: The function needs values; the cause and the user's line are in the message.
        DataflowError, KeyError, NameError: The function is wrong for these elements.
    """
    leaves = [parameter(spec) for spec in flatten(element_spec)]
    try:
        with described(False):
            result = call_with_element(function, pack(element_spec, leaves))
    except TraceError as error:
        raise error.in_stage(failing_line(error)) from None
    except KeyError as error:
        if not any(isinstance(key, Tensor) for key in error.args):
            keys = [key for part in _mappings(element_spec) for key in part]
            if keys and error.args:
                error.add_note(
                    f"the element has no {error.args[0]!r}: {did_you_mean(str(error.args[0]), keys)}"
                )
            raise
        raise TraceError("a symbolic tensor cannot be looked up in a dict").in_stage(
            failing_line(error)
        ) from error
    except (DataflowError, NameError):
        raise
    except Exception as error:
        raise TraceError(f"{type(error).__name__}: {error}").in_stage(
            failing_line(error, function)
        ) from error
    outputs = as_output(result)
    tensors = tuple(flatten(outputs))
    return Traced(Function(tuple(leaves), tensors), map_structure(lambda tensor: tensor.spec, outputs))


def _mappings(spec: Structure) -> list[Mapping[str, Any]]:
    """Return the dict that an element is, or those that it is a tuple of."""
    return [part for part in (spec if isinstance(spec, tuple) else (spec,)) if isinstance(part, Mapping)]


def as_output(result: Any) -> Structure:
    """Return what a function returned as a structure of tensors.

    Raises:
        InvalidArgumentError: A part of it is None.
        SpecError: Keys of a dict are no strings.
    """
    return map_structure(_output, pack_lists(result))


def _output(value: Any) -> Tensor:
    if value is None:
        raise InvalidArgumentError("the function returned None", hint="return the new element")
    # a component has a dtype of its own: a Python number would adapt to what a later stage adds to it
    return as_tensor(np.asarray(value) if isinstance(value, bool | int | float) else value)


def pack_lists(result: Any) -> Structure:
    """Return what a function returned as a structure: a list is a tuple, as in tf; lists in it are arrays.

    Raises:
        SpecError: Keys of a dict are no strings.
    """
    return _checked(tuple(result) if type(result) is list else result)


def _checked(result: Any) -> Structure:
    if isinstance(result, Mapping):
        if not all(isinstance(key, str) for key in result):
            raise SpecError(f"dict keys must be strings, and are {list(result)!r}")
        return type(result)((key, _checked(value)) for key, value in result.items())  # type: ignore[call-arg]
    if is_structure(result):
        parts = [_checked(part) for part in result]
        return type(result)(*parts) if is_namedtuple(result) else tuple(parts)
    return result
