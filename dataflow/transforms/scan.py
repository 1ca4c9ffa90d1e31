"""`scan`: a function that carries a state from element to element."""

from __future__ import annotations

import dataclasses
import time
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow import kernels
from dataflow.block import Block, Column, concat_columns
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, TraceError, UserFunctionError
from dataflow.expr.tensor import spec_of_value
from dataflow.expr.trace import pack_lists, trace
from dataflow.expr.user_function import CHECKED_ELEMENTS, FirstElement, TracingWarning, Verdict, conform
from dataflow.origin import failing_line
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import (
    Structure,
    TensorSpec,
    assert_same_structure,
    component_names,
    dtype_name,
    flatten,
    free_spec,
    has_objects,
    is_namedtuple,
    is_structure,
    is_text,
    map_structure,
    pack,
)

_SLICE_SECONDS = 0.005


@dataclasses.dataclass(frozen=True, eq=False)
class ScanFunction:
    """What the user wrote, and how it runs: ``(state, element) -> (new state, output)``.

    Args:
        function: The user's function.
        state_spec: Structure of TensorSpec of the state; shapes may change, dtypes may not.
        element_spec: Structure of TensorSpec of the elements.
        output_spec: Structure of TensorSpec of the outputs.
        loop: The compiled loop over elements, or None to call the function for each one.
        verdict: What comparing the first elements with plain Python has shown.
    """

    function: Callable[[Any, Any], Any]
    state_spec: Structure
    element_spec: Structure
    output_spec: Structure
    loop: Callable[..., None] | None = None
    verdict: Verdict = dataclasses.field(default_factory=Verdict)

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__).split("<locals>.")[-1]
        return f"{name} [{'python' if self.loop is None else 'compiled'}]"

    def step(self, state: Structure, element: Structure) -> tuple[Structure, Structure]:
        """Call the function in plain Python.

        Raises:
            UserFunctionError: It raised.
            SpecError: It does not return a pair.
        """
        try:
            result = self.function(state, element)
        except DataflowError:
            raise
        except Exception as error:
            raise UserFunctionError(
                f"{self} raised {type(error).__name__}: {error}, at {failing_line(error)}"
            ) from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise SpecError(f"{self} must return a pair (new state, output), and returned {result!r}")
        return pack_lists(result[0]), pack_lists(result[1])

    def advance(self, state: list[Any], element: Structure) -> tuple[list[Any], list[Column]]:
        """Return the leaves of the new state, and the output as columns of one row."""
        new, output = self.step(pack(self.state_spec, state), element)
        check_state(self.state_spec, map_structure(spec_of_value, new), weak=flatten(new))
        specs = flatten(self.state_spec)
        free = [spec.with_shape((None,) * np.ndim(v)) for spec, v in zip(specs, flatten(new), strict=True)]
        columns = [conform(value, spec) for value, spec in zip(flatten(new), free, strict=True)]
        assert_same_structure(self.output_spec, output)
        pairs = zip(flatten(output), flatten(self.output_spec), strict=True)
        return Block(tuple(columns), 1).row(0), [conform(value, spec) for value, spec in pairs]


def check_state(want: Structure, got: Structure, weak: list[Any] | None = None) -> None:
    """Raise `SpecError` if the state changes its structure or a dtype; plain Python numbers adapt."""
    assert_same_structure(want, got)
    values = weak or [None] * len(flatten(want))
    for name, old, new, value in zip(component_names(want), flatten(want), flatten(got), values, strict=True):
        if old.dtype != new.dtype and not (
            isinstance(value, int | float) and not isinstance(value, np.generic)
        ):
            raise SpecError(
                f"the state {name or 'value'!r} of scan was {dtype_name(old.dtype)} "
                f"and became {dtype_name(new.dtype)}",
                hint="give an initial state of that dtype, or convert with .astype",
            )


