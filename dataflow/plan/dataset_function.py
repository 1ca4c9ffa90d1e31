"""Functions from an element to a dataset: what `flat_map` and `interleave` apply."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.block import Block
from dataflow.errors import DataflowError, TraceError, UserFunctionError
from dataflow.expr.tensor import as_value, parameter
from dataflow.expr.trace import call_with_element
from dataflow.origin import failing_line
from dataflow.plan.node import Node, bind
from dataflow.runtime.operator import Operator
from dataflow.spec import BINARY, STRING, Structure, TensorSpec, flatten, has_objects, map_structure, pack


@dataclasses.dataclass(frozen=True, eq=False)
class DatasetFunction:
    """A function that returns the plan of a dataset for each element.

    Args:
        function: Takes the element (a tuple unpacked) and returns a plan.
        input_spec: Structure of TensorSpec of its argument.
        output_spec: Structure of TensorSpec of the elements of its datasets.
        template: The plan for a symbolic element, if it could be traced.
        leaves: The symbolic element's components.
        outline: The plan for a symbolic element with datasets, for rewrites: it cannot be run.
    """

    function: Callable[..., Node]
    input_spec: Structure
    output_spec: Structure
    template: Node | None
    leaves: tuple[Any, ...]
    outline: Node | None = None

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__).split("<locals>.")[-1]
        return f"{name} [{'python' if self.template is None else 'traced'}]"

    def plan(self, block: Block, row: int) -> Node:
        """Return the plan for one element, with all random stages started anew.

        Also those that the function found outside: so what an element gives depends on the element
        alone, and no count has to be saved for a plan that is not open.

        Raises:
            UserFunctionError: The function raised.
        """
        values = block.row(row)
        if self.template is not None:
            return bind(self.template, self.leaves, [as_value(value) for value in values])
        try:
            plan: Node = call_with_element(self.function, pack(self.input_spec, values))
            return bind(plan, (), ())
        except DataflowError:
            raise
        except Exception as error:
            raise UserFunctionError(
                f"{self} raised {type(error).__name__}: {error}, at {failing_line(error)}"
            ) from error


def make_dataset_function(
    function: Callable[..., Node],
    input_spec: Structure,
    first_element: Callable[[], Block | None],
    symbol: Callable[[TensorSpec], Any] = parameter,
) -> DatasetFunction:
    """Trace the function with a symbolic element; where it needs values, it is called per element.

    Args:
        function: Takes the element (a tuple unpacked) and returns a plan.
        input_spec: Structure of TensorSpec of its argument.
        first_element: Reads a block with one element of the input; None if it is empty: then an element
            of ones and empty text tells what the function returns, if it takes that.
        symbol: Makes a component of the symbolic element. A function that gets datasets is always called
            per element: the symbolic element only tells what it returns, if it can.
    """
    draft = DatasetFunction(function, input_spec, None, None, ())
    objects = has_objects(input_spec)
    try:
        leaves = tuple(symbol(spec) for spec in flatten(input_spec))
        template = call_with_element(function, pack(input_spec, leaves))
        if objects:
            return dataclasses.replace(
                draft, output_spec=template.element_spec, outline=template, leaves=leaves
            )
        return DatasetFunction(function, input_spec, template.element_spec, template, leaves)
    except TraceError:
        pass
    except DataflowError:
        if not objects:
            raise
    except Exception as error:
        if not objects and not _needs_value(error):
            raise
    block = first_element()
    if block is None:
        return dataclasses.replace(draft, output_spec=_spec_of_nothing(function, input_spec))
    return dataclasses.replace(draft, output_spec=draft.plan(block, 0).element_spec)


def _spec_of_nothing(function: Callable[..., Node], input_spec: Structure) -> Structure:
    """Return what the datasets of an empty input would hold, as far as that can be told: else the input's."""

    def example(spec: Any) -> Any:
        shape = tuple(size or 0 for size in spec.shape)
        if spec.dtype in (STRING, BINARY):
            return np.full(shape, "" if spec.dtype == STRING else b"", object)[()]
        return np.ones(shape, spec.dtype)[()]

    if has_objects(input_spec):
        return input_spec
    try:
        return call_with_element(function, map_structure(example, input_spec)).element_spec
    except Exception:  # whatever the user's function makes of an element that never was
        return input_spec


@dataclasses.dataclass(frozen=True)
class Unread(Node):
    """Stands for a dataset that is a component of a symbolic element: it has a spec and no elements."""

    signature: Structure

    def infer_spec(self) -> Structure:
        """What is known of the elements."""
        return self.signature

    def operator(self, *inputs: Operator) -> Operator:
        """Refuse to run."""
        raise TraceError("a symbolic dataset has no elements", hint="the function needs a real one")


def _needs_value(error: BaseException) -> Any:
    """Tell whether an error comes from handing a symbolic tensor to code that wants a value."""
    return isinstance(error, TypeError | ValueError | AttributeError) and "Tensor" in str(error)
