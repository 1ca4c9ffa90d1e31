"""`make_one_shot_iterator`: elements by ``get_next()``; in an `input_fn`, as symbolic tensors."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from dataflow.errors import InvalidArgumentError, OutOfRangeError, SpecError
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import PARAMETER, Tensor, parameter
from dataflow.expr.trace import as_output
from dataflow.expr.user_function import UserFunction
from dataflow.plan.node import Node
from dataflow.spec import Structure, flatten, map_structure, pack
from dataflow.transforms.map import Map
from dataflow.transforms.zip import Zip


class OneShotIterator:
    """Hands out the elements of a dataset, one for each call of `get_next`.

    Args:
        node: The plan of the dataset.
        start: Starts an iterator over it.
    """

    def __init__(self, node: Node, start: Callable[[], Iterator[Structure]]) -> None:
        self._node = node
        self._start = start
        self._elements: Iterator[Structure] | None = None

    @property
    def element_spec(self) -> Structure:
        """Structure of `TensorSpec` of one element."""
        return self._node.element_spec

    def get_next(self, name: str | None = None) -> Structure:
        """Return the next element.

        In an `input_fn` that an estimator calls it is not an element but symbolic tensors, which stand for
        those of every step. There it can be called once on each iterator.

        Args:
            name: Accepted for compatibility.

        Raises:
            OutOfRangeError: There is none; further calls say so again.
            InvalidArgumentError: It was called before in the same `input_fn`.
        """
        scope = _scope.get()
        if scope is not None:
            return scope.take(self, self._node)
        if self._elements is None:
            self._elements = self._start()
        try:
            return next(self._elements)
        except StopIteration:
            raise OutOfRangeError(
                "the dataset has ended", hint="make a new iterator to start again"
            ) from None


class SymbolicElements:
    """What ``get_next()`` handed out as symbolic tensors, and the plan of what becomes of it."""

    def __init__(self) -> None:
        self._taken: dict[int, tuple[OneShotIterator, Node, tuple[Tensor, ...]]] = {}

    def __bool__(self) -> bool:
        return bool(self._taken)

    def take(self, iterator: OneShotIterator, node: Node) -> Structure:
        """Return an element of an iterator as symbolic tensors.

        Raises:
            InvalidArgumentError: One was taken before.
        """
        if id(iterator) in self._taken:
            raise InvalidArgumentError(
                "get_next() was called twice on one iterator in an input_fn",
                hint="call it once and use its tensors; for pairs of elements, batch or zip the dataset",
            )
        leaves = tuple(parameter(spec) for spec in flatten(node.element_spec))
        self._taken[id(iterator)] = iterator, node, leaves
        return pack(node.element_spec, leaves)

    def plan(self, result: Structure, name: str) -> Node:
        """Return the plan of a dataset whose elements are what a function computed from the tensors.

        Iterators whose tensors are not used are left out; several are zipped.

        Args:
            result: A structure of tensors, and of plain values, which are the same in each element.
            name: What `explain` calls the function.

        Raises:
            SpecError: It has nothing of any iterator, or has symbolic tensors of something else.
        """
        outputs = map_structure(lambda tensor: tensor.spec, tensors := as_output(result))
        calls = {id(call): call for call in postorder(flatten(tensors))}
        used = [part for part in self._taken.values() if any(id(leaf.call) in calls for leaf in part[2])]
        leaves = tuple(leaf for part in used for leaf in part[2])
        known = {id(leaf.call) for leaf in leaves}
        if not used or any(c.primitive is PARAMETER and i not in known for i, c in calls.items()):
            raise SpecError(
                f"{name} returned tensors that do not come from get_next() of its own iterators",
                hint="make the dataset and its iterator in the function, and return what get_next() gives",
            )
        nodes = tuple(node for _, node, _ in used)
        source = nodes[0] if len(nodes) == 1 else Zip(nodes, tuple(range(len(nodes))))
        graph = Function(leaves, tuple(flatten(tensors)))
        function = UserFunction(_stand_in(name), source.element_spec, outputs, "traced", graph, verify=False)
        return Map(source, function)


def _stand_in(name: str) -> Callable[..., Any]:
    """Return what a graph that was built without a function of elements is called in `explain`."""

    def stand_in(*_: Any) -> Any:
        raise AssertionError(f"{name} is run as a graph only")

    stand_in.__qualname__ = name
    return stand_in


_scope: contextvars.ContextVar[SymbolicElements | None] = contextvars.ContextVar("scope", default=None)


@contextlib.contextmanager
def symbolic_elements() -> Iterator[SymbolicElements]:
    """Let ``get_next()`` return symbolic tensors within the context.

    >>> from dataflow import Dataset
    >>> with symbolic_elements() as elements:
    ...     x = Dataset.range(3).make_one_shot_iterator().get_next()
    ...     node = elements.plan({"double": x * 2}, "double")
    >>> list(Dataset(node))
    [{'double': np.int64(0)}, {'double': np.int64(2)}, {'double': np.int64(4)}]
    """
    elements = SymbolicElements()
    token = _scope.set(elements)
    try:
        yield elements
    finally:
        _scope.reset(token)