@dataclasses.dataclass(frozen=True)
class Scan(Node):
    """The outputs of a function that gets each element, and the state it returned for the one before."""

    input: Node
    function: ScanFunction
    initial_state: tuple[Any, ...] = dataclasses.field(compare=False, repr=False)

    def infer_spec(self) -> Structure:
        """The outputs'."""
        return self.function.output_spec

    def infer_cardinality(self) -> int:
        """As many as come in."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Run a loop."""
        return ScanOperator(self, *inputs)


class ScanOperator(Operator):
    """Carries the state over blocks. An element that fails leaves it as it was."""

    node: Scan

    def start(self, own: State | None) -> None:
        """Begin with the initial state."""
        carry = self.node.initial_state
        if own is not None:
            specs = flatten(self.node.function.state_spec)
            carry = tuple(_from_json(v, spec) for v, spec in zip(own["carry"], specs, strict=True))
        self.carry = list(carry)

    def produce(self) -> Block | None:
        """Return the outputs for the next elements."""
        block = self.input.peek()
        if block is None:
            return None
        result = self._compiled(block)
        if result is None:
            result = self._python(block)
        self.input.advance(result.length)
        return result

    def _compiled(self, block: Block) -> Block | None:
        """Return the outputs for the block, or None if an element is better looked at in Python."""
        function = self.node.function
        if function.loop is None or function.verdict.difference is not None:
            return None
        specs = flatten(function.state_spec)
        carry = tuple(np.full(1, value, spec.dtype) for value, spec in zip(self.carry, specs, strict=True))
        results = tuple(np.empty(block.length, spec.dtype) for spec in flatten(function.output_spec))
        try:
            function.loop(carry, tuple(np.ascontiguousarray(column) for column in block.columns), results)
        except Exception:
            return None  # in Python it raises at the element that is to blame, with its line
        if not function.verdict.checked:
            self._check_first(block, results)
            if function.verdict.difference is not None:
                return None
        self.carry = [array[0] for array in carry]
        return Block(results, block.length)

    def _check_first(self, block: Block, results: tuple[Column, ...]) -> None:
        """Compare the first outputs with plain Python, so that an impure function is noticed."""
        function, carry = self.node.function, self.carry
        function.verdict.checked = True
        for i in range(min(CHECKED_ELEMENTS, block.length)):
            try:
                carry, row = function.advance(carry, pack(function.element_spec, block.row(i)))
            except DataflowError:
                return  # it comes up where its element is due
            for want, got in zip(row, results, strict=True):
                if not np.allclose(want, got[i], 1e-5, 1e-6, equal_nan=True):  # type: ignore[index,arg-type]
                    difference = f"{got[i]!r} compiled and {want[0]!r} in plain Python"  # type: ignore[index]
                    function.verdict.difference = difference
                    warnings.warn(
                        f"{function} gives another result in plain Python, "
                        f"so it runs per element: {difference}",
                        TracingWarning,
                        stacklevel=2,
                    )
                    return

    def _python(self, block: Block) -> Block:
        """Return the outputs up to an element that fails, or for a few milliseconds."""
        function, started = self.node.function, time.perf_counter()
        rows: list[list[Column]] = []
        for i in range(block.length):
            try:
                self.carry, row = function.advance(self.carry, pack(function.element_spec, block.row(i)))
            except DataflowError:
                if rows:
                    break
                self.input.advance(1)
                raise
            rows.append(row)
            if time.perf_counter() - started > _SLICE_SECONDS:
                break
        return Block(tuple(concat_columns(list(parts)) for parts in zip(*rows, strict=True)), len(rows))

    def own_state(self) -> State:
        """The carried values."""
        return {"carry": [np.asarray(v).tolist() if not isinstance(v, str) else v for v in self.carry]}


def _from_json(value: Any, spec: TensorSpec) -> Any:
    if is_text(spec.dtype):
        return value if isinstance(value, str) else np.asarray(value, object)
    return np.asarray(value, spec.dtype)[()]


