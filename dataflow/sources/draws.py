"""Random choices among a few: which input `sample_from_datasets` takes next, in the order of tf.data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.options import INFINITE_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import EpochGenerator, Epochs, SeedPair, stateless_uniforms, words
from dataflow.sources.tensors import tensor_slices
from dataflow.spec import Structure, TensorSpec
from dataflow.transforms.take import Take

DRAWS_PER_BLOCK = 1 << 12


@dataclasses.dataclass(frozen=True)
class Draws(Node):
    """Numbers from 0 on, drawn with the weights: one tuple of them for ever, or each element of a plan.

    Weights need not sum to 1. With `rerandomize_each_iteration` each start has draws of its own.
    """

    weights: tuple[float, ...] | Node
    seeds: SeedPair = dataclasses.field(repr=False)  # without a given seed they differ from run to run
    rerandomize_each_iteration: bool = False
    epochs: Epochs = dataclasses.field(
        default_factory=Epochs, compare=False, repr=False, metadata={"fresh": Epochs}
    )

    def check(self) -> None:
        """Weights must be numbers from 0 on, not all 0; those of a plan come in vectors of floats."""
        if isinstance(self.weights, Node):
            spec = self.weights.element_spec
            if not isinstance(spec, TensorSpec) or spec.rank != 1 or spec.dtype.kind != "f":
                raise InvalidArgumentError(f"weights must come as vectors of floats, not as {spec}")
        elif not np.isfinite(self.weights).all() or min(self.weights) < 0 or max(self.weights) <= 0:
            raise InvalidArgumentError(f"weights must be at least 0, and one of them more: {self.weights}")

    @property
    def reshuffles(self) -> bool:
        """Whether each start gives other numbers."""
        return self.rerandomize_each_iteration

    def infer_spec(self) -> Structure:
        """A scalar."""
        return TensorSpec((), np.int64)

    def infer_cardinality(self) -> int:
        """One draw for each vector of weights."""
        return self.weights.infer_cardinality() if isinstance(self.weights, Node) else INFINITE_CARDINALITY

    def operator(self, *inputs: Operator) -> Operator:
        """Compute draws from their positions."""
        return DrawsOperator(self, *inputs)


class DrawsOperator(Operator):
    """Computes the next draws; the position is their number."""

    node: Draws

    def __init__(self, node: Draws, *inputs: Operator) -> None:
        super().__init__(node, *inputs)
        self.epoch = EpochGenerator(node.seeds, node.epochs, again=node.rerandomize_each_iteration)

    def start(self, own: State | None) -> None:
        """Choose the generator of this start."""
        self.generator = self.epoch.start(own)
        self.done = 0 if own is None else own["done"]

    def produce(self) -> Block | None:
        """Return the next draws."""
        if isinstance(self.node.weights, Node):
            block = self.input.read(DRAWS_PER_BLOCK)
            if block is None:
                return None
            run = next(block.dense_runs())  # where lengths differ, one at a time
            weights: Any = run.columns[0]
            if run.length < block.length:
                raise InvalidArgumentError("weights must come as vectors of one length")
        else:
            rows = min(DRAWS_PER_BLOCK, max(1, (self.context.options.block_bytes or 1) // 8))
            weights = np.broadcast_to(np.array(self.node.weights, np.float32), (rows, len(self.node.weights)))
        pairs = words(self.generator, 2 * self.done, 2 * len(weights)).reshape((-1, 2))
        self.done += len(weights)
        return Block((draw(weights, stateless_uniforms(pairs[:, 0], pairs[:, 1])),), len(weights))

    def own_state(self) -> State:
        """The generator, and how many draws were made."""
        return {
            **self.epoch.own_state(),
            "done": self.done,
        }


def draw(weights: npt.NDArray[Any], uniforms: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return for each row of weights the number that the uniform number in [0, 1) picks.

    As tf computes it: by way of logarithms in the dtype of the weights, which decides borders.

    >>> draw(np.array([[1.0, 3.0], [1.0, 3.0], [0.0, 1.0]]), np.array([0.2, 0.3, 0.0]))
    array([0, 1, 1])
    """
    with np.errstate(divide="ignore"):
        logits = np.log(weights)
    largest = logits.max(axis=1, keepdims=True).astype(np.float64)
    sums = np.exp(logits.astype(np.float64) - largest).cumsum(axis=1)
    below: npt.NDArray[np.bool_] = sums <= (uniforms * sums[:, -1])[:, None]
    drawn: npt.NDArray[np.int64] = below.sum(axis=1, dtype=np.int64)
    return drawn


_VECTORS = np.array([[0.5, 0.5], [0.1, 0.9], [1.0, 0.0], [0.0, 2.0]], np.float32)

EXAMPLES = (
    lambda: Take(Draws((0.5, 0.3, 0.2), (87654321, 42)), 20),
    lambda: Take(Draws((1.0, 1.0), (87654321, 7), rerandomize_each_iteration=True), 12),
    lambda: Draws(tensor_slices(_VECTORS), (87654321, 7)),
)
