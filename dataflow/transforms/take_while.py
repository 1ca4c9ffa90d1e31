"""`take_while`: the elements before the first one for which a predicate is false."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.expr.user_function import UserFunction, make_user_function
from dataflow.plan.node import Node
from dataflow.runtime.apply import ApplyOperator
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, flatten
from dataflow.transforms.filter import check_predicate


@dataclasses.dataclass(frozen=True)
class TakeWhile(Node):
    """The elements before the first one for which the predicate returns False."""

    input: Node
    predicate: UserFunction

    def check(self) -> None:
        """The predicate must return one boolean."""
        check_predicate("take_while", self.predicate.output_spec)

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Run the predicate on blocks."""
        return TakeWhileOperator(self, self.predicate, 0, *inputs)


class TakeWhileOperator(ApplyOperator):
    """Cuts the input at the first False, and reads no further."""

    def start(self, own: State | None) -> None:
        """Begin with all true."""
        super().start(own)
        self.ended = False if own is None else own["ended"]

    def combine(self, block: Block, result: Block) -> Block:
        """Return the elements before the first False."""
        keep = cast("npt.NDArray[np.bool_]", result.columns[0])
        if keep.all():
            return block
        self.ended = True
        return block.slice(0, int(keep.argmin()))

    def _next_piece(self) -> Any:
        return None if self.ended else super()._next_piece()

    def own_state(self) -> State:
        """Whether the end was found."""
        return {"ended": self.ended}


def _while_less(bound: int) -> Any:
    def example(source: Node) -> Node:
        def small(*parts: Any) -> Any:
            return np.all(flatten(parts)[0] < bound)

        return TakeWhile(source, make_user_function(small, source.element_spec, lambda: None))

    return example


EXAMPLES = (_while_less(5), _while_less(8), _while_less(0), _while_less(1000))
