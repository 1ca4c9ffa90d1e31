"""`from_list`: elements that are in memory; they may differ in shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.block import Block, Column, concat_columns
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import spec_of_value
from dataflow.expr.user_function import conform
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import (
    ObjectValue,
    Structure,
    TensorSpec,
    assert_same_structure,
    common_spec,
    flatten,
    free_spec,
    is_text,
    map_structure,
    pack,
)


@dataclasses.dataclass(frozen=True)
class FromList(Node):
    """The rows of a block, which has the components of `signature`; only those of `span`, if given."""

    block: Block = dataclasses.field(compare=False, repr=False)
    signature: Structure
    span: tuple[int, int] | None = None

    def infer_spec(self) -> Structure:
        """What the rows have in common."""
        return self.signature

    def infer_cardinality(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def rows(self) -> range:
        """The numbers of the rows."""
        return range(self.block.length)[slice(*(self.span or (None,)))]

    def take_run(self, start: int, stop: int) -> FromList:
        """A narrower span."""
        part = self.rows[start:stop]
        return dataclasses.replace(self, span=(part.start, part.stop))

    def operator(self, *inputs: Operator) -> Operator:
        """Slice views."""
        return FromListOperator(self)


class FromListOperator(Operator):
    """Cuts the block into blocks of the wanted size."""

    node: FromList

    def start(self, own: State | None) -> None:
        """Begin with the first row."""
        self.next_row = self.node.rows.start if own is None else own["next"]

    def produce(self) -> Block | None:
        """Return the next rows, as many as make a block."""
        whole = self.node.block
        stop = self.node.rows.stop
        if self.next_row >= stop:
            return None
        row_bytes = max(1, whole.nbytes // whole.length)
        rows = max(1, (self.context.options.block_bytes or 1) // row_bytes)
        block = whole.slice(self.next_row, min(self.next_row + rows, stop))
        self.next_row += block.length
        return block

    def own_state(self) -> State:
        """Number of the next row."""
        return {"next": self.next_row}


def list_node(elements: Sequence[Any]) -> FromList:
    """Return the node for a list of elements of one structure; the dtypes are those of the first.

    Raises:
        InvalidArgumentError: There are no elements.
        SpecError: An element has another structure, dtype or rank than the first.
    """
    if not isinstance(elements, list | tuple):
        raise SpecError(f"from_list takes a list of elements, not {type(elements).__name__}")
    if not elements or not flatten(elements[0]):
        raise InvalidArgumentError("from_list needs at least one element with at least one component")
    first = map_structure(spec_of_value, elements[0])
    free = [free_spec(spec) for spec in flatten(first)]
    rows, signature = [], first
    for i, element in enumerate(elements):
        try:
            assert_same_structure(first, element)
            leaves = flatten(element)
            columns = [_column(value, spec) for value, spec in zip(leaves, free, strict=True)]
        except SpecError as error:
            raise SpecError(f"element {i} differs from element 0: {error.message}") from error
        rows.append(columns)
        specs = [_given(value, spec) for value, spec in zip(leaves, free, strict=True)]
        signature = map_structure(common_spec, signature, pack(first, specs))
    joined: list[Column] = [concat_columns([row[k] for row in rows]) for k in range(len(free))]
    return FromList(Block(tuple(joined), len(rows)), signature)


def _given(value: Any, spec: TensorSpec) -> TensorSpec:
    """Return the spec of the value: of the dtype of all."""
    return value.value_spec if isinstance(value, ObjectValue) else spec.with_shape(np.shape(value))


def _column(value: Any, spec: TensorSpec) -> Column:
    """Return the value as a column of one row; an empty list fits any dtype."""
    if not isinstance(value, ObjectValue) and np.size(value) == 0:
        value = np.empty(np.shape(value), object if is_text(spec.dtype) else spec.dtype)
    return conform(value, spec)


EXAMPLES = (
    lambda: list_node([(i, {"name": f"n{i}"}) for i in range(11)]),
    lambda: list_node([[0.5] * (i % 3) for i in range(8)]),
)
