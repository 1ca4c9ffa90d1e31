"""Graphs as lists of calls by primitive name: what an exported model holds in place of code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflow.errors import DataflowError, SpecError, did_you_mean
from dataflow.expr import primitives as dataflow_primitives
from dataflow.expr.function import postorder
from dataflow.expr.tensor import CONSTANT, PARAMETER, Call, Primitive, Tensor, as_tensor, parameter
from dataflow.spec import TensorSpec
from estimators.export.attributes import Stores, from_json, spec_from_json, spec_to_json, to_json
from estimators.graph import primitives as model_primitives
from estimators.graph.scope import BATCH_NUMBER, batch_number
from estimators.graph.updates import WITH_UPDATES
from estimators.graph.variable import VARIABLE, Variable, stacked

PRIMITIVES: dict[str, Primitive] = {**dataflow_primitives.PRIMITIVES, **model_primitives.PRIMITIVES}
"""All that a graph may call, beside its leaves."""
Place = list[int]
"""The number of a call, and which of its results."""


class GraphWriter:
    """Collects calls, inputs first, each once.

    Args:
        stores: Where large values go.
    """

    def __init__(self, stores: Stores) -> None:
        self.calls: list[dict[str, Any]] = []
        self.variables: list[Variable] = []
        self._stores = stores
        self._numbers: dict[int, int] = {}
        self._kept: list[Call] = []

    def add(self, tensors: Sequence[Tensor]) -> list[Place]:
        """Add what the tensors are computed from, and return where they are.

        Raises:
            SpecError: A primitive or one of its attributes cannot be exported.
        """
        for call in postorder(tensors):
            if id(call) not in self._numbers and call.primitive is not WITH_UPDATES:
                written = self._written(call)
                self._numbers[id(call)] = len(self.calls)
                self.calls.append(written)
                self._kept.append(call)
        return [self._place(tensor) for tensor in tensors]

    def _place(self, tensor: Tensor) -> Place:
        while tensor.call.primitive is WITH_UPDATES:
            tensor = tensor.call.inputs[0]
        return [self._numbers[id(tensor.call)], tensor.output]

    def _written(self, call: Call) -> dict[str, Any]:
        name = call.primitive.name
        if call.primitive is VARIABLE:
            variable = call.attributes["variable"]
            self.variables.append(variable)
            return {"op": name, "variable": _variable_to_json(variable)}
        if call.primitive is PARAMETER:
            return {"op": name, "spec": spec_to_json(call.attributes["spec"])}
        if call.primitive is BATCH_NUMBER:
            return {"op": name}
        if call.primitive is not CONSTANT and PRIMITIVES.get(name) is not call.primitive:
            raise SpecError(
                f"{name}, used at {call.line}, cannot be exported: it is no registered primitive",
                hint="use the functions of dataflow and estimators, and NumPy's",
            )
        try:
            attributes = {key: to_json(value, self._stores) for key, value in call.attributes.items()}
        except DataflowError as error:
            raise SpecError(f"{name}, used at {call.line}: {error.message}") from error
        inputs = [self._place(tensor) for tensor in call.inputs]
        return {"op": name, "inputs": inputs, "attributes": attributes}


def _variable_to_json(variable: Variable) -> dict[str, Any]:
    members = [_variable_to_json(member) for member in variable.members]
    return {"name": variable.name, "spec": spec_to_json(variable.spec), "members": members}


@dataclasses.dataclass
class GraphReader:
    """Makes tensors of calls; knows only what is registered, and trusts nothing.

    Args:
        stores: Where large values are.
        has_variable: Raises unless there is a value of this name and spec.
    """

    stores: Stores
    has_variable: Callable[[str, TensorSpec], None]
    results: list[tuple[Tensor, ...]] = dataclasses.field(default_factory=list)

    def read(self, calls: Any) -> None:
        """Read all calls.

        Raises:
            ValueError: Something is wrong with one; the message says with which.
        """
        if not isinstance(calls, list):
            raise ValueError("its calls are no list")
        for number, call in enumerate(calls):
            name = call.get("op") if isinstance(call, dict) else None
            if not isinstance(name, str):
                raise ValueError(f"call {number} names no primitive")
            try:
                self.results.append(self._call(name, call, number))
            except RecursionError:
                raise ValueError(f"call {number} ({name}): it is nested too deeply") from None
            except Exception as error:  # whatever wrong attributes lead to
                what = error.message if isinstance(error, DataflowError) else f"{error}"
                raise ValueError(f"call {number} ({name}): {what or type(error).__name__}") from error

    def tensor(self, place: Any) -> Tensor:
        """Return the tensor at a place.

        Raises:
            ValueError: There is none.
        """
        if not isinstance(place, list) or len(place) != 2 or not all(type(item) is int for item in place):
            raise ValueError(f"{str(place)[:80]} is no place of a result")
        number, output = place
        if not 0 <= number < len(self.results):
            raise ValueError(
                f"it uses the result of call {number}, which does not come before it (a cycle, or none)"
            )
        if not 0 <= output < len(self.results[number]):
            raise ValueError(f"call {number} has no result {output}")
        return self.results[number][output]

    def _call(self, name: str, call: Mapping[str, Any], number: int) -> tuple[Tensor, ...]:
        if name == PARAMETER.name:
            return (parameter(spec_from_json(call["spec"])),)
        if name == VARIABLE.name:
            return (self._variable(call["variable"]),)
        if name == BATCH_NUMBER.name:
            return (batch_number(),)
        attributes = call["attributes"]
        if not isinstance(attributes, dict):
            raise ValueError("its attributes are no object")
        values = {key: from_json(value, self.stores) for key, value in attributes.items()}
        if name == CONSTANT.name:
            if list(values) != ["value"] or values["value"] is None:
                raise ValueError("a constant has one value")
            return (as_tensor(values["value"]),)
        if name not in PRIMITIVES:
            raise ValueError(f"there is no primitive {name!r}; {did_you_mean(name, PRIMITIVES)}")
        if not isinstance(call["inputs"], list) or not call["inputs"]:
            raise ValueError("it has no list of inputs")
        inputs = tuple(self.tensor(place) for place in call["inputs"])
        made = Call(PRIMITIVES[name], inputs, values, f"call {number} of the exported model")
        specs = made.primitive.infer(*inputs, **values)
        specs = specs if isinstance(specs, tuple) else (specs,)
        return tuple(Tensor(made, spec, i) for i, spec in enumerate(specs))

    def _variable(self, value: Any) -> Variable:
        name, spec, members = value["name"], spec_from_json(value["spec"]), value["members"]
        if not isinstance(name, str) or None in spec.shape or not isinstance(members, list):
            raise ValueError("it is no variable")
        if members:
            whole = stacked(name, [self._variable(member) for member in members])
            if whole.spec != spec:
                raise ValueError(f"variable {name!r} is said to be {spec}, and its parts make {whole.spec}")
            return whole
        self.has_variable(name, spec)
        return Variable(name, tuple(size for size in spec.shape if size is not None), spec.dtype)
