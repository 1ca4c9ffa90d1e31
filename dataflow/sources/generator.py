"""`from_generator`: elements that Python code yields."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dataflow.block import Block, Column, concat_columns
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError, UserFunctionError
from dataflow.expr.user_function import conform
from dataflow.origin import failing_line
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, assert_same_structure, flatten, is_text, map_structure

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

    def start(self, own: State | None) -> None:
        """Call the generator; after a resume, let it yield again what was delivered before."""
        self.taken = 0
        self.rows = 1
        self.error: DataflowError | None = None
        self.iterator: Iterator[Any] | None = None
        self.left = 0 if own is None else own["taken"]

    def produce(self) -> Block | None:
        """Return the next elements."""
        if self.error is not None:
            error, self.error = self.error, None
            self.taken += 1
            raise error
        if self.iterator is None:
            self.iterator = self._call(lambda: iter(self.node.generator(*self.node.args)))
        while self.left > 0 and self.iterator is not None:
            if self._advance() is None and self.iterator is None:
                return None
            self.left, self.taken = self.left - 1, self.taken + 1
        rows: list[list[Column]] = []
        started = time.perf_counter()
        while len(rows) < self.rows and self.iterator is not None:
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
        if not rows:
            return self.produce() if self.error is not None else None
        self.taken += len(rows)
        return Block(tuple(concat_columns(list(parts)) for parts in zip(*rows, strict=True)), len(rows))

    def _call(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except StopIteration:
            self.iterator = None
            return None
        except Exception as error:
            self.iterator = iter(())
            raise UserFunctionError(
                f"the generator raised {type(error).__name__}: {error}, at {failing_line(error)}"
            ) from error

    def _advance(self) -> list[Column] | None:
        """Return the next element as columns of one row, None at the end."""
        iterator = self.iterator
        assert iterator is not None
        value = self._call(lambda: next(iterator))
        if self.iterator is None:
            self.iterator = iter(())
            return None
        specs = flatten(self.node.signature)
        try:
            assert_same_structure(self.node.signature, value)
            return [_declared(v, s) for v, s in zip(flatten(value), specs, strict=True)]
        except SpecError as error:
            raise InvalidArgumentError(
                f"element {self.taken} of the generator does not fit output_signature: {error.message}",
                hint="yield what is declared, or declare what is yielded",
            ) from error

    def own_state(self) -> State:
        """How many elements were taken."""
        return {"taken": self.taken + self.left}


def _declared(value: Any, spec: Any) -> Column:
    """Convert to the declared dtype where no kind of value is lost."""
    array = np.asarray(value)
    if not is_text(spec.dtype) and array.dtype.kind not in "biufcMm":
        raise SpecError(f"{value!r} is not a {spec.dtype}")
    if spec.dtype.kind in "iub" and array.dtype.kind in "fc":
        raise SpecError(f"{value!r} is not a {spec.dtype}")
    return conform(value, spec)


def generator_node(
    generator: Callable[..., Any], signature: Structure, args: tuple[Any, ...]
) -> FromGenerator:
    """Return the node; `signature` is a structure of TensorSpec."""
    return FromGenerator(generator, map_structure(lambda spec: spec, signature), args)


def _example() -> Node:
    from dataflow.spec import TensorSpec

    return FromGenerator(
        lambda: ((i, str(i)) for i in range(11)), (TensorSpec((), np.int64), TensorSpec((), str))
    )


EXAMPLES = (_example,)
