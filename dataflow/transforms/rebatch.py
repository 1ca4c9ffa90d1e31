"""`rebatch`: batches of other sizes over the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from dataflow.block import Block, Ragged
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, map_structure
from dataflow.transforms.batch import Batch, stack_rows
from dataflow.transforms.unbatch import Unbatch


def as_sizes(batch_size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the sizes as a tuple.

    Raises:
        SpecError: They are no integer, and no sequence of integers.
    """
    sizes = np.asarray(batch_size)
    if sizes.ndim > 1 or (sizes.size and sizes.dtype.kind not in "iu"):
        raise SpecError(f"batch_size must be an integer or several, not {batch_size!r}")
    return tuple(int(size) for size in np.atleast_1d(sizes))


@dataclasses.dataclass(frozen=True)
class Rebatch(Node):
    """Batches of the elements, whose sizes go round in `batch_sizes`; the input is an `Unbatch`."""

    input: Node
    batch_sizes: tuple[int, ...]
    drop_remainder: bool = False

    def check(self) -> None:
        """Refuse sizes below 1."""
        if not self.batch_sizes or min(self.batch_sizes) < 1:
            raise InvalidArgumentError(f"batch sizes must be at least 1, not {self.batch_sizes}")

    def infer_spec(self) -> Structure:
        """A leading dimension, known only for one size with `drop_remainder`."""
        fixed = self.drop_remainder and len(set(self.batch_sizes)) == 1
        size = self.batch_sizes[0] if fixed else None

        def stacked(spec: TensorSpec) -> TensorSpec:
            return spec.with_shape((size, *spec.shape))

        return map_structure(stacked, self.input.element_spec)

    def infer_cardinality(self) -> int:
        """Unknown, as in tf.data."""
        return UNKNOWN_CARDINALITY

    def operator(self, *inputs: Operator) -> Operator:
        """Reshape blocks."""
        return RebatchOperator(self, *inputs)


class RebatchOperator(Operator):
    """Many batches in a block where all have one size, else one at a time."""

    node: Rebatch

    def start(self, own: State | None) -> None:
        """Begin with the first size."""
        self.turn = 0 if own is None else own["turn"]

    def produce(self) -> Block | None:
        """Return the next batches."""
        sizes, spec = self.node.batch_sizes, self.node.input.element_spec
        size = sizes[self.turn]
        head = self.input.peek()
        if head is None:
            return None
        ragged = any(isinstance(column, Ragged) for column in head.columns)
        if len(sizes) == 1 and head.length >= size and not ragged:
            whole = head.length // size
            self.input.advance(whole * size)
            return stack_rows(head.slice(0, whole * size), spec, whole, size)
        rows = self.input.read_all(size)
        if rows is None or (rows.length < size and self.node.drop_remainder):
            return None
        self.turn = (self.turn + 1) % len(sizes)
        return stack_rows(rows, spec, 1, rows.length)

    def own_state(self) -> State:
        """Whose turn it is among the sizes."""
        return {"turn": self.turn}


EXAMPLES = (
    lambda source: Rebatch(Unbatch(Batch(source, 3)), (2,)),
    lambda source: Rebatch(Unbatch(Batch(source, 3)), (2, 1)),
    lambda source: Rebatch(Unbatch(Batch(source, 2)), (3, 1), drop_remainder=True),
    lambda source: Rebatch(Unbatch(Batch(source, 2)), (4,), drop_remainder=True),
)
