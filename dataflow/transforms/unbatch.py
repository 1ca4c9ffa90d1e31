"""`unbatch`: split elements along their first axis. The inverse of `batch`, without a copy."""

from __future__ import annotations

import dataclasses
from collections import deque

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, component_names, flatten, map_structure


@dataclasses.dataclass(frozen=True)
class Unbatch(Node):
    """Each row of each element as an element of its own."""

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
        sizes = {spec.shape[0] for spec in specs} - {None}
        if len(sizes) > 1:
            raise SpecError(
                f"unbatch needs one size of the first axis, and the components have {sorted(sizes)}"
            )  # type: ignore[type-var]

    def infer_spec(self) -> Structure:
        """The components without their first axis."""

        def row(spec: TensorSpec) -> TensorSpec:
            return spec.with_shape(spec.shape[1:])

        return map_structure(row, self.input.element_spec)

    def operator(self, *inputs: Operator) -> Operator:
        """Reshape blocks."""
        return UnbatchOperator(self, *inputs)


class UnbatchOperator(Operator):
    """Turns k elements of B rows into k * B elements."""

    node: Unbatch

    def start(self, own: State | None) -> None:
        """Begin with no runs of equal sizes waiting."""
        self.runs: deque[tuple[Block, State]] = deque()
        self.position: State | None = None

    def produce(self) -> Block | None:
        """Return the rows of the next run of elements of equal size."""
        while True:
            if not self.runs and not self._read():
                return None
            run, self.position = self.runs.popleft()
            sizes = {column.shape[1] for column in run.columns}  # type: ignore[union-attr]
            if len(sizes) > 1:
                raise InvalidArgumentError(
                    f"unbatch: the components have {sorted(sizes)} rows in one element"
                )
            rows = run.length * sizes.pop()
            if rows:
                columns = tuple(c.reshape((rows, *c.shape[2:])) for c in run.columns)  # type: ignore[union-attr]
                return Block(columns, rows)

    def _read(self) -> bool:
        before = self.input.state()
        block = self.input.read(1 << 62)
        if block is None:
            return False
        done = 0
        for run in block.dense_runs():
            done += run.length
            self.runs.append((run, {**before, "skip": before["skip"] + done}))
        self.runs[-1] = (self.runs[-1][0], self.input.state())
        return True

    def own_state(self) -> State:
        """Nothing."""
        return {}

    def state(self) -> State:
        """The input's position behind the last delivered run."""
        position = self.input.state() if self.position is None else self.position
        return {"stage": type(self.node).__name__, "inputs": [position]}


def _rows(source: Node) -> Node:
    from dataflow.transforms.batch import Batch

    return Unbatch(Batch(source, 4))


EXAMPLES = (_rows,)
