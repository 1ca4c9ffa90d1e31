"""User functions in three tiers: traced, compiled, python."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from dataflow import kernels
from dataflow.block import Block, Column, concat_columns
from dataflow.errors import DataflowError, SpecError, TraceError, UserFunctionError
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import Tensor, as_element, as_tensor, spec_of_value
from dataflow.expr.trace import Traced, call_with_element, pack_lists, trace
from dataflow.origin import failing_line
from dataflow.spec import (
    Structure,
    TensorSpec,
    assert_same_structure,
    component_names,
    flatten,
    is_namedtuple,
    is_structure,
    is_text,
    map_structure,
    pack,
)

Tier = Literal["traced", "compiled", "python"]
CHECKED_ELEMENTS = 2
"""How many first elements are also computed in plain Python and compared."""


class TracingWarning(UserWarning):
    """A function runs per element in Python, which is slow."""


@dataclasses.dataclass(frozen=True, eq=False)
class UserFunction:
    """A function from one element to one element, and how it runs on blocks.

    Args:
        function: What the user wrote.
        input_spec: Structure of TensorSpec of its argument.
        output_spec: Structure of TensorSpec of its result.
        tier: How it runs.
        graph: The traced graph, for tier ``traced``.
        loop: The compiled loop, for tier ``compiled``.
    """

    function: Callable[..., Any]
    input_spec: Structure
    output_spec: Structure
    tier: Tier
    graph: Function | None = None
    loop: BlockLoop | None = None
    verify: bool = True
    _checked: list[bool] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__).split("<locals>.")[-1]
        return f"{name} [{self.tier}]"

    def bind(self, leaves: Sequence[Tensor], values: Sequence[Any]) -> UserFunction:
        """Replace captured symbolic tensors by their values."""
        used = {id(call) for call in postorder(self.graph.outputs)} if self.graph else set()
        captured = {
            leaf: as_tensor(v) for leaf, v in zip(leaves, values, strict=True) if id(leaf.call) in used
        }
        if self.graph is None or not captured:
            return self
        graph = Function(self.graph.parameters, self.graph.substitute(captured))
        return dataclasses.replace(self, graph=graph, verify=False)

    def run(self, block: Block) -> Block:
        """Apply the function to each element of a block with dense columns.

        Raises:
            DataflowError: With ``row`` set where one element is to blame.
        """
        if self.graph is not None:
            columns = self.graph.run(block.columns, rows=block.length)
        elif self.loop is not None:
            columns = self.loop(block)
        else:
            columns = self._run_python(block)
        return Block(tuple(columns), block.length, block.origin)

    def call(self, block: Block, row: int) -> Structure:
        """Call the user's function on one element in plain Python.

        Raises:
            UserFunctionError: It raised; the cause is kept and the user's line named.
        """
        element = pack(self.input_spec, block.row(row))
        try:
            return pack_lists(call_with_element(self.function, element))
        except DataflowError as error:
            error.row = row
            raise
        except Exception as error:
            location = block.origin.location(row) if block.origin else None
            wrapped = UserFunctionError(
                f"{self} raised {type(error).__name__}: {error}, at {failing_line(error)}", location=location
            )
            wrapped.row = row
            raise wrapped from error

    def _run_python(self, block: Block) -> list[Column]:
        specs = flatten(self.output_spec)
        rows = []
        for row in range(block.length):
            result = self.call(block, row)
            try:
                assert_same_structure(self.output_spec, result)
                rows.append([conform(v, s) for v, s in zip(flatten(result), specs, strict=True)])
            except DataflowError as error:
                error.row = row
                raise
        return [concat_columns(list(parts)) for parts in zip(*rows, strict=True)]

    def needs_check(self) -> bool:
        """Tell whether `check_first` has still to be done; it is done once."""
        return self.verify and self.tier != "python" and not self._checked

    def check_first(self, block: Block) -> str | None:
        """Compare the first elements with plain Python; return the difference, or None.

        So a function that draws random numbers or counts its calls is noticed, not frozen. An error
        of the function itself is no difference: it comes up where its element is due.
        """
        self._checked.append(True)
        block = block.slice(0, CHECKED_ELEMENTS)
        try:
            computed = self.run(block)
            expected = [self.call(block, row) for row in range(block.length)]
        except DataflowError:
            return None
        names = component_names(self.output_spec)
        for row, result in enumerate(expected):
            try:
                assert_same_structure(self.output_spec, result)
            except SpecError as error:
                return str(error)
            for name, want, got in zip(names, flatten(result), computed.row(row), strict=True):
                if not _same(want, got):
                    return f"component {name or 'value'!r} is {got!r} traced and {want!r} in plain Python"
        return None


def _same(want: Any, got: Any) -> bool:
    a, b = np.asarray(want), np.asarray(got)
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fc" or b.dtype.kind in "fc":
        return bool(np.allclose(a.astype(np.complex128), b.astype(np.complex128), 1e-5, 1e-6, equal_nan=True))
    return bool((a == b).all())


def conform(value: Any, spec: TensorSpec) -> Column:
    """Convert one component of a Python result to a column of one row.

    Raises:
        SpecError: Its shape or kind is not that of the spec.
    """
    try:
        column = as_element(value, spec)
    except (TypeError, ValueError, SpecError) as error:
        raise SpecError(f"{value!r} does not fit {spec}: {error}") from error
    if not spec.is_compatible_with(TensorSpec(column.shape[1:], spec.dtype)):
        raise SpecError(f"a value of shape {column.shape[1:]} does not fit {spec}")
    return column


FirstElement: TypeAlias = Callable[[], Block | None]
BlockLoop: TypeAlias = Callable[[Block], list[Column]]


def make_user_function(
    function: Callable[..., Any],
    input_spec: Structure,
    first_element: FirstElement,
    *,
    strict: bool = False,
    line: str = "",
) -> UserFunction:
    """Choose the best tier for a function.

    Args:
        function: What the user wrote.
        input_spec: Structure of TensorSpec of its argument.
        first_element: Reads a block with one element of the input (None if it is empty); called only
            when the function cannot be traced, to learn what it returns.
        strict: Raise the `TraceError` instead of falling back.
        line: The line that builds the stage, for the warning.

    Raises:
        TraceError: It cannot be traced, and `strict`.
    """
    try:
        traced: Traced = trace(function, input_spec)
        return UserFunction(function, input_spec, traced.output_spec, "traced", traced.graph)
    except TraceError as error:
        if strict:
            raise
        reason = error
    return fall_back(function, input_spec, first_element, reason, line)


def fall_back(
    function: Callable[..., Any],
    input_spec: Structure,
    first_element: FirstElement,
    reason: TraceError,
    line: str,
) -> UserFunction:
    """Return the function in tier ``compiled`` or ``python``, and warn in the latter case."""
    block = first_element()
    draft = UserFunction(function, input_spec, input_spec, "python")
    if block is None:
        output_spec = input_spec
    else:
        output_spec = map_structure(_free_spec, draft.call(block, 0))
        loop = compile_loop(draft, output_spec, block)
        if loop is not None:
            return UserFunction(function, input_spec, output_spec, "compiled", loop=loop)
    warnings.warn(
        f"{draft} built at {line} runs per element in Python: {reason.message} (at {reason.stage})",
        TracingWarning,
        stacklevel=2,
    )
    return UserFunction(function, input_spec, output_spec, "python")


def _free_spec(value: Any) -> TensorSpec:
    """Spec of a value seen once: sizes may differ in other elements."""
    if value is None:
        raise SpecError("the function returned None", hint="return the new element")
    spec = spec_of_value(value)
    return spec.with_shape((None,) * spec.rank)


def compile_loop(draft: UserFunction, output_spec: Structure, block: Block) -> BlockLoop | None:
    """Compile a numeric function together with the loop over elements; None if Numba cannot.

    Elements must be scalars (one, or a tuple of them), and so must the results.
    """
    ins, outs = flatten(draft.input_spec), flatten(output_spec)
    plain = [
        not is_structure(s) or (isinstance(s, tuple) and not is_namedtuple(s))
        for s in (draft.input_spec, output_spec)
    ]
    if not all(plain) or any(spec.rank or is_text(spec.dtype) for spec in (*ins, *outs)):
        return None
    compiled = kernels.loops.compile_loop(draft.function, tuple(block.columns), tuple(s.dtype for s in outs))

    def run(block: Block) -> list[Column]:
        results = tuple(np.empty(block.length, spec.dtype) for spec in outs)
        compiled(tuple(np.ascontiguousarray(column) for column in block.columns), results)
        return list(results)

    return run if compiled is not None else None
