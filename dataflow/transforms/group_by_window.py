"""`group_by_window`: collect elements by key, and make a dataset of each full group."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, TraceError, UserFunctionError
from dataflow.expr.tensor import parameter
from dataflow.expr.user_function import make_user_function
from dataflow.origin import failing_line
from dataflow.plan.node import Node
from dataflow.runtime.build import build
from dataflow.runtime.lookback import Lookback
from dataflow.runtime.operator import Cursor, Operator, State
from dataflow.sources.from_list import FromList
from dataflow.spec import Structure, TensorSpec, common_spec, flatten, map_structure
from dataflow.transforms.batch import Batch
from dataflow.transforms.map import Map

Ordinals = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class GroupFunction:
    """A function that returns the plan of a dataset for a key and the elements of a group.

    Args:
        function: Takes the key and the plan of the group; returns a plan.
        element_spec: Structure of TensorSpec of the elements.
        output_spec: Structure of TensorSpec of the elements of its datasets.
        label: What `explain` shows; default the function's name.
    """

    function: Callable[[Any, Node], Node]
    element_spec: Structure
    output_spec: Structure
    label: str = ""

    def __repr__(self) -> str:
        return self.label or str(getattr(self.function, "__qualname__", "function").split("<locals>.")[-1])

    def plan(self, key: int, block: Block) -> Node:
        """Return the plan for one group.

        Raises:
            UserFunctionError: The function raised.
            SpecError: The plan has other elements than those of other keys.
        """
        try:
            plan = self.function(np.int64(key), FromList(block, self.element_spec))
        except DataflowError:
            raise
        except Exception as error:
            raise UserFunctionError(
                f"{self} raised {type(error).__name__}: {error}, at {failing_line(error)}"
            ) from error
        if map_structure(common_spec, self.output_spec, plan.element_spec) != self.output_spec:
            raise SpecError(
                f"{self} gives elements {plan.element_spec} for key {key}, not {self.output_spec}"
            )
        return plan


def make_group_function(function: Callable[[Any, Node], Node], element_spec: Structure) -> GroupFunction:
    """Find out what the function's datasets hold: with a symbolic key, or else with key 0."""
    nothing = FromList(Block((), 0), element_spec)
    try:
        spec = function(parameter(TensorSpec((), np.int64)), nothing).element_spec
    except DataflowError as error:
        if not isinstance(error, TraceError):
            raise
        spec = function(np.int64(0), nothing).element_spec
    except (TypeError, ValueError, IndexError, KeyError):  # it wants the value of the key
        spec = function(np.int64(0), nothing).element_spec
    return GroupFunction(function, element_spec, spec)