def scan_node(
    source: Node,
    initial_state: Structure,
    function: Callable[[Any, Any], Any],
    first_element: FirstElement,
    *,
    strict: bool,
    line: str,
) -> Scan:
    """Return the node, with the function compiled if it can be.

    Raises:
        SpecError: The state changes its structure or a dtype.
    """
    state = map_structure(lambda v: v if isinstance(v, str) else np.asarray(v)[()], initial_state)
    specs = map_structure(spec_of_value, state)
    for name, spec in zip(component_names(specs), flatten(specs), strict=True):
        if spec.dtype.kind not in "biufU":
            raise InvalidArgumentError(
                f"the state {name or 'value'!r} of scan is {dtype_name(spec.dtype)}; "
                "it must be numbers or text"
            )
    draft = ScanFunction(function, specs, source.element_spec, None)
    made, reason = _specified(draft, state, first_element)
    made = dataclasses.replace(made, loop=None if reason else _loop(made))
    text = reason.message if reason else "Numba cannot compile it"
    if made.loop is None and not has_objects(source.element_spec):
        if strict:
            raise TraceError(f"{made} cannot be compiled: {text}")
        warnings.warn(
            f"{made} built at {line} runs per element in Python: {text}", TracingWarning, stacklevel=3
        )
    return Scan(source, made, tuple(flatten(state)))


def _specified(
    draft: ScanFunction, state: Structure, first_element: FirstElement
) -> tuple[ScanFunction, TraceError | None]:
    """Find out what the function returns: with symbolic values, or else with the first element."""
    try:
        returned = trace(draft.step, (draft.state_spec, draft.element_spec)).output_spec
    except TraceError as error:
        block = first_element()
        if block is None:
            return dataclasses.replace(draft, output_spec=draft.element_spec), error
        new, output = draft.step(state, pack(draft.element_spec, block.row(0)))
        check_state(draft.state_spec, map_structure(spec_of_value, new), weak=flatten(new))
        free = map_structure(lambda value: free_spec(spec_of_value(value)), output)
        return dataclasses.replace(draft, output_spec=free), error
    check_state(draft.state_spec, returned[0])
    return dataclasses.replace(draft, output_spec=returned[1]), None


def _loop(made: ScanFunction) -> Callable[..., None] | None:
    """Compile a function of scalars."""
    parts = (made.state_spec, made.element_spec, made.output_spec)
    if not isinstance(made.function, types.FunctionType) or has_objects(parts):
        return None
    for part in parts:
        plain = not is_structure(part) or (isinstance(part, tuple) and not is_namedtuple(part))
        nested = isinstance(part, tuple) and any(map(is_structure, part))
        if not plain or nested or any(spec.rank or is_text(spec.dtype) for spec in flatten(part)):
            return None
    dtypes = tuple(tuple(spec.dtype for spec in flatten(part)) for part in parts)
    several = (is_structure(parts[0]), is_structure(parts[1]), is_structure(parts[2]))
    return kernels.loops.compile_scan(made.function, dtypes, several)  # type: ignore[no-any-return]


def _running_sum(state: Any, element: Any) -> Any:
    total = state + element
    return total, (total, element)


def _lengths(state: Any, element: Any) -> Any:
    first = flatten(element)[0]
    return state + int(np.size(first)), (state, first)


def _compiled_example(source: Node) -> Node:
    if source.element_spec != TensorSpec((), np.int64):
        raise SpecError("the example sums int64")
    return scan_node(source, np.int64(5), _running_sum, lambda: None, strict=True, line="")


def _python_example(source: Node) -> Node:
    spec: TensorSpec = flatten(source.element_spec)[0]
    output = (TensorSpec((), np.int64), spec)
    function = ScanFunction(_lengths, TensorSpec((), np.int64), source.element_spec, output)
    return Scan(source, function, (np.int64(0),))


EXAMPLES = (_compiled_example, _python_example)
