"""`unique`: each element once, where it comes first."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import kernels
from dataflow.block import Block, Dense
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.plan.node import Node
from dataflow.runtime.lookback import Lookback
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, dtype_name, flatten, has_objects, is_text
from dataflow.store import grown
from dataflow.strings import Indices, Strings, text_parts


@dataclasses.dataclass(frozen=True)
class Unique(Node):
    """The elements without those that came before; one component of int32, int64 or text."""

    input: Node

    def check(self) -> None:
        """Refuse other elements."""
        specs: list[TensorSpec] = flatten(self.input.element_spec)
        if len(specs) != 1:
            raise InvalidArgumentError(f"unique needs elements of one component, and these have {len(specs)}")
        dtype = specs[0].dtype
        if has_objects(specs[0]):
            raise SpecError(f"unique takes int32, int64 and text, not {specs[0]}")
        if not is_text(dtype) and dtype not in (np.int32, np.int64):
            raise SpecError(f"unique takes int32, int64 and text, not {dtype_name(dtype)}")

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Keep a set of all that was seen."""
        return UniqueOperator(self, *inputs)


class UniqueOperator(Operator):
    """Asks a set about each block. After a resume, the set is made by reading again from the start."""

    node: Unique

    def start(self, own: State | None) -> None:
        """Begin with nothing seen."""
        self.seen: dict[tuple[int, ...], _Elements] = {}  # by shape
        self.input_again = Lookback(self.input, forgetful=False)
        for _, block in self.input_again.again(own) if own is not None else ():
            self._fresh(block)

    def produce(self) -> Block | None:
        """Return what is new in the next block that has anything new."""
        while (block := self.input_again.next()) is not None:
            fresh = self._fresh(block)
            if len(fresh):
                return block if len(fresh) == block.length else block.take(fresh)
        return None

    def _fresh(self, block: Block) -> Indices:
        """Return the rows that are new, and add them to the set."""
        found, first = [], 0
        for run in block.dense_runs():
            column: Any = run.columns[0]
            elements = self.seen.setdefault(column.shape[1:], _Elements())
            found.append(elements.fresh(column) + first)
            first += run.length
        return np.concatenate(found)

    def own_state(self) -> State:
        """How much was read."""
        return self.input_again.own_state()

    def input_states(self) -> list[State | None]:
        """The position of the first element."""
        return [self.input_again.position]


class _Elements:
    """The elements of one shape that have been seen."""

    def __init__(self) -> None:
        self._rows = _Set()
        self._texts = _Set()

    def fresh(self, column: Dense) -> Indices:
        """Return which elements are new, and remember them."""
        width = math.prod(column.shape[1:])
        if isinstance(column, Strings):
            before = self._texts.count
            ids = self._texts.add(*text_parts(column.decoded().values))
            if width != 1:
                before = self._rows.count
                ids = self._rows.add(*_as_bytes(ids.reshape((len(column), width))))
        else:
            before = self._rows.count
            ids = self._rows.add(*_as_bytes(column.reshape((len(column), width))))
        largest = np.maximum.accumulate(np.concatenate(([before - 1], ids)))
        return np.flatnonzero(ids > largest[:-1])  # numbers grow with each first coming


def _as_bytes(rows: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], Indices, Indices]:
    """Return the rows of a matrix as bytes, their starts and sizes."""
    size = rows.shape[1] * rows.itemsize
    data = np.ascontiguousarray(rows).reshape((-1,)).view(np.uint8)
    return data, np.arange(len(rows)) * size, np.full(len(rows), size)


class _Set:
    """Byte strings, numbered in the order of their first coming."""

    def __init__(self) -> None:
        self.count = 0
        self._bytes = np.empty(0, np.uint8)
        self._starts = np.empty(0, np.int64)
        self._sizes = np.empty(0, np.int64)
        self._hashes = np.empty(0, np.uint64)
        self._table = np.full(16, -1, np.int64)

    def add(self, data: npt.NDArray[np.uint8], starts: Indices, sizes: Indices) -> Indices:
        """Add strings (size -1: null), and return the number of each."""
        more = len(starts)
        used = int(self._starts[self.count - 1] + max(self._sizes[self.count - 1], 0)) if self.count else 0
        self._bytes = grown(self._bytes, used, len(data))
        self._starts = grown(self._starts, self.count, more)
        self._sizes = grown(self._sizes, self.count, more)
        self._hashes = grown(self._hashes, self.count, more)
        places = 1 << (2 * (self.count + more)).bit_length()
        if places > len(self._table):
            self._table = np.full(places, -1, np.int64)
            kernels.distinct.fill(self._hashes[: self.count], self._table)
        ids = np.empty(more, np.int64)
        self.count = kernels.distinct.insert(
            data,
            starts,
            sizes,
            self._bytes,
            self._starts,
            self._sizes,
            self._hashes,
            self._table,
            self.count,
            ids,
        )
        return ids


EXAMPLES = (lambda source: Unique(source),)
