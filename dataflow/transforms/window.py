"""`window`: runs of elements that may overlap, as datasets or as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from dataflow.block import Block, Column, Ragged, object_column, slice_column, take_column
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.leaves import DatasetSpec
from dataflow.plan.node import Node
from dataflow.runtime.lookback import Lookback
from dataflow.runtime.operator import Operator, State
from dataflow.sources.from_list import FromList
from dataflow.spec import ObjectValue, Structure, TensorSpec, flatten, map_structure
from dataflow.transforms.batch import stack_rows

_DATASETS_PER_BLOCK = 256


@dataclasses.dataclass(frozen=True)
class Window(Node):
    """Window k has the elements ``k * shift + i * stride`` for i below `size`.

    At the end of the input windows are shorter, or left out with `drop_remainder`. A window is one array
    for each component, or, with `handle`, one dataset.
    """

    input: Node
    size: int
    shift: int
    stride: int = 1
    drop_remainder: bool = False
    as_batch: bool = True
    handle: Callable[[Node], ObjectValue] | None = dataclasses.field(default=None, compare=False, repr=False)
    """Makes the datasets from their plans; needed without `as_batch`."""
    size_in_spec: bool = True
    """Whether the spec tells the size of windows that are all whole."""

    def check(self) -> None:
        """Refuse sizes below 1."""
        if not self.as_batch and self.handle is None:
            raise SpecError("windows that are no arrays need a handle that makes datasets of plans")
        for name in ("size", "shift", "stride"):
            if getattr(self, name) < 1:
                raise InvalidArgumentError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def span(self) -> int:
        """How many elements there are from the first to the last of a window."""
        return (self.size - 1) * self.stride + 1

    def infer_spec(self) -> Structure:
        """Datasets of components; or a leading dimension, known only with `drop_remainder`."""
        if not self.as_batch:
            return map_structure(DatasetSpec, self.input.element_spec)
        size = self.size if self.drop_remainder and self.size_in_spec else None

        def stacked(spec: TensorSpec) -> TensorSpec:
            return spec.with_shape((size, *spec.shape))

        return map_structure(stacked, self.input.element_spec)

    def infer_cardinality(self) -> int:
        """One window for each element it can begin with."""
        size = self.input.infer_cardinality()
        if size < 0:
            return size
        begins = size - self.span + 1 if self.drop_remainder else size
        return max(0, -(-begins // self.shift))

    def operator(self, *inputs: Operator) -> Operator:
        """Gather rows."""
        return WindowOperator(self, *inputs)


class WindowOperator(Operator):
    """Keeps the elements from the first of the next window on; many windows make one block."""

    node: Window

    def start(self, own: State | None) -> None:
        """Begin with the first window; after a resume, read the elements of the next one again."""
        self.begin = 0 if own is None else own["begin"]  # number of the next window's first element
        self.held: list[Block] = []  # elements from number `begin` on
        self.ended = False
        self.input_again = Lookback(self.input)
        for first, block in self.input_again.again(own) if own is not None else ():
            self._hold(first, block)

    def _hold(self, first: int, block: Block) -> None:
        block = block.slice(min(max(self.begin - first, 0), block.length))
        if block.length:
            self.held.append(block)

    def produce(self) -> Block | None:
        """Return the next windows."""
        node = self.node
        while True:
            whole = max(0, (self.input_again.read - node.span - self.begin) // node.shift + 1)
            if whole:
                return self._windows(whole)
            if self.ended:
                short = not node.drop_remainder and self.begin < self.input_again.read
                return self._windows(0) if short else None
            first = self.input_again.read
            block = self.input_again.next()
            if block is None:
                self.ended = True
            else:
                self._hold(first, block)

    def _windows(self, whole: int) -> Block:
        """Return so many whole windows, or fewer, where they would make a large block; for 0, a short one."""
        node = self.node
        rows = Block.concat(self.held)
        if whole:
            window_bytes = max(1, rows.nbytes // rows.length * node.size)
            whole = min(whole, max(1, (self.context.options.block_bytes or 1) // window_bytes))
        if not node.as_batch:
            whole = min(whole, _DATASETS_PER_BLOCK)
        elif any(isinstance(column, Ragged) for column in rows.columns):
            whole = min(whole, 1)
        taken = max(whole, 1)
        self.begin += taken * node.shift
        left = rows.slice(min(taken * node.shift, rows.length))
        self.held = [left] if left.length else []
        self.input_again.forget(self.begin)
        return self._stacked(rows, whole) if node.as_batch else self._datasets(rows, taken)

    def _stacked(self, rows: Block, whole: int) -> Block:
        node = self.node
        within = np.arange(node.size) * node.stride
        if not whole:
            within, whole = within[within < rows.length], 1
        chosen = np.arange(whole)[:, None] * node.shift + within
        return stack_rows(rows.take(chosen.ravel()), node.input.element_spec, whole, len(within))

    def _datasets(self, rows: Block, windows: int) -> Block:
        """Return datasets over views of the rows; with a stride, over copies."""
        starts = [i * self.node.shift for i in range(windows)]
        specs = flatten(self.node.input.element_spec)
        columns = zip(rows.columns, specs, strict=True)
        return Block(
            tuple(
                object_column([self._dataset(column, start, spec) for start in starts])
                for column, spec in columns
            ),
            windows,
        )

    def _dataset(self, column: Column, start: int, spec: TensorSpec) -> ObjectValue:
        node = self.node
        stop = min(start + node.span, len(column))
        if node.stride == 1:
            part = slice_column(column, start, stop)
        else:
            part = take_column(column, np.arange(start, stop, node.stride))
        assert node.handle is not None
        return node.handle(FromList(Block((part,), len(part)), spec, origin=node.origin))

    def held_bytes(self) -> int:
        """The elements from the first of the next window on."""
        return sum(block.nbytes for block in self.held)

    def own_state(self) -> State:
        """Number of the next window's first element, and what was read for it."""
        return {"begin": self.begin, **self.input_again.own_state()}

    def input_states(self) -> list[State | None]:
        """The position from which the next window can be read again."""
        return [self.input_again.position]


EXAMPLES = (
    lambda source: Window(source, 3, 3),
    lambda source: Window(source, 3, 1),
    lambda source: Window(source, 3, 1, 2, drop_remainder=True),
    lambda source: Window(source, 2, 5, 2),
    lambda source: Window(source, 1000, 4, drop_remainder=False),
)
