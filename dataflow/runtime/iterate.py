"""The iterator that users hold."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from dataflow.block import Block, Ragged
from dataflow.errors import StateError
from dataflow.options import Options
from dataflow.plan.node import Node
from dataflow.runtime.build import build
from dataflow.runtime.operator import Context, Cursor, Operator, State, forward
from dataflow.runtime.profiling import Profiler
from dataflow.runtime.threads import close_aside
from dataflow.spec import Structure, packer
from dataflow.strings import Strings

STATE_VERSION = 1


class BlockIterator:
    """Reads a placed plan block by block, and can be saved and resumed after any element.

    Args:
        plan: The plan as it will run.
        written: The plan as the user wrote it; its fingerprint guards saved states.
        options: Resolved options.
        profiler: Measures the run, if given.
    """

    def __init__(self, plan: Node, written: Node, options: Options, profiler: Profiler | None = None) -> None:
        self._cursor = Cursor(build(plan))
        self._context = Context(options, profiler)
        self._fingerprint = written.fingerprint
        self._opened = False
        weakref.finalize(self, close_aside, self._cursor.close)

    def _ensure_open(self) -> None:
        if not self._opened:
            self._cursor.open(self._context, None)
            self._opened = True

    def read(self, elements: int) -> Block | None:
        """Return a block of 1 to `elements` elements, or None at the end."""
        self._ensure_open()
        return self._cursor.read(elements)

    def state(self) -> State:
        """Return the position after the last element that was read, as plain JSON."""
        self._ensure_open()
        return {"version": STATE_VERSION, "pipeline": self._fingerprint, "position": self._cursor.state()}

    def operators(self) -> list[Operator]:
        """Return what runs the plan, the last stage first; inner plans, as of `interleave`, are not there."""
        found = [self._cursor.operator]
        for operator in found:
            found += [cursor.operator for cursor in operator.inputs]
        return found

    def restore(self, state: State) -> None:
        """Go to a position that `state` returned, of an iterator over the same pipeline.

        Raises:
            StateError: The state is of another pipeline, or another version wrote it.
        """
        if not isinstance(state, dict) or state.keys() != {"version", "pipeline", "position"}:
            raise StateError("this is not a saved position", hint="give what state() returned")
        if state["version"] != STATE_VERSION:
            raise StateError(f"the saved position has version {state['version']!r}, not {STATE_VERSION}")
        if state["pipeline"] != self._fingerprint:
            raise StateError(
                "the saved position belongs to another pipeline",
                hint="build the same stages with the same settings, or start anew",
            )
        self.close()
        self._cursor.open(self._context, state["position"])
        self._opened = True

    def close(self) -> None:
        """Release files and threads; what is read afterwards is read from the start."""
        self._opened = False
        self._cursor.close()


class DatasetIterator(Iterator[Structure]):
    """Yields the elements of a dataset as NumPy values.

    After an error the iterator goes on with the element behind the one that failed.

    Args:
        blocks: Reads the plan.
        element_spec: Structure of TensorSpec of an element.
        as_numpy: Give components that are ragged tensors as NumPy arrays.
    """

    def __init__(self, blocks: BlockIterator, element_spec: Structure, *, as_numpy: bool = False) -> None:
        self._edge = _numpy_edge if as_numpy else _edge
        self._blocks = blocks
        self._pack = packer(element_spec)
        self._rows: list[Any] = []
        self._next = 0
        self._length = 0
        self._origin: State | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Structure:
        if self._next >= self._length:
            self._length = 0
            self._origin = self._blocks.state()
            block = self._blocks.read(1 << 62)
            if block is None:
                self._origin = None
                raise StopIteration
            self._rows = [self._edge(column) for column in block.columns]
            self._next, self._length = 0, block.length
        row = self._next
        self._next += 1
        return self._pack([column[row] for column in self._rows])

    def state(self) -> State:
        """Return the position after the last element as plain JSON, for `restore`."""
        if self._next >= self._length or self._origin is None:
            return self._blocks.state()
        return {**self._origin, "position": forward(self._origin["position"], self._next)}

    def operators(self) -> list[Operator]:
        """Return what runs the plan, the last stage first; inner plans, as of `interleave`, are not there."""
        return self._blocks.operators()

    def restore(self, state: State) -> None:
        """Go to a position that `state` returned, in this or another process.

        Raises:
            StateError: The state belongs to another pipeline.
        """
        self._next = self._length = 0
        self._blocks.restore(state)

    def close(self) -> None:
        """Release files and threads; further elements are read from the start."""
        self._next = self._length = 0
        self._blocks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _edge(column: Any) -> Any:
    """Return the column as users see it; arrays are views that must not be written to."""
    if isinstance(column, Strings):
        return column.to_numpy()
    if isinstance(column, Ragged):
        return _RaggedRows(column)
    view = column.view()
    view.flags.writeable = False
    return view


def _numpy_edge(column: Any) -> Any:
    """Return the column as NumPy values."""
    if isinstance(column, np.ndarray) and column.dtype == object:
        return [value.numpy() for value in column]
    return _edge(column)


class _RaggedRows:
    def __init__(self, column: Ragged) -> None:
        self._column = column

    def __getitem__(self, index: int) -> Any:
        value = self._column.item(index)
        return np.asarray(value)
