"""`filter`: keep the elements for which a predicate is true."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.expr.user_function import UserFunction, make_user_function
from dataflow.plan.node import Node, Traits
from dataflow.runtime.apply import ApplyOperator
from dataflow.runtime.operator import Operator
from dataflow.spec import Structure, TensorSpec, dtype_name, flatten


def check_predicate(stage: str, spec: Structure) -> None:
    """Raise unless what a predicate returns is one boolean."""
    if not isinstance(spec, TensorSpec) or spec.shape != () or spec.dtype != np.dtype(bool):
        found = f"a {dtype_name(spec.dtype)} of shape {spec.shape}" if isinstance(spec, TensorSpec) else spec
        raise InvalidArgumentError(
            f"the predicate of {stage} must return a scalar bool, and returns {found}",
            hint="compare, or reduce with .all() or .any()",
        )


@dataclasses.dataclass(frozen=True)
class Filter(Node):
    """The elements for which the predicate returns a scalar True."""

    traits = Traits(same_elements=True, piecewise=True)
    input: Node
    predicate: UserFunction

    def check(self) -> None:
        """The predicate must return one boolean."""
        check_predicate("filter", self.predicate.output_spec)

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Run the predicate on blocks."""
        return FilterOperator(self, self.predicate, 0, *inputs)


class FilterOperator(ApplyOperator):
    """The predicate's result chooses rows of the input."""

    def combine(self, block: Block, result: Block) -> Block:
        """Return the chosen rows; all of them without a copy."""
        keep = cast("np.ndarray[tuple[int], np.dtype[np.bool_]]", result.columns[0])
        return block if keep.all() else block.take(np.flatnonzero(keep))


def _even(source: Node) -> Node:
    def even(*parts: Any) -> Any:
        return flatten(parts)[0] % 2 == 0

    return Filter(source, make_user_function(even, source.element_spec, lambda: None))


EXAMPLES = (_even,)
