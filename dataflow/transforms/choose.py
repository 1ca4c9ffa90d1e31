"""`choose_from_datasets` and `sample_from_datasets`: take each element from the input that a number names."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.errors import DataflowError, InvalidArgumentError, SpecError
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import SeedPair
from dataflow.sources.draws import Draws
from dataflow.sources.tensors import tensor_slices
from dataflow.spec import Structure, TensorSpec, common_spec, map_structure
from dataflow.transforms.take import Take


@dataclasses.dataclass(frozen=True)
class Choose(Node):
    """The next element of ``sources[i]`` for each number i of `choice`.

    Numbers of an input that has ended are passed over, or end it all with `stop_on_empty_dataset`.
    """

    choice: Node
    sources: tuple[Node, ...]
    stop_on_empty_dataset: bool = True

    def check(self) -> None:
        """The choice must be whole numbers."""
        spec = self.choice.element_spec
        if not self.sources:
            raise InvalidArgumentError("there are no datasets to choose from")
        if not isinstance(spec, TensorSpec) or spec.shape != () or spec.dtype != np.dtype(np.int64):
            raise SpecError(f"the choice dataset must have scalars of int64, not {spec}")

    def infer_spec(self) -> Structure:
        """What all inputs satisfy."""
        spec = self.sources[0].element_spec
        for other in self.sources[1:]:
            try:
                spec = map_structure(common_spec, spec, other.element_spec)
            except SpecError as error:
                raise SpecError(f"the datasets need elements of one kind: {error.message}") from error
        return spec

    def infer_cardinality(self) -> int:
        """Unknown, as in tf.data."""
        return UNKNOWN_CARDINALITY

    def operator(self, *inputs: Operator) -> Operator:
        """Merge blocks."""
        return ChooseOperator(self, *inputs)


def sample_node(
    sources: tuple[Node, ...],
    weights: Node | npt.ArrayLike | None,
    seeds: SeedPair,
    stop_on_empty_dataset: bool,
    rerandomize_each_iteration: bool,
) -> Node:
    """Return the plan that takes each element from a source drawn at random.

    Raises:
        InvalidArgumentError: There are not as many weights as sources.
    """
    if not isinstance(weights, Node):
        numbers = [1.0] * len(sources) if weights is None else np.ravel(np.asarray(weights)).tolist()
        if len(numbers) != len(sources):
            raise InvalidArgumentError(f"there are {len(sources)} datasets and {len(numbers)} weights")
        kept = [i for i, weight in enumerate(numbers) if weight] or list(range(len(sources)))
        sources, numbers = tuple(sources[i] for i in kept), [numbers[i] for i in kept]
    drawn = weights if isinstance(weights, Node) else tuple(numbers)
    choice = Draws(drawn, seeds, rerandomize_each_iteration)
    return sources[0] if len(sources) == 1 else Choose(choice, sources, stop_on_empty_dataset)


class ChooseOperator(Operator):
    """Merges as many elements as the inputs have at hand; an input is read when its turn comes."""

    node: Choose

    def start(self, own: State | None) -> None:
        """Begin with no input ended."""
        self.over = np.zeros(len(self.node.sources), bool)
        self.stopped = False
        if own is not None:
            self.over[own["over"]] = True
            self.stopped = own["stopped"]

    def produce(self) -> Block | None:
        """Return the next elements in the order of the choice."""
        choice, sources = self.inputs[0], self.inputs[1:]
        while not self.stopped and not self.over.all():
            head = choice.peek()
            if head is None:
                return None
            numbers = np.asarray(head.columns[0])
            known = (numbers >= 0) & (numbers < len(sources))
            live = ~known | ~self.over[np.where(known, numbers, 0)]  # unknown numbers have a turn too
            first = int(live.argmax()) if live.any() else len(numbers)
            if first:
                choice.advance(first)
                continue
            number = int(numbers[0])
            if not known[0]:
                choice.advance(1)
                raise InvalidArgumentError(
                    f"the choice dataset says {number}, and there are {len(sources)} datasets"
                )
            try:
                block = sources[number].peek()
            except DataflowError:
                choice.advance(1)
                raise
            if block is None:
                choice.advance(1)
                self.over[number] = True
                self.stopped = self.node.stop_on_empty_dataset
                continue
            return self._merge(numbers, live & known, known)
        return None

    def _merge(
        self, numbers: npt.NDArray[np.int64], live: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]
    ) -> Block:
        """Return elements up to the turn of an input that has none at hand, or of no input."""
        stop = len(numbers) if known.all() else int(known.argmin())
        for i, cursor in enumerate(self.inputs[1:]):
            turns = np.flatnonzero((numbers[:stop] == i) & live[:stop])
            if len(turns) > cursor.at_hand:
                stop = int(turns[cursor.at_hand])
        self.inputs[0].advance(stop)
        chosen = numbers[:stop][live[:stop]]
        counts = np.bincount(chosen, minlength=len(self.inputs) - 1)
        pairs = zip(self.inputs[1:], counts.tolist(), strict=True)
        parts = [part for cursor, count in pairs if count and (part := cursor.read(count)) is not None]
        if len(parts) == 1:
            return parts[0]
        places = np.empty(len(chosen), np.int64)
        places[np.argsort(chosen, kind="stable")] = np.arange(len(chosen))
        return Block.concat(parts).take(places)

    def own_state(self) -> State:
        """Which inputs have ended, and whether that was the end."""
        return {"over": np.flatnonzero(self.over).tolist(), "stopped": self.stopped}


_CHOICE = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 1])

EXAMPLES = (
    lambda source: Choose(tensor_slices(_CHOICE), (source, Take(source, 4))),
    lambda source: Choose(tensor_slices(_CHOICE), (source, Take(source, 4)), stop_on_empty_dataset=False),
    lambda source: Choose(tensor_slices(np.array([0, 1, 2, 0, 0, -1, 1, 1])), (source, source), False),
    lambda source: Choose(
        Draws((0.5, 0.2, 0.3), (87654321, 3)), (source, source, Take(source, 2)), stop_on_empty_dataset=False
    ),
)
