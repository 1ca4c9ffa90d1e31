"""User functions in three tiers: traced, compiled, python."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from dataflow import kernels
from dataflow.block import Block, Column, concat_columns, object_column
from dataflow.errors import DataflowError, Location, SpecError, TraceError, UserFunctionError
from dataflow.expr.function import Function, depends_on, postorder
from dataflow.expr.tensor import Call, Tensor, as_element, as_tensor, spec_of_value
from dataflow.expr.trace import Traced, call_with_element, pack_lists, trace
from dataflow.origin import failing_line
from dataflow.spec import (
    ObjectSpec,
    ObjectValue,
    Structure,
    TensorSpec,
    assert_same_structure,
    component_names,
    flatten,
    free_spec,
    has_objects,
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


@dataclasses.dataclass
class Verdict:
    """What comparing the first elements with plain Python has shown; shared by all iterators."""

    checked: bool = False
    difference: str | None = None


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
        verify: Whether the first elements are also computed in plain Python and compared.
        reason: Why it could not be traced, for the other tiers.
        inner: Tensors inside the graph that had names before functions were fused.
        verdict: What the comparison has shown.
    """

    function: Callable[..., Any]
    input_spec: Structure
    output_spec: Structure
    tier: Tier
    graph: Function | None = None
    loop: BlockLoop | None = None
    verify: bool = True
    reason: TraceError | None = None
    inner: tuple[tuple[str, Tensor], ...] = ()
    verdict: Verdict = dataclasses.field(default_factory=Verdict)

    def __str__(self) -> str:
        return f"{self.name} [{self.tier}]"

    @property
    def name(self) -> str:
        """The name in the user's program."""
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return str(name).split("<locals>.")[-1]

    @property
    def named_tensors(self) -> tuple[tuple[str, Tensor], ...]:
        """Component names and tensors of the graph, those before fused functions first."""
        outputs = self.graph.outputs if self.graph else ()
        return (*self.inner, *zip(component_names(self.output_spec), outputs, strict=False))

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

    def in_python(self) -> UserFunction:
        """Return the function in tier ``python``."""
        return dataclasses.replace(self, tier="python", graph=None, loop=None)

    def run(self, block: Block, compute: Callable[[Block], list[Column]] | None = None) -> Block:
        """Apply the function to each element of a block, with dense columns unless in tier ``python``.

        Args:
            block: The elements.
            compute: Returns the columns of the result in another way, such as in another process.

        Raises:
            DataflowError: With ``row`` set where one element is to blame.
        """
        try:
            if compute is not None:
                columns = compute(block)
            elif self.graph is not None:
                columns = self.graph.run(block.columns, rows=block.length)
            elif self.loop is not None:
                columns = self._run_compiled(block, self.loop)
            else:
                columns = self._run_python(block)
        except DataflowError as error:
            self._locate(error, block)
            raise
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
            wrapped = UserFunctionError(
                f"{self.name} raised {type(error).__name__}: {error}, at {failing_line(error, self.function)}"
            )
            wrapped.row = row
            raise wrapped from error

    def value(self, element: Structure) -> Structure:
        """Return the result for one element as the next stage would see it, in plain Python."""
        result = pack_lists(call_with_element(self.function, element))
        return pack(self.output_spec, Block(tuple(self._columns(result)), 1).row(0))

    def _columns(self, result: Structure) -> list[Column]:
        assert_same_structure(self.output_spec, result)
        specs = flatten(self.output_spec)
        return [conform(value, spec) for value, spec in zip(flatten(result), specs, strict=True)]

    def _run_compiled(self, block: Block, loop: BlockLoop) -> list[Column]:
        try:
            return loop(block)
        except Exception as error:
            if block.length == 1:
                self.call(block, 0)  # names the user's line
            raise UserFunctionError(f"{self.name} raised {type(error).__name__}: {error}") from error

    def _run_python(self, block: Block) -> list[Column]:
        rows = []
        for row in range(block.length):
            result = self.call(block, row)
            try:
                rows.append(self._columns(result))
            except DataflowError as error:
                error.row = row
                raise
        return [concat_columns(list(parts)) for parts in zip(*rows, strict=True)]

    def _locate(self, error: DataflowError, block: Block) -> None:
        """Name the file and record of the element that failed, and the component the value was for."""
        found = error.location or Location()
        column = found.column
        if isinstance(error.call, Call) and error.output is not None:
            column = _component(error.call, error.output, self.named_tensors) or column
        if block.origin is not None and error.row is not None:
            error.location = block.origin.location(error.row, column, found.value)
        elif error.location is not None and found.path is None:
            error.location = Location(column=column, value=found.value)

    def needs_check(self) -> bool:
        """Tell whether `check_first` has still to be done; it is done once."""
        return self.verify and self.tier != "python" and not self.verdict.checked

    def check_first(self, block: Block) -> None:
        """Compare the first elements with plain Python, and note the verdict.

        So a function that draws random numbers or counts its calls is noticed, not frozen. An error
        of the function itself is no difference: it comes up where its element is due.
        """
        block = block.slice(0, CHECKED_ELEMENTS)
        self.verdict.checked = True
        try:
            computed = self.run(block)
            expected = [self.call(block, row) for row in range(block.length)]
        except DataflowError:
            return
        names = component_names(self.output_spec)
        for row, result in enumerate(expected):
            try:
                assert_same_structure(self.output_spec, result)
            except SpecError as error:
                self.verdict.difference = str(error)
                return
            for name, want, got in zip(names, flatten(result), computed.row(row), strict=True):
                if not _same(want, got):
                    self.verdict.difference = (
                        f"component {name or 'value'!r} is {got!r} {self.tier} and {want!r} in plain Python"
                    )
                    return


