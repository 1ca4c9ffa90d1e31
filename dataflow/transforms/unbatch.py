"""`unbatch`: split elements along their first axis. The inverse of `batch`, without a copy."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from dataflow.block import Block, Column, Dense, Ragged
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError
from dataflow.leaves import row_spec
from dataflow.options import INFINITE_CARDINALITY, UNKNOWN_CARDINALITY
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State, forward
from dataflow.spec import Structure, TensorSpec, component_names, flatten, has_objects, map_structure
from dataflow.transforms.batch import Batch


@dataclasses.dataclass(frozen=True)
class Unbatch(Node):
    """Each row of each element as an element of its own."""

    traits = Traits(component_wise=True, piecewise=True)
    input: Node

    def check(self) -> None:
        """Components need a first axis, and equal sizes on it."""
        specs: list[TensorSpec] = flatten(self.input.element_spec)
        names = component_names(self.input.element_spec)
        for name, spec in zip(names, specs, strict=True):
            if not spec.rank:
                raise InvalidArgumentError(
                    f"unbatch needs components of rank 1 or more; {name or 0} is a scalar"
                )
        sizes = {spec.shape[0] for spec in specs if spec.shape[0] is not None}
        if len(sizes) > 1:
            raise SpecError(
                f"unbatch needs one size of the first axis, and the components have {sorted(sizes)}"
            )

    def infer_spec(self) -> Structure:
        """The components without their first axis."""
        return map_structure(row_spec, self.input.element_spec)

    def infer_cardinality(self) -> int:
        """The product, where all elements have one known number of rows."""
        size = self.input.infer_cardinality()
        rows = [spec.shape[0] for spec in flatten(self.input.element_spec)]
        known = next((n for n in rows if n is not None), None)
        if size < 0 or known is None:
            return INFINITE_CARDINALITY if size == INFINITE_CARDINALITY and known else UNKNOWN_CARDINALITY
        return int(size * known)

    def operator(self, *inputs: Operator) -> Operator:
        """Reshape blocks."""
        return UnbatchOperator(self, *inputs)


class UnbatchOperator(Operator):
    """Turns k elements of B rows into k * B elements."""

    node: Unbatch

    def start(self, own: State | None) -> None:
        """Begin with no runs of equal sizes waiting."""
        self.runs: deque[tuple[State, Block]] = deque()  # each behind the input's position before it
        self.position = self.input.state()

    def produce(self) -> Block | None:
        """Return the rows of the next run of elements of equal size."""
        while self.runs or self._read():
            before, run = self.runs.popleft()
            columns = [column for column in run.columns if not isinstance(column, Ragged)]
            sizes = {_rows_of(column) for column in columns}
            if len(sizes) > 1 and run.length > 1:  # each element has an error of its own
                self.runs.appendleft((forward(before, 1), run.slice(1)))
            self.position = self.runs[0][0] if self.runs else self.input.state()
            if len(sizes) > 1:
                raise InvalidArgumentError(
                    f"unbatch: the components have {sorted(sizes)} rows in one element"
                )
            rows = run.length * sizes.pop()
            if rows:
                return Block(tuple(_joined(column, rows) for column in columns), rows)
        return None

    def _read(self) -> bool:
        before = self.input.state()
        try:
            block = self.input.read(1 << 62)
        except DataflowError:
            self.position = self.input.state()
            raise
        if block is None:
            return False
        step = 1 if has_objects(self.node.input.element_spec) else block.length
        for start in range(0, block.length, step):
            for run in block.slice(start, start + step).dense_runs():
                self.runs.append((before, run))
                before = forward(before, run.length)
        return True

    def input_states(self) -> list[State | None]:
        """The position behind the last delivered run."""
        return [self.position]


def _rows_of(column: Dense) -> int:
    """Return the number of rows in each element; objects come one at a time."""
    return len(column[0]) if _is_objects(column) else column.shape[1]


def _joined(column: Dense, rows: int) -> Column:
    return column[0].as_column() if _is_objects(column) else column.reshape((rows, *column.shape[2:]))


def _is_objects(column: Dense) -> TypeGuard[npt.NDArray[np.object_]]:
    return isinstance(column, np.ndarray) and column.dtype == object


EXAMPLES = (lambda source: Unbatch(Batch(source, 4)), lambda source: Unbatch(Batch(source, 2, True)))
