"""`rejection_resample`: leave elements out at random, so that classes come as often as wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.block import Block
from dataflow.errors import InvalidArgumentError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.seeds import SeedPair, epoch_pair, words
from dataflow.sources.draws import Draws
from dataflow.spec import Structure, TensorSpec, flatten
from dataflow.transforms.choose import Choose
from dataflow.transforms.group_by_window import with_key

Floats = npt.NDArray[np.float64]

UPDATE_EVERY = 32
"""How many elements come between two estimates of the distribution."""
FIRST_COUNT = 10
"""How often each class counts as seen before the first element."""


def acceptance(initial: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return how often elements of each class are accepted, and how often no choice is needed.

    With the ratios r of the wanted to the present frequencies: drawn with probability min r from all
    elements, and else from those accepted with probability (r - min r) / (max r - min r), classes come as
    often as wanted.

    >>> acceptance(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
    (array([1., 0.]), array([0.5]))
    """
    ratios = target / (initial + np.finfo(np.float64).tiny)
    low, high = ratios.min(axis=-1, keepdims=True), ratios.max(axis=-1, keepdims=True)
    accepted = (ratios - low) / np.where(high > low, high - low, 1.0)
    return accepted, np.clip(low, 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class _ByClass(Node):
    """A stage over pairs (class, element) that knows how often each class is wanted.

    Without `initial`, how often classes are present is estimated from the elements that have come.
    """

    input: Node
    target: tuple[float, ...]
    initial: tuple[float, ...] | None = None

    def check(self) -> None:
        """Classes must be whole numbers."""
        spec = self.input.element_spec[0]
        if not isinstance(spec, TensorSpec) or spec.shape != () or spec.dtype.kind not in "biu":
            raise InvalidArgumentError(f"class_func must return a scalar integer, and returns {spec}")


class _ByClassOperator(Operator):
    """Counts classes; a class that does not exist raises in the place of its element."""

    node: _ByClass

    def start(self, own: State | None) -> None:
        """Begin with the first counts."""
        self.done = 0 if own is None else own["done"]
        self.counts = np.array(own["counts"] if own else [FIRST_COUNT] * len(self.node.target), np.int64)
        self.recent = np.array(own["recent"] if own else [0] * len(self.node.target), np.int64)

    def _read(self) -> tuple[Block, npt.NDArray[np.int64]] | None:
        """Return the next elements and their classes."""
        head = self.input.peek()
        if head is None:
            return None
        classes = np.asarray(head.columns[0]).astype(np.int64)
        bad = (classes < 0) | (classes >= len(self.node.target))
        if bad[0]:
            self.input.advance(1)
            raise InvalidArgumentError(
                f"class_func returned {classes[0]}, and target_dist has {len(self.node.target)} classes"
            )
        rows = int(bad.argmax()) if bad.any() else len(bad)
        self.input.advance(rows)
        return head.slice(0, rows), classes[:rows]

    def _distributions(self, classes: npt.NDArray[np.int64]) -> Floats:
        """Return how often each class was present before each element, as it was last estimated."""
        if self.node.initial is not None:
            self.done += len(classes)
            return np.broadcast_to(np.array(self.node.initial), (len(classes), len(self.node.initial)))
        width = len(self.counts)
        part = (self.done % UPDATE_EVERY + np.arange(len(classes))) // UPDATE_EVERY
        found = np.bincount(part * width + classes, minlength=(int(part[-1]) + 1) * width).reshape(
            (-1, width)
        )
        found[0] += self.recent
        sums = self.counts + np.cumsum(found, axis=0)
        before = np.concatenate((self.counts[None], sums[:-1]))
        self.done += len(classes)
        full = self.done % UPDATE_EVERY == 0
        self.counts, self.recent = (sums[-1], np.zeros_like(self.recent)) if full else (before[-1], found[-1])
        distributions: Floats = before / before.sum(axis=1, keepdims=True)
        return distributions[part]

    def own_state(self) -> State:
        """How many elements have come, and of which classes."""
        return {"done": self.done, "counts": self.counts.tolist(), "recent": self.recent.tolist()}


@dataclasses.dataclass(frozen=True)
class AcceptClasses(_ByClass):
    """The pairs that are accepted; which ones is drawn anew for each element."""

    seeds: SeedPair = dataclasses.field(kw_only=True, repr=False)  # without a given seed they differ

    def infer_spec(self) -> Structure:
        """The input's."""
        return self.input.element_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Compare with random numbers."""
        return AcceptClassesOperator(self, *inputs)


class AcceptClassesOperator(_ByClassOperator):
    """Draws a number for each element."""

    node: AcceptClasses

    def start(self, own: State | None) -> None:
        """Begin with the first number."""
        super().start(own)
        self.seeds: SeedPair = self.node.seeds if own is None else (own["seeds"][0], own["seeds"][1])

    def produce(self) -> Block | None:
        """Return the elements of the next block that has any which are accepted."""
        while (found := self._read()) is not None:
            block, classes = found
            numbers = words(self.seeds, self.done, block.length) / 2.0**32
            rates, _ = acceptance(self._distributions(classes), np.array(self.node.target))
            kept = np.flatnonzero(numbers < rates[np.arange(block.length), classes])
            if len(kept):
                return block.take(kept)
        return None

    def own_state(self) -> State:
        """The generator too."""
        return {**super().own_state(), "seeds": list(self.seeds)}


@dataclasses.dataclass(frozen=True)
class MixingWeights(_ByClass):
    """For each pair, the weights with which any element is taken, and with which an accepted one."""

    def infer_spec(self) -> Structure:
        """Two numbers."""
        return TensorSpec((2,), np.float64)

    def infer_cardinality(self) -> int:
        """As many as come in."""
        return self.input.infer_cardinality()

    def operator(self, *inputs: Operator) -> Operator:
        """Compute weights."""
        return MixingWeightsOperator(self, *inputs)


class MixingWeightsOperator(_ByClassOperator):
    """Gives the weights for what has come before."""

    def produce(self) -> Block | None:
        """Return the next weights."""
        found = self._read()
        if found is None:
            return None
        _, rate = acceptance(self._distributions(found[1]), np.array(self.node.target))
        return Block((np.concatenate((rate, 1 - rate), axis=1),), len(rate))


def rejection_resample_node(
    source: Node,
    class_func: Callable[..., Any],
    target_dist: Sequence[float],
    initial_dist: Sequence[float] | None,
    seeds: SeedPair,
    **options: Any,
) -> Node:
    """Return the plan of pairs (class, element).

    Args:
        source: The plan of the elements.
        class_func: From an element, a plain tuple unpacked, to its class.
        target_dist: How often each class is wanted.
        initial_dist: How often each is present; None to estimate it.
        seeds: What starts the generators.
        **options: As for `make_user_function`.
    """
    target = _distribution("target_dist", target_dist)
    keyed = with_key(source, class_func, **options)
    accepted_seeds = epoch_pair(seeds, 0)
    if initial_dist is None:
        weights = MixingWeights(keyed, target)
        accepted = AcceptClasses(keyed, target, seeds=accepted_seeds)
        return Choose(Draws(weights, seeds), (keyed, accepted))
    initial = _distribution("initial_dist", initial_dist)
    if len(initial) != len(target):
        raise InvalidArgumentError(f"initial_dist has {len(initial)} classes, and target_dist {len(target)}")
    accepted = AcceptClasses(keyed, target, initial, seeds=accepted_seeds)
    rate = float(acceptance(np.array(initial), np.array(target))[1][0])
    if rate in (0.0, 1.0):
        return keyed if rate else accepted
    return Choose(Draws((rate, 1 - rate), seeds), (keyed, accepted))


def _distribution(name: str, values: Sequence[float]) -> tuple[float, ...]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
        raise InvalidArgumentError(f"{name} must be a list of numbers from 0 on, one of them more: {values}")
    return tuple((array / array.sum()).tolist())


def _example(target: Sequence[float], initial: Sequence[float] | None) -> Callable[[Node], Node]:
    def parity(*parts: Any) -> Any:
        return np.size(flatten(parts)[0]) % 2 if flatten(parts)[0].ndim else flatten(parts)[0] % 2

    def example(source: Node) -> Node:
        return rejection_resample_node(
            source, parity, target, initial, (87654321, 5), first_element=lambda: None
        )

    return example


EXAMPLES = (_example([0.8, 0.2], None), _example([0.9, 0.1], [0.5, 0.5]), _example([1.0, 0.0], [0.5, 0.5]))
