"""`batch`: stack consecutive elements. A reshape of the block, without a copy."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block, Column, Ragged
from dataflow.errors import InvalidArgumentError
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, component_names, map_structure


def check_batch_size(batch_size: int) -> None:
    """Refuse sizes below 1."""
    if batch_size < 1:
        raise InvalidArgumentError(f"batch_size must be at least 1, not {batch_size}")


def number_of_batches(elements: int, batch_size: int, drop_remainder: bool) -> int:
    """Return the cardinality of batches: the quotient, rounded up, or down with `drop_remainder`."""
    if elements < 0:
        return elements
    return elements // batch_size if drop_remainder else -(-elements // batch_size)


@dataclasses.dataclass(frozen=True)
class Batch(Node):
    """Groups of `batch_size` elements; the last one may be smaller unless `drop_remainder`."""

    traits = Traits(component_wise=True)
    input: Node
    batch_size: int
    drop_remainder: bool = False

    def check(self) -> None:
        """Refuse sizes below 1."""
        check_batch_size(self.batch_size)

    def infer_spec(self) -> Structure:
        """A leading dimension, known only with `drop_remainder`."""
        size = self.batch_size if self.drop_remainder else None

        def stacked(spec: TensorSpec) -> TensorSpec:
            return spec.with_shape((size, *spec.shape))

        return map_structure(stacked, self.input.element_spec)

    def infer_cardinality(self) -> int:
        """The quotient, rounded up, or down with `drop_remainder`."""
        return number_of_batches(self.input.infer_cardinality(), self.batch_size, self.drop_remainder)

    def take_run(self, start: int, stop: int) -> Node | None:
        """The run of elements that these batches are made of, batched."""
        below = self.input.take_run(start * self.batch_size, stop * self.batch_size)
        return None if below is None else self.with_inputs(below)

    def count_elements(self) -> int | None:
        """As the cardinality, of elements that are counted."""
        size = self.input.count_elements()
        return None if size is None else number_of_batches(size, self.batch_size, self.drop_remainder)

    def operator(self, *inputs: Operator) -> Operator:
        """Reshape blocks."""
        return BatchOperator(self, *inputs)


class BatchOperator(Operator):
    """Turns k * B rows into k batches; only batches across two input blocks are copied."""

    node: Batch

    def start(self, own: State | None) -> None:
        """Nothing moves here: what is not yet in a batch stays in the input."""

    def produce(self) -> Block | None:
        """Return the next batches."""
        size = self.node.batch_size
        block = self.input.peek()
        if block is None:
            return None
        ragged = any(isinstance(column, Ragged) for column in block.columns)
        whole = 1 if ragged else block.length // size
        if whole and block.length >= size:
            block = block.slice(0, whole * size)
            self.input.advance(block.length)
        else:
            rows = self.input.read_all(size)
            if rows is None or (rows.length < size and self.node.drop_remainder):
                return None
            block, size, whole = rows, rows.length, 1
        return stack_rows(block, self.node.input.element_spec, whole, size)


def stack_rows(rows: Block, spec: Structure, whole: int, size: int) -> Block:
    """Return ``whole * size`` elements of a spec as `whole` batches; more than one needs dense columns.

    Raises:
        InvalidArgumentError: Elements of a batch differ in shape.
    """
    names = component_names(spec)
    columns = zip(rows.columns, names, strict=True)
    return Block(tuple(_stack(column, name, whole, size) for column, name in columns), whole)


def _stack(column: Column, name: str, whole: int, size: int) -> Column:
    if not isinstance(column, Ragged):
        return column.reshape((whole, size, *column.shape[1:]))
    if (column.shapes != column.shapes[0]).any():
        shapes = sorted({tuple(shape) for shape in column.shapes.tolist()})
        raise InvalidArgumentError(
            f"cannot stack elements of different shapes: component {name or 0} has shapes {shapes[:4]}",
            hint="give all elements one shape, or pad them",
        )
    return column.dense(0, len(column)).reshape((1, size, *column.shapes[0].tolist()))


EXAMPLES = (
    lambda source: Batch(source, 3),
    lambda source: Batch(source, 3, drop_remainder=True),
    lambda source: Batch(source, 1000),
    lambda source: Batch(Batch(source, 2), 2, drop_remainder=True),
)
