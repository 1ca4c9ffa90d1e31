"""`map`: apply a function to each element."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.expr.user_function import UserFunction, make_user_function
from dataflow.options import AUTOTUNE
from dataflow.plan.node import Node, Traits
from dataflow.runtime.apply import ApplyOperator
from dataflow.runtime.operator import Operator
from dataflow.spec import Structure, flatten


@dataclasses.dataclass(frozen=True)
class Map(Node):
    """Each element becomes what the function returns for it."""

    traits = Traits(one_to_one=True)
    input: Node
    function: UserFunction
    num_parallel_calls: int | None = dataclasses.field(default=None, metadata={"physical": True})

    def check(self) -> None:
        """Refuse a number of threads below 1."""
        calls = self.num_parallel_calls
        if calls is not None and calls != AUTOTUNE and calls < 1:
            raise InvalidArgumentError(f"num_parallel_calls must be at least 1 or AUTOTUNE, not {calls}")

    def infer_spec(self) -> Structure:
        """The spec of the function's result."""
        return self.function.output_spec

    def infer_cardinality(self) -> int:
        """As many as come in."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Run the function on blocks."""
        return MapOperator(self, self.function, self.num_parallel_calls or 0, *inputs)


class MapOperator(ApplyOperator):
    """The function's result is the output."""

    transparent = True

    def combine(self, block: Block, result: Block) -> Block:
        """Return the result."""
        return result


def _numbers(threads: int | None) -> Callable[[Node], Node]:
    def double(*parts: Any) -> Any:
        number = flatten(parts)[0]
        return number * 2 + 1, {"as it was": number}

    return lambda source: Map(source, make_user_function(double, source.element_spec, lambda: None), threads)


EXAMPLES = (_numbers(None), _numbers(3))
