"""`counter`: an arithmetic sequence without end."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, as_dtype
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class Counter(Node):
    """The numbers ``start + i * step`` for i = 0, 1, … as scalars of `dtype`; integers wrap around."""

    start: int | float | Tensor = 0
    step: int | float | Tensor = 1
    dtype: str = "int64"

    def check(self) -> None:
        """Refuse what is not a number, and fractions in whole numbers."""
        dtype = as_dtype(self.dtype)
        if dtype.kind not in "iuf":
            raise SpecError(f"counter makes integers or floats, not {self.dtype}")
        for name in ("start", "step"):
            value = getattr(self, name)
            if not isinstance(value, Tensor) and dtype.kind != "f" and value != int(value):
                raise SpecError(f"{name}={value!r} is not a whole number, and the dtype is {self.dtype}")

    def infer_spec(self) -> Structure:
        """A scalar."""
        return TensorSpec((), as_dtype(self.dtype))

    def infer_cardinality(self) -> int:
        """Endless."""
        return INFINITE_CARDINALITY

    def operator(self, *inputs: Operator) -> Operator:
        """Compute numbers from their positions."""
        return CounterOperator(self)


class CounterOperator(Operator):
    """Makes the next numbers."""

    node: Counter

    def start(self, own: State | None) -> None:
        """Begin with the first number."""
        self.done = 0 if own is None else own["done"]

    def produce(self) -> Block | None:
        """Return the next numbers, as many as make a block."""
        rows = max(1, (self.context.options.block_bytes or 1) // 8)
        whole = as_dtype(self.node.dtype).kind != "f"
        start, step = (
            np.asarray(v, np.int64 if whole else np.float64) for v in (self.node.start, self.node.step)
        )
        numbers = start + step * np.arange(self.done, self.done + rows)
        self.done += rows
        return Block((numbers.astype(self.node.dtype),), rows)

    def own_state(self) -> State:
        """How many numbers were made."""
        return {"done": self.done}


EXAMPLES = (
    lambda: Take(Counter(), 17),
    lambda: Take(Counter(10, -2, "int32"), 9),
    lambda: Take(Counter(0.5, 0.25, "float32"), 9),
)