def _component(call: Call, output: int, named: Sequence[tuple[str, Tensor]]) -> str | None:
    """Return the name of the component that a result of a call is, or the only one that it flows into."""
    named = [(name.lstrip("0123456789/"), tensor) for name, tensor in named]  # tuples add nothing but numbers
    named = [(name, tensor) for name, tensor in named if name]
    direct = [name for name, tensor in named if tensor.call is call and tensor.output == output]
    reached = {name for name, tensor in named if depends_on(tensor, call, output)}
    return direct[0] if direct else reached.pop() if len(reached) == 1 else None


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
        SpecError: Its shape or kind is not that of the spec, or it is out of the dtype's range.
    """
    if isinstance(spec, ObjectSpec) or isinstance(value, ObjectValue):
        if not isinstance(value, ObjectValue) or not spec.is_compatible_with(value.value_spec):
            raise SpecError(f"{value!r} does not fit {spec}")
        return object_column([value])
    try:
        column: Any = as_element(value, spec)
    except (TypeError, ValueError, OverflowError, SpecError) as error:
        raise SpecError(f"{value!r} does not fit {spec}: {error}") from error
    given = np.asarray(value)
    if given.size and not is_text(spec.dtype):
        integers = given.dtype.kind in "biu"
        fits = integers if spec.dtype.kind in "biu" else np.can_cast(given.dtype, spec.dtype, "same_kind")
        if not fits or (integers and spec.dtype.kind in "iu" and (column != given).any()):
            raise SpecError(f"{value!r} is a {given.dtype} that does not fit {spec}", hint=_ONE_DTYPE)
    shape = TensorSpec(np.shape(value), spec.dtype)
    if not spec.is_compatible_with(shape):
        raise SpecError(f"a value of shape {shape.shape} does not fit {spec}")
    return cast("Column", column)


_ONE_DTYPE = "let every element have the dtype of the first, or convert with .astype"

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
        strict: Raise the `TraceError` instead of falling back. Functions of datasets and ragged tensors
            are called per element in any case.
        line: The line that builds the stage, for the warning.

    Raises:
        TraceError: It cannot be traced, and `strict`.
    """
    if has_objects(input_spec):
        return fall_back(function, input_spec, first_element, None, line)
    try:
        traced: Traced = trace(function, input_spec)
    except TraceError as error:
        if strict:
            raise
        reason = error
    else:
        return UserFunction(function, input_spec, traced.output_spec, "traced", traced.graph)
    return fall_back(function, input_spec, first_element, reason, line)


def fall_back(
    function: Callable[..., Any],
    input_spec: Structure,
    first_element: FirstElement,
    reason: TraceError | None,
    line: str,
) -> UserFunction:
    """Return the function in tier ``compiled`` or ``python``, and warn in the latter case.

    Without a reason there is no warning: it is to be called per element.
    """
    block = first_element()
    draft = UserFunction(function, input_spec, input_spec, "python", reason=reason)
    if block is not None:
        output_spec = map_structure(_free_spec, draft.call(block, 0))
        compiled = compile_loop(draft, output_spec, block)
        if compiled is not None:
            return compiled
        draft = dataclasses.replace(draft, output_spec=output_spec)
    if reason is None:
        return draft
    where = "" if reason.stage is None else f" (at {reason.stage})"
    text = f"{draft} built at {line} runs per element in Python: {reason.message}{where}"
    file, _, number = line.rpartition(":")
    warnings.warn_explicit(text, TracingWarning, file or "unknown", int(number) if number.isdigit() else 0)
    return draft


def _free_spec(value: Any) -> TensorSpec:
    """Spec of a value seen once: sizes may differ in other elements."""
    if value is None:
        raise SpecError("the function returned None", hint="return the new element")
    return free_spec(spec_of_value(value))


def compile_loop(draft: UserFunction, output_spec: Structure, block: Block) -> UserFunction | None:
    """Return a numeric function compiled together with the loop over elements; None if Numba cannot.

    Elements must be scalars (one, or a tuple of them), and so must the results. `output_spec` is that
    of the first result; where another branch of the function gives another kind of number, the dtype is
    the one that holds both.
    """
    ins, outs = flatten(draft.input_spec), flatten(output_spec)
    plain = [
        not is_structure(s) or (isinstance(s, tuple) and not is_namedtuple(s))
        for s in (draft.input_spec, output_spec)
    ]
    if not all(plain) or any(spec.rank or is_text(spec.dtype) for spec in (*ins, *outs)):
        return None
    if has_objects((*ins, *outs)):
        return None
    compiled = kernels.loops.compile_loop(draft.function, tuple(block.columns))
    if compiled is None or len(compiled.dtypes) != len(outs):
        return None
    found = zip((spec.dtype for spec in outs), compiled.dtypes, strict=True)
    dtypes = [seen if seen.kind == inferred.kind else inferred for seen, inferred in found]

    def run(block: Block) -> list[Column]:
        results = tuple(np.empty(block.length, dtype) for dtype in dtypes)
        compiled.run(tuple(np.ascontiguousarray(column) for column in block.columns), results)
        return list(results)

    spec = pack(output_spec, [TensorSpec((), dtype) for dtype in dtypes])
    return dataclasses.replace(draft, output_spec=spec, tier="compiled", loop=run)
