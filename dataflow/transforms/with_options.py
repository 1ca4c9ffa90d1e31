"""`with_options`: settings for the whole pipeline; what is nearer to the end wins."""

from __future__ import annotations

import dataclasses

from dataflow.block import Block
from dataflow.options import Options
from dataflow.plan.node import Node, Traits, walk
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure


@dataclasses.dataclass(frozen=True)
class WithOptions(Node):
    """The same elements, produced with the options."""

    traits = Traits(same_elements=True, one_to_one=True)
    input: Node
    options: Options

    @property
    def fingerprint(self) -> str:
        """The input's: this changes nothing in the elements."""
        return self.input.fingerprint

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def infer_cardinality(self) -> int:
        """The input's."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Pass everything on."""
        return PassOperator(self, *inputs)


class PassOperator(Operator):
    """Passes blocks on."""

    transparent = True

    def start(self, own: State | None) -> None:
        """Nothing moves here."""

    def produce(self) -> Block | None:
        """Return the input's next block."""
        return self.input.read(1 << 62)


def options_of(node: Node) -> Options:
    """Return the options of the whole plan."""
    merged = Options()
    for stage in walk(node):
        if isinstance(stage, WithOptions):
            merged = merged.merged_with(stage.options)
    return merged


EXAMPLES = (lambda source: WithOptions(source, Options(threads=1)),)
