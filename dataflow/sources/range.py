"""`range`: an arithmetic sequence."""

from __future__ import annotations

import builtins
import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, as_dtype


@dataclasses.dataclass(frozen=True)
class Range(Node):
    """The numbers of Python's ``range(start, stop, step)`` as scalars of `dtype`."""

    start: int | Tensor
    stop: int | Tensor
    step: int | Tensor = 1
    dtype: str = "int64"

    def check(self) -> None:
        """Refuse a step of 0."""
        if not isinstance(self.step, Tensor) and self.step == 0:
            raise InvalidArgumentError("the step of a range must not be 0")

    @property
    def numbers(self) -> builtins.range:
        """Python's range."""
        return builtins.range(int(self.start), int(self.stop), int(self.step))

    def infer_spec(self) -> Structure:
        """A scalar."""
        return TensorSpec((), as_dtype(self.dtype))

    def infer_cardinality(self) -> int:
        """The length, by Python's rule."""
        symbolic = any(isinstance(value, Tensor) for value in (self.start, self.stop, self.step))
        return UNKNOWN_CARDINALITY if symbolic else len(self.numbers)

    def take_run(self, start: int, stop: int) -> Range | None:
        """A shorter range."""
        if self.infer_cardinality() == UNKNOWN_CARDINALITY:
            return None
        part = self.numbers[start:stop]
        return dataclasses.replace(self, start=part.start, stop=part.stop)

    def operator(self, *inputs: Operator) -> Operator:
        """Make blocks with arange."""
        return RangeOperator(self)


class RangeOperator(Operator):
    """Makes the next numbers."""

    node: Range

    def start(self, own: State | None) -> None:
        """Begin with the first number."""
        self.done = 0 if own is None else own["done"]

    def produce(self) -> Block | None:
        """Return the next numbers, as many as make a block."""
        rows = max(1, self.context.options.block_bytes // 8) if self.context.options.block_bytes else 1
        part = self.node.numbers[self.done : self.done + rows]
        if not part:
            return None
        self.done += len(part)
        numbers = np.arange(part.start, part.stop, part.step)
        return Block((numbers.astype(self.node.dtype),), len(part))

    def own_state(self) -> State:
        """How many numbers were made."""
        return {"done": self.done}


EXAMPLES = (
    lambda: Range(0, 23),
    lambda: Range(10, 0, -3),
    lambda: Range(0, 0),
    lambda: Range(0, 5, dtype="float32"),
)
