"""`random`: endless random numbers, those of tf.data."""

from __future__ import annotations

import dataclasses

import numpy as np

from dataflow.block import Block
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import EpochGenerator, Epochs, SeedPair, words
from dataflow.spec import Structure, TensorSpec
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class Random(Node):
    """The successive 32-bit words of the generator that `seeds` starts, as int64, without end.

    With `rerandomize_each_iteration` each start has numbers of its own.
    """

    seeds: SeedPair = dataclasses.field(repr=False)  # without a given seed they differ from run to run
    rerandomize_each_iteration: bool = False
    epochs: Epochs = dataclasses.field(
        default_factory=Epochs, compare=False, repr=False, metadata={"fresh": Epochs}
    )

    @property
    def reshuffles(self) -> bool:
        """Whether each start gives other numbers."""
        return self.rerandomize_each_iteration

    def infer_spec(self) -> Structure:
        """A scalar."""
        return TensorSpec((), np.int64)

    def infer_cardinality(self) -> int:
        """Endless."""
        return INFINITE_CARDINALITY

    def operator(self, *inputs: Operator) -> Operator:
        """Compute words from their positions."""
        return RandomOperator(self)


class RandomOperator(Operator):
    """Computes the next words; the position is their number."""

    node: Random

    def __init__(self, node: Random) -> None:
        super().__init__(node)
        self.epoch = EpochGenerator(node.seeds, node.epochs, again=node.rerandomize_each_iteration)

    def start(self, own: State | None) -> None:
        """Choose the generator of this start."""
        self.generator = self.epoch.start(own)
        self.done = 0 if own is None else own["done"]

    def produce(self) -> Block | None:
        """Return the next numbers, as many as make a block."""
        rows = max(1, (self.context.options.block_bytes or 1) // 8)
        numbers = words(self.generator, self.done, rows).astype(np.int64)
        self.done += rows
        return Block((numbers,), rows)

    def own_state(self) -> State:
        """The generator, and how many numbers were made."""
        return {
            **self.epoch.own_state(),
            "done": self.done,
        }


EXAMPLES = (
    lambda: Take(Random((87654321, 42)), 20),
    lambda: Take(Random((87654321, 7), rerandomize_each_iteration=True), 11),
)
