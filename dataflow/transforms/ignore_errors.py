"""`ignore_errors`: leave out the elements that cannot be produced."""

from __future__ import annotations

import dataclasses
import logging

from dataflow.block import Block
from dataflow.errors import DataflowError
from dataflow.plan.node import Node, Traits
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure

_log = logging.getLogger("dataflow")


@dataclasses.dataclass(frozen=True)
class IgnoreErrors(Node):
    """The elements whose production did not fail."""

    traits = Traits(piecewise=True)
    input: Node
    log_warning: bool = False

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Pass errors over."""
        return IgnoreErrorsOperator(self, *inputs)


class IgnoreErrorsOperator(Operator):
    """Counts the errors of the input, and tells the number at the end."""

    node: IgnoreErrors

    def start(self, own: State | None) -> None:
        """Begin with no errors."""
        self.dropped = 0 if own is None else own["dropped"]
        self.ended = False

    def produce(self) -> Block | None:
        """Return the next block that can be produced.

        Raises:
            DataflowError: The input does not get past an error: a missing file, say.
        """
        while True:
            before = self.input.state()
            try:
                block = self.input.read(1 << 62)
            except DataflowError as error:
                if self.input.state() == before:
                    raise
                self.dropped += 1
                if self.node.log_warning:
                    _log.warning("ignore_errors dropped an element: %s", error)
                continue
            if block is None and not self.ended:
                self.ended = True
                if self.dropped:
                    _log.warning("ignore_errors dropped elements: %d (%s)", self.dropped, self.node.stage)
            return block

    def own_state(self) -> State:
        """How many errors have come."""
        return {"dropped": self.dropped}


EXAMPLES = (lambda source: IgnoreErrors(source), lambda source: IgnoreErrors(source, log_warning=True))