@dataclasses.dataclass(frozen=True)
class GroupByWindow(Node):
    """The elements of ``function(key, group)`` for each group of as many elements of one key as its size.

    The input has pairs (key, element). At its end the groups that are not full follow, by ascending key.
    The size is `window_size`, or what `window_size_func` returns for the key.
    """

    input: Node
    function: GroupFunction
    window_size: int | None = None
    window_size_func: Callable[[Any], Any] | None = dataclasses.field(default=None, compare=False, repr=False)

    def check(self) -> None:
        """Keys must be whole numbers, and there is one way to tell sizes."""
        if (self.window_size is None) == (self.window_size_func is None):
            raise InvalidArgumentError("give either window_size or window_size_func")
        key = self.input.element_spec[0]
        if not isinstance(key, TensorSpec) or key.shape != () or key.dtype.kind not in "biu":
            raise InvalidArgumentError(f"key_func must return a scalar integer, and returns {key}")

    def infer_spec(self) -> Structure:
        """What the function's datasets hold."""
        return self.function.output_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Sort rows by key."""
        return GroupByWindowOperator(self, *inputs)

    def size_of(self, key: int) -> int:
        """Return how many elements fill a group of the key.

        Raises:
            InvalidArgumentError: Less than one.
            UserFunctionError: The user's function raised.
        """
        size = self.window_size
        if self.window_size_func is not None:
            try:
                size = int(self.window_size_func(np.int64(key)))
            except DataflowError:
                raise
            except Exception as error:
                raise UserFunctionError(
                    f"window_size_func raised {type(error).__name__}: {error}, at {failing_line(error)}"
                ) from error
        assert size is not None
        if size < 1:
            raise InvalidArgumentError(f"the window size of key {key} must be at least 1, not {size}")
        return size


@dataclasses.dataclass
class _Pending:
    """The elements of one key that have not been given out: their numbers and rows, in pieces."""

    size: int
    error: DataflowError | None = None
    """Why the key has no size: it is raised for each of its elements."""
    pieces: deque[tuple[Ordinals, Block]] = dataclasses.field(default_factory=deque)
    count: int = 0

    def add(self, ordinals: Ordinals, rows: Block) -> None:
        self.pieces.append((ordinals, rows))
        self.count += len(ordinals)

    def first(self, rows: int) -> Block:
        """Return the first rows as one piece."""
        taken, total = [], 0
        for ordinals, block in self.pieces:
            taken.append(block.slice(0, rows - total))
            total += len(ordinals)
            if total >= rows:
                break
        return Block.concat(taken)

    def drop(self, rows: int) -> int:
        """Forget the first rows, and return the number of the last of them."""
        self.count -= rows
        while True:
            ordinals, block = self.pieces.popleft()
            if len(ordinals) > rows:
                self.pieces.appendleft((ordinals[rows:], block.slice(rows)))
                return int(ordinals[rows - 1])
            rows -= len(ordinals)
            if not rows:
                return int(ordinals[-1])


class GroupByWindowOperator(Operator):
    """Finds the groups that each block fills, and runs their plans one after the other.

    No element is saved: after a resume, the input is read again from the oldest one that is pending, and
    what has been given out of each key since then is left away.
    """

    node: GroupByWindow
    inner: Cursor | None = None

    def start(self, own: State | None) -> None:
        """Begin with no groups; after a resume, collect the pending elements again."""
        self.groups: dict[int, _Pending] = {}
        self.given: dict[int, int] = {}  # for each key, the number behind its last element that was given out
        self.full: deque[tuple[int, int]] = deque()  # keys and sizes of the groups to give out, in order
        self.ended = False
        self.input_again = Lookback(self.input)
        if own is None:
            return
        self.given = dict(own["given"])
        for first, block in self.input_again.again(own):
            self._collect(first, block)
        if own["inner"] is not None and self._find():
            self._open(own["inner"])

    def _collect(self, first: int, block: Block) -> None:
        """Sort the elements of a block into groups, and note in which order these become full."""
        keys = np.asarray(block.columns[0]).astype(np.int64)
        elements = Block(block.columns[1:], block.length, block.origin)
        order = np.argsort(keys, kind="stable")
        names, starts = np.unique(keys[order], return_index=True)
        filled: list[tuple[int, int, int]] = []
        for key, rows in zip(names.tolist(), np.split(order, starts[1:]), strict=True):
            rows = rows[rows + first >= self.given.get(key, 0)]
            if not len(rows):
                continue
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = self._new_group(key)
            before = group.count % group.size  # those of full groups are pending until they are given out
            ends = rows[group.size - before - 1 :: group.size]
            filled.extend((int(end), key, group.size) for end in ends)
            group.add(rows + first, elements.take(rows))
        self.full.extend((key, size) for _, key, size in sorted(filled))

    def _new_group(self, key: int) -> _Pending:
        try:
            return _Pending(self.node.size_of(key))
        except DataflowError as error:
            return _Pending(1, error)

    def _find(self) -> bool:
        """Read until a group is full, or the input ends; False if nothing is left."""
        while not self.full:
            if self.ended:
                return False
            left = [int(group.pieces[0][0][0]) for group in self.groups.values() if group.count]
            self.input_again.forget(min(left, default=self.input_again.read))
            first = self.input_again.read
            block = self.input_again.next()
            if block is None:
                self.ended = True
                rest = sorted((key, group.count) for key, group in self.groups.items() if group.count)
                self.full.extend(rest)
            else:
                self._collect(first, block)
        return True

    def _open(self, state: State | None) -> None:
        key, size = self.full[0]
        rows = self.groups[key].first(size)
        try:
            if (error := self.groups[key].error) is not None:
                raise error
            inner = Cursor(build(self.node.function.plan(key, rows)))
        except DataflowError:
            self._give_out()
            raise
        inner.open(self.context, state)
        self.inner = inner

    def _give_out(self) -> None:
        """Forget the first full group."""
        key, size = self.full.popleft()
        self.given[key] = self.groups[key].drop(size) + 1

    def produce(self) -> Block | None:
        """Return the next elements of the first full group's dataset."""
        while True:
            if self.inner is None:
                if not self._find():
                    return None
                self._open(None)
            assert self.inner is not None
            block = self.inner.read(1 << 62)
            if block is not None:
                return block
            self.release()
            self._give_out()

    def release(self) -> None:
        """Close the plan of the group."""
        if self.inner is not None:
            self.inner.close()
            self.inner = None

    def held_bytes(self) -> int:
        """The elements that have not been given out."""
        pieces = (piece for group in self.groups.values() for piece in group.pieces)
        return sum(numbers.nbytes + rows.nbytes for numbers, rows in pieces)

    def own_state(self) -> State:
        """What was given out of each key since the position of the input, and the position in a group."""
        read = self.input_again.own_state()
        given = [[key, number] for key, number in self.given.items() if number > read["base"]]
        return {"given": given, "inner": None if self.inner is None else self.inner.state(), **read}

    def input_states(self) -> list[State | None]:
        """The position from which the pending elements can be read again."""
        return [self.input_again.position]


def with_key(source: Node, key_func: Callable[..., Any], **options: Any) -> Map:
    """Return the plan of pairs (key, element).

    Args:
        source: The plan of the elements.
        key_func: Takes an element, a plain tuple unpacked; returns an integer.
        **options: As for `make_user_function`.
    """
    spec = source.element_spec
    unpacked = isinstance(spec, tuple) and not hasattr(spec, "_fields")

    def keyed(*element: Any) -> Any:
        return key_func(*element), element if unpacked else element[0]

    keyed.__qualname__ = getattr(key_func, "__qualname__", "key_func")
    function = make_user_function(keyed, spec, **options)
    if function.output_spec is spec:  # there was no element to learn from
        function = dataclasses.replace(function, output_spec=(TensorSpec((), np.int64), spec))
    return Map(source, function)


def _example(reduce: Callable[[Any, Node], Node], **sizes: Any) -> Callable[[Node], Node]:
    def key(*parts: Any) -> Any:
        first = flatten(parts)[0]
        return first % 3 if first.ndim == 0 else first.sum().astype(np.int64) % 2

    def example(source: Node) -> Node:
        keyed = with_key(source, key, first_element=lambda: None)
        return GroupByWindow(keyed, make_group_function(reduce, source.element_spec), **sizes)

    return example


EXAMPLES = (
    _example(lambda key, group: Batch(group, 3), window_size=3),
    _example(lambda key, group: group, window_size=4),
    _example(lambda key, group: group, window_size_func=lambda key: key + 1),
    _example(lambda key, group: group, window_size_func=lambda key: key),
)
