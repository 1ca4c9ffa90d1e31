"""`ragged_batch`: stack elements of different shapes, without padding."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block, Column, Ragged, object_column, slice_column
from dataflow.leaves import RaggedTensorSpec, splits_dtype
from dataflow.plan.node import Node, Traits
from dataflow.ragged import ragged_rank_of, stack_ragged
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Shape, Structure, TensorSpec, flatten, map_structure
from dataflow.transforms.batch import check_batch_size, number_of_batches


@dataclasses.dataclass(frozen=True)
class RaggedBatch(Node):
    """Groups of `batch_size` elements; components with unknown sizes become ragged tensors."""

    traits = Traits(component_wise=True)
    input: Node
    batch_size: int
    drop_remainder: bool = False
    row_splits_dtype: str = "int64"

    def check(self) -> None:
        """Refuse sizes below 1 and row splits of other dtypes."""
        check_batch_size(self.batch_size)
        splits_dtype(self.row_splits_dtype)

    def infer_spec(self) -> Structure:
        """A leading dimension, known only with `drop_remainder`."""
        size = self.batch_size if self.drop_remainder else None

        def stacked(spec: TensorSpec) -> TensorSpec:
            dense, rank = spec.with_shape((size, *spec.shape)), ragged_rank_of(spec.shape)
            return RaggedTensorSpec(dense.shape, spec.dtype, rank, self.row_splits_dtype) if rank else dense

        return map_structure(stacked, self.input.element_spec)

    def infer_cardinality(self) -> int:
        """The quotient, rounded up, or down with `drop_remainder`."""
        return number_of_batches(self.input.infer_cardinality(), self.batch_size, self.drop_remainder)

    def operator(self, *inputs: Operator) -> Operator:
        """Cut blocks into batches."""
        return RaggedBatchOperator(self, *inputs)


class RaggedBatchOperator(Operator):
    """Makes as many batches as the block at hand holds; only those across two blocks are copied."""

    node: RaggedBatch

    def start(self, own: State | None) -> None:
        """Nothing moves here: what is not yet in a batch stays in the input."""

    def produce(self) -> Block | None:
        """Return the next batches."""
        size = self.node.batch_size
        head = self.input.peek()
        if head is None:
            return None
        whole = head.length // size
        if whole:
            rows = head.slice(0, whole * size)
            self.input.advance(rows.length)
        else:
            found = self.input.read_all(size)
            if found is None or (found.length < size and self.node.drop_remainder):
                return None
            rows, whole, size = found, 1, found.length
        specs = flatten(self.node.input.element_spec)
        columns = zip(rows.columns, specs, strict=True)
        return Block(tuple(self._stack(column, spec.shape, whole, size) for column, spec in columns), whole)

    def _stack(self, column: Column, shape: Shape, whole: int, size: int) -> Column:
        if not ragged_rank_of(shape):
            dense = column.dense(0, len(column)) if isinstance(column, Ragged) else column
            return dense.reshape((whole, size, *dense.shape[1:]))
        parts = [slice_column(column, start, start + size) for start in range(0, whole * size, size)]
        return object_column([stack_ragged(part, shape, self.node.row_splits_dtype) for part in parts])


EXAMPLES = (
    lambda source: RaggedBatch(source, 3),
    lambda source: RaggedBatch(source, 2, drop_remainder=True, row_splits_dtype="int32"),
    lambda source: RaggedBatch(source, 1000),
)
