"""`from_generator`: elements that Python code yields."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dataflow.block import Block, Column, concat_columns
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, StateError, UserFunctionError
from dataflow.expr.user_function import conform
from dataflow.origin import failing_line
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec, as_dtype, assert_same_structure, flatten, map_structure, pack

_log = logging.getLogger("dataflow")

_SECONDS_PER_BLOCK = 0.002
_ROWS_PER_BLOCK = 1024


@dataclasses.dataclass(frozen=True)
class FromGenerator(Node):
    """What ``generator(*args)`` yields; called anew for each iterator."""

    generator: Callable[..., Any] = dataclasses.field(repr=False)
    signature: Structure
    args: tuple[Any, ...] = dataclasses.field(default=(), compare=False, repr=False)

    def infer_spec(self) -> Structure:
        """What was declared."""
        return self.signature

    def operator(self, *inputs: Operator) -> Operator:
        """Collect elements into blocks."""
        return FromGeneratorOperator(self)


class FromGeneratorOperator(Operator):
    """Collects elements for at most two milliseconds, so that a slow generator is not run ahead of."""

    node: FromGenerator
    iterator: Iterator[Any] | None = None

    def release(self) -> None:
        """Close the generator, so that its `finally` runs."""
        iterator, self.iterator = self.iterator, None
        try:
            getattr(iterator, "close", lambda: None)()
        except Exception as error:  # of its `finally`, or because it runs now, in a thread that was given up
            _log.warning("closing the generator raised %s: %s", type(error).__name__, error)

    def start(self, own: State | None) -> None:
        """Call the generator anew; after a resume, it yields again what was delivered before."""
        self.taken = 0  # elements and errors that have come
        self.again = 0 if own is None else own["taken"]
        self.rows = 1
        self.error: DataflowError | None = None

    def produce(self) -> Block | None:
        """Return the next elements; a bad one raises when its turn comes."""
        while self.taken < self.again:
            self._pass_over()
        rows: list[list[Column]] = []
        started = time.perf_counter()
        while len(rows) < self.rows and self.error is None:
            try:
                row = self._advance()
            except DataflowError as error:
                self.error = error
                break
            if row is None:
                break
            rows.append(row)
            if time.perf_counter() - started > _SECONDS_PER_BLOCK:
                break
        else:
            self.rows = min(self.rows * 2, _ROWS_PER_BLOCK)
        if rows:
            self.taken += len(rows)
            return Block(tuple(concat_columns(list(parts)) for parts in zip(*rows, strict=True)), len(rows))
        if self.error is not None:
            due, self.error = self.error, None
            self.taken += 1
            raise due
        return None

    def _pass_over(self) -> None:
        """Take an element or an error that came before the position was saved."""
        try:
            if self._advance() is None:
                raise StateError(
                    f"the generator ended after {self.taken} elements, and gave {self.again} before",
                    hint="a resumed generator must yield the same elements again",
                )
        except StateError:
            self.again = self.taken
            raise
        except DataflowError as error:
            _log.debug("raised before the position was saved: %s", error)
        self.taken += 1

    def _advance(self) -> list[Column] | None:
        """Return the next element as columns of one row, None at the end."""
        try:
            if self.iterator is None:
                self.iterator = iter(self.node.generator(*self.node.args))
            value = next(self.iterator)
        except StopIteration:
            self.iterator = iter(())
            return None
        except Exception as error:
            self.iterator = iter(())
            raise UserFunctionError(
                f"the generator raised {type(error).__name__}: {error}, at {failing_line(error)}"
            ) from error
        specs = flatten(self.node.signature)
        try:
            assert_same_structure(self.node.signature, value)
            return [conform(v, s) for v, s in zip(flatten(value), specs, strict=True)]
        except SpecError as error:
            raise InvalidArgumentError(
                f"an element of the generator does not fit output_signature: {error.message}",
                hint="yield what is declared, or declare what is yielded",
            ) from error

    def own_state(self) -> State:
        """How many elements and errors have come."""
        return {"taken": max(self.taken, self.again)}


def generator_node(
    generator: Callable[..., Any],
    signature: Structure,
    args: Sequence[Any] | None = None,
    types: Any = None,
    shapes: Any = None,
) -> FromGenerator:
    """Return the node.

    Args:
        generator: Returns an iterable when called with `args`.
        signature: Structure of TensorSpec, or None.
        args: Arguments of the generator.
        types: Structure of dtypes, in place of a signature.
        shapes: Structure of shapes beside them; scalars if not given.

    Raises:
        SpecError: The generator is not callable, or there are not exactly one of `signature` and `types`.
    """
    if not callable(generator):
        raise SpecError(
            f"generator must be callable, not {generator!r}", hint="pass the function, not its result"
        )
    if (types is None) == (signature is None):
        raise SpecError("give either output_signature or output_types")
    if signature is None:
        dtypes = map_structure(as_dtype, types)
        shapes = map_structure(lambda _: (), dtypes) if shapes is None else shapes
        leaves = zip(flatten(dtypes), _shape_leaves(dtypes, shapes), strict=True)
        signature = pack(dtypes, [TensorSpec(shape, dtype) for dtype, shape in leaves])
    arguments = tuple(np.asarray(a)[()] for a in args or ())
    return FromGenerator(generator, map_structure(lambda spec: spec, signature), arguments)


def _shape_leaves(types: Structure, shapes: Structure) -> list[Any]:
    """Return one shape per dtype; a shape is itself a tuple or list."""
    if isinstance(types, dict):
        return [leaf for key in sorted(types) for leaf in _shape_leaves(types[key], shapes[key])]
    if isinstance(types, tuple):
        return [leaf for t, s in zip(types, shapes, strict=True) for leaf in _shape_leaves(t, s)]
    return [tuple(shapes)]


EXAMPLES = (
    lambda: FromGenerator(
        lambda: ((i, str(i)) for i in range(11)), (TensorSpec((), np.int64), TensorSpec((), str))
    ),
)
