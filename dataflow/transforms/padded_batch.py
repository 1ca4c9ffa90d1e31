"""`padded_batch`: stack elements of different shapes, filled up to one shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.block import Block, Column, Dense, Ragged, as_ragged, concat_columns, take_column
from dataflow.errors import DataLossError, InvalidArgumentError, SpecError
from dataflow.expr.tensor import as_element, spec_of_value
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import (
    BINARY,
    Shape,
    Structure,
    TensorSpec,
    assert_same_structure,
    component_names,
    dtype_name,
    flatten,
    is_namedtuple,
    is_structure,
    is_text,
    pack,
)
from dataflow.transforms.batch import check_batch_size, number_of_batches

Sizes: TypeAlias = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class PaddedBatch(Node):
    """Groups of `batch_size` elements; each component is filled up at the end of each axis.

    `padded_shapes` and `padding_values` have one item per component; an axis of None gets the largest
    size in the batch.
    """

    input: Node
    batch_size: int
    padded_shapes: tuple[Shape, ...]
    padding_values: tuple[Any, ...]
    drop_remainder: bool = False

    def check(self) -> None:
        """Refuse sizes below 1."""
        check_batch_size(self.batch_size)

    def infer_spec(self) -> Structure:
        """The padded shapes behind a leading dimension, known only with `drop_remainder`."""
        size = self.batch_size if self.drop_remainder else None
        specs = flatten(self.input.element_spec)
        shapes = [(size, *shape) for shape in self.padded_shapes]
        padded = [spec.with_shape(shape) for spec, shape in zip(specs, shapes, strict=True)]
        return pack(self.input.element_spec, padded)

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
        """Scatter values into filled arrays."""
        return PaddedBatchOperator(self, *inputs)


class PaddedBatchOperator(Operator):
    """Makes many batches at once where the elements have one shape, else one at a time."""

    node: PaddedBatch

    def start(self, own: State | None) -> None:
        """Nothing moves here: what is not yet in a batch stays in the input."""

    def produce(self) -> Block | None:
        """Return the next batches."""
        size = self.node.batch_size
        head = self.input.peek()
        if head is None:
            return None
        whole = head.length // size
        if whole and all(map(self._fits, head.columns, self.node.padded_shapes)):
            self.input.advance(whole * size)
            return self._padded(head.slice(0, whole * size), whole, size)
        rows = self.input.read_all(size)
        if rows is None or (rows.length < size and self.node.drop_remainder):
            return None
        return self._padded(rows, 1, rows.length)

    @staticmethod
    def _fits(column: Column, shape: Shape) -> bool:
        """Tell whether all elements of a column have one shape, which can be padded."""
        if isinstance(column, Ragged):
            return False
        return all(want is None or size <= want for size, want in zip(column.shape[1:], shape, strict=True))

    def _padded(self, rows: Block, whole: int, size: int) -> Block:
        names = component_names(self.node.input.element_spec)
        columns = []
        for i, column in enumerate(rows.columns):
            fixed, fill = self.node.padded_shapes[i], self.node.padding_values[i]
            dense = _pad(column, fixed, fill, names[i] or "0")
            columns.append(dense.reshape((whole, size, *dense.shape[1:])))
        return Block(tuple(columns), whole)


def _pad(column: Column, fixed: Shape, fill: Any, name: str) -> Dense:
    """Return the elements filled up to one shape.

    Raises:
        DataLossError: An element is larger than a fixed size.
    """
    shapes = column.shapes if isinstance(column, Ragged) else np.array([column.shape[1:]], np.int64)
    largest = shapes.max(axis=0)
    target = tuple(int(n) if want is None else want for n, want in zip(largest, fixed, strict=True))
    if any(n > want for n, want in zip(largest, target, strict=True)):
        bad = shapes[(shapes > np.array(target)).any(axis=1)][0]
        raise DataLossError(
            f"an element of shape {tuple(bad.tolist())} does not fit the padded shape {tuple(fixed)} "
            f"of component {name}",
            hint="give None for axes that may be of any size",
        )
    if not isinstance(column, Ragged) and column.shape[1:] == target:
        return column
    return _scatter(as_ragged(column), target, fill)


def _scatter(ragged: Ragged, target: tuple[int, ...], fill: Any) -> Dense:
    """Put the values of each element at the start of its part of the result."""
    rows, width = len(ragged), int(np.prod(target, dtype=np.int64))
    sizes = np.diff(ragged.splits)
    rest = np.arange(int(ragged.splits[-1])) - np.repeat(ragged.splits[:-1], sizes)
    places = np.repeat(np.arange(rows) * width, sizes)
    stride = 1
    for axis in range(len(target) - 1, -1, -1):
        size = np.repeat(ragged.shapes[:, axis], sizes)
        places += rest % size * stride
        rest //= size
        stride *= target[axis]
    values = ragged.values
    if isinstance(values, np.ndarray):
        out = np.full(rows * width, fill, values.dtype)
        out[places] = values
        return out.reshape((rows, *target))
    chosen = np.full(rows * width, len(values), np.int64)
    chosen[places] = np.arange(len(values))
    padding = as_element(fill, TensorSpec((), values.dtype))
    taken = take_column(concat_columns([values, padding]), chosen)
    assert not isinstance(taken, Ragged)
    return taken.reshape((rows, *target))


def padded_batch_node(
    source: Node, batch_size: int, padded_shapes: Any, padding_values: Any, drop_remainder: bool
) -> PaddedBatch:
    """Return the node; shapes and values are structures like the element, or None for the defaults.

    Raises:
        SpecError: A padding value is not of its component's dtype.
        InvalidArgumentError: A shape has another rank than its component, or is smaller.
    """
    spec = source.element_spec
    leaves: list[TensorSpec] = flatten(spec)
    names = component_names(spec)
    for leaf in leaves:
        leaf.with_shape(leaf.shape)  # refuses what is no array
    shapes = [None] * len(leaves) if padded_shapes is None else _shapes(spec, padded_shapes)
    if is_structure(padding_values):
        assert_same_structure(spec, padding_values)
    values = flatten(padding_values) if is_structure(padding_values) else [padding_values] * len(leaves)
    return PaddedBatch(
        source,
        batch_size,
        tuple(map(_padded_shape, shapes, leaves, names)),
        tuple(map(_padding_value, values, leaves, names)),
        drop_remainder,
    )


def _shapes(spec: Structure, shapes: Any) -> list[Any]:
    """Return one shape per component; a shape is itself a tuple or list."""
    if isinstance(spec, Mapping):
        if not isinstance(shapes, Mapping) or sorted(shapes) != sorted(spec):
            raise SpecError(f"padded_shapes must be a dict with the keys {sorted(spec)}, not {shapes!r}")
        return [shape for key in sorted(spec) for shape in _shapes(spec[key], shapes[key])]
    if isinstance(spec, tuple) or is_namedtuple(spec):
        if not isinstance(shapes, tuple) or len(shapes) != len(spec):
            raise SpecError(f"padded_shapes must be a tuple of {len(spec)} shapes, not {shapes!r}")
        return [s for part, shape in zip(spec, shapes, strict=True) for s in _shapes(part, shape)]
    return [shapes]


def _padded_shape(shape: Any, spec: TensorSpec, name: str) -> Shape:
    if shape is None:
        return spec.shape
    wanted = TensorSpec(shape, spec.dtype).shape
    pairs = zip(wanted, spec.shape, strict=False)
    if len(wanted) != spec.rank or any(w is not None and n is not None and w < n for w, n in pairs):
        raise InvalidArgumentError(
            f"the padded shape {wanted} does not fit component {name or 0}, which has shape {spec.shape}"
        )
    return wanted


def _padding_value(value: Any, spec: TensorSpec, name: str) -> Any:
    """Return the padding value of a component; plain Python numbers adapt to the dtype."""
    if value is None:
        value = (b"" if spec.dtype == BINARY else "") if is_text(spec.dtype) else np.zeros((), spec.dtype)[()]
    given = spec_of_value(value)
    if given.rank:
        raise InvalidArgumentError(
            f"the padding value of component {name or 0} must be a scalar, not {value!r}"
        )
    weak = isinstance(value, int | float) and not isinstance(value, bool | np.generic)
    fits = given.dtype == spec.dtype
    if weak and not fits:
        fits = spec.dtype.kind == "f" or (spec.dtype.kind in "iu" and isinstance(value, int))
        fits = fits and (
            spec.dtype.kind == "f" or np.iinfo(spec.dtype).min <= value <= np.iinfo(spec.dtype).max
        )
    if not fits:
        raise SpecError(
            f"the padding value {value!r} is a {dtype_name(given.dtype)}, and component {name or 0} "
            f"is {dtype_name(spec.dtype)}"
        )
    return value if is_text(spec.dtype) else np.asarray(value, spec.dtype).item()


def _example(batch_size: int, shape: Any = None, drop_remainder: bool = False) -> Any:
    def example(source: Node) -> Node:
        shapes = (
            None
            if shape is None
            else pack(source.element_spec, [list(shape)] * len(flatten(source.element_spec)))
        )
        return padded_batch_node(source, batch_size, shapes, None, drop_remainder)

    return example


EXAMPLES = (
    _example(3),
    _example(4, drop_remainder=True),
    _example(1000),
    _example(2, (1,)),
    _example(2, (5,)),
)
