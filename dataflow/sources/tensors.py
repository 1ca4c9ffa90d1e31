"""`from_tensors` and `from_tensor_slices`: arrays that are in memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dataflow.block import Block, Column, Dense, as_column, object_column, slice_column
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor, as_tensor, as_value, spec_of_value
from dataflow.leaves import row_spec
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.ragged import RaggedTensor
from dataflow.runtime.operator import Operator, State
from dataflow.spec import ObjectValue, Structure, TensorSpec, component_names, flatten, is_structure, pack


@dataclasses.dataclass(frozen=True)
class TensorSlices(Node):
    """The slices of all components along their first axis; or, with `whole`, everything as one element.

    With `span`, only those of these numbers.

    `leaves` are arrays, `Strings`, ragged tensors or datasets; or, in a `flat_map` function, symbolic tensors
    and then their values.
    """

    leaves: tuple[Dense | Tensor | Any, ...] = dataclasses.field(compare=False, repr=False)
    structure: Structure
    whole: bool = False
    span: tuple[int, int] | None = None

    def check(self) -> None:
        """Components need a first axis, and equal sizes on it."""
        if not self.leaves:
            raise InvalidArgumentError("there are no components", hint="give at least one array")
        if self.whole:
            return
        shapes = [spec.shape for spec in self._specs]
        names = [name or "the value" for name in component_names(self.structure)]
        for name, shape in zip(names, shapes, strict=True):
            if not shape:
                raise InvalidArgumentError(f"{name} is a scalar and has no slices", hint="use from_tensors")
        sizes = {shape[0] for shape in shapes} - {None}
        if len(sizes) > 1:
            text = ", ".join(f"{name}: {shape[0]}" for name, shape in zip(names, shapes, strict=True))
            raise InvalidArgumentError(f"the components have different numbers of slices ({text})")

    @property
    def _specs(self) -> list[TensorSpec]:
        return [leaf.spec if isinstance(leaf, Tensor) else spec_of_value(leaf) for leaf in self.leaves]

    def infer_spec(self) -> Structure:
        """The components without their first axis."""
        return pack(self.structure, self._specs if self.whole else [row_spec(spec) for spec in self._specs])

    def infer_cardinality(self) -> int:
        """The size of the first axis."""
        size = self._specs[0].shape[0] if not self.whole else 1
        return UNKNOWN_CARDINALITY if size is None else len(self.rows_of(int(size)))

    def rows_of(self, size: int) -> range:
        """Return the numbers of the slices that are given, of so many."""
        return range(size)[slice(*(self.span or (None,)))]

    def take_run(self, start: int, stop: int) -> TensorSlices | None:
        """A narrower span."""
        size = None if self.whole else self._specs[0].shape[0]
        if size is None:
            return None
        part = self.rows_of(int(size))[start:stop]
        return dataclasses.replace(self, span=(part.start, part.stop))

    def operator(self, *inputs: Operator) -> Operator:
        """Slice views."""
        return TensorSlicesOperator(self)


class TensorSlicesOperator(Operator):
    """Cuts the arrays into blocks."""

    node: TensorSlices

    def start(self, own: State | None) -> None:
        """Begin with the first slice."""
        self.columns = [_column(leaf, whole=self.node.whole) for leaf in self.node.leaves]
        self.length = len(self.columns[0])
        if any(len(column) != self.length for column in self.columns):
            raise InvalidArgumentError(f"the components have {[len(c) for c in self.columns]} slices")
        rows = self.node.rows_of(self.length)
        self.next_row, self.stop = rows.start if own is None else own["next"], rows.stop

    def produce(self) -> Block | None:
        """Return the next slices, as many as make a block."""
        if self.next_row >= self.stop:
            return None
        row_bytes = sum(c.nbytes for c in self.columns) // max(self.length, 1)
        rows = max(1, (self.context.options.block_bytes or 1) // max(row_bytes, 1))
        start, stop = self.next_row, min(self.next_row + rows, self.stop)
        self.next_row = stop
        return Block(tuple(slice_column(c, start, stop) for c in self.columns), stop - start)

    def own_state(self) -> State:
        """Number of the next slice."""
        return {"next": self.next_row}


def _column(leaf: Any, *, whole: bool) -> Column:
    if isinstance(leaf, RaggedTensor) and not whole:
        return leaf.as_column()
    if isinstance(leaf, ObjectValue):
        return object_column([leaf])
    value = as_value(leaf)
    array: Any = value if hasattr(value, "reshape") else np.asarray(value)
    return array.reshape((1, *array.shape)) if whole else array  # type: ignore[no-any-return]


def tensor_slices(tensors: Structure, *, whole: bool = False) -> TensorSlices:
    """Return the node for a structure of arrays, lists, text or symbolic tensors."""
    leaves = [_leaf(value) for value in flatten(tensors)]
    if is_structure(tensors) and not leaves:
        raise InvalidArgumentError("there are no components", hint="give at least one array")
    return TensorSlices(tuple(leaves), _nesting(tensors, len(leaves)), whole)


def _nesting(tensors: Structure, count: int) -> Structure:
    return pack(tensors, [0] * count)


def _leaf(value: Any) -> Dense | Tensor | ObjectValue:
    if isinstance(value, Tensor | ObjectValue):
        return value
    if isinstance(value, list) and any(isinstance(item, Tensor) for item in value):
        return as_tensor(value)
    if hasattr(value, "to_numpy"):
        value = _without_missing(value)
    try:
        array = np.asarray(value)
        spec = spec_of_value(array)
    except (ValueError, SpecError) as error:
        raise SpecError(
            f"a component is not an array: {error}", hint="pad ragged lists to one shape"
        ) from error
    return as_column(array, spec)


def _without_missing(series: Any) -> Any:
    """Return the values of a Series; text that is missing is None, as in Arrow, not NaN."""
    array = series.to_numpy()
    if array.dtype == object and hasattr(series, "isna"):
        array = np.where(series.isna(), None, array)
    return array


EXAMPLES = (
    lambda: tensor_slices({"x": np.arange(12.0).reshape(6, 2), "name": np.array(list("abcdef"))}),
    lambda: tensor_slices((np.arange(3), np.arange(3.0)), whole=True),
    lambda: tensor_slices(np.arange(17)),
)
