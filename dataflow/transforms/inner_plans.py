"""What stages that make a dataset of each element share to give a part of all these datasets, in order."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Sequence

from dataflow.options import Options
from dataflow.plan.dataset_function import DatasetFunction
from dataflow.plan.node import Node, epochs_of
from dataflow.plan.parts import Extent, Place
from dataflow.runtime.build import build
from dataflow.runtime.operator import Context, Cursor
from dataflow.transforms.concatenate import Concatenate
from dataflow.transforms.runs import run_of
from dataflow.transforms.take import Take

MAX_ELEMENTS = 1_000_000
"""So many datasets are looked at one by one."""


class OverElements(Node):
    """A stage with the fields `input` and `function`, which makes a dataset of each element.

    A part of it is the rest of one dataset, the stage over the elements behind it, and the beginning of
    another dataset, so each of its elements is in one of consecutive parts.
    """

    input: Node
    function: DatasetFunction

    @functools.cached_property
    def _plans(self) -> list[Node] | None:
        """The datasets of all elements; None if these are random, or their number is not known."""
        if not 0 <= self.input.infer_cardinality() <= MAX_ELEMENTS or epochs_of(self.input):
            return None
        cursor = Cursor(build(self.input))
        found: list[Node] = []
        try:
            cursor.open(Context(Options(threads=0).resolved()), None)
            while (block := cursor.read(1 << 62)) is not None:
                found.extend(self.function.plan(block, row) for row in range(block.length))
        finally:
            cursor.close()
        return found

    @functools.cached_property
    def _counts(self) -> list[int] | None:
        """The numbers of elements before each dataset, and of all."""
        sizes = [plan.count_elements() for plan in self._plans or ()]
        known = [size for size in sizes if size is not None]
        if self._plans is None or len(known) < len(sizes):
            return None
        return list(itertools.accumulate(known, initial=0))

    @functools.cached_property
    def _extents(self) -> list[Sequence[Extent]] | None:
        found = [plan.extents() for plan in self._plans or ()]
        known = [extents for extents in found if extents is not None]
        return known if self._plans is not None and len(known) == len(found) else None

    def count_elements(self) -> int | None:
        """The sum of the datasets' numbers."""
        size = self.infer_cardinality()
        if size >= 0:
            return size
        return None if self._counts is None else self._counts[-1]

    def take_run(self, start: int, stop: int) -> Node | None:
        """Runs of the datasets of some elements."""
        if self._plans is None or self._counts is None:
            return None
        plans, begins = self._plans, self._counts
        stop = min(stop, begins[-1])
        start = min(start, stop)
        first, last = bisect.bisect_right(begins, start) - 1, bisect.bisect_right(begins, stop) - 1
        low, high = start - begins[first], stop - begins[last]
        if first == last:
            return run_of(plans[first], low, high) if low < high else Take(self, 0)
        head = run_of(plans[first], low, begins[first + 1] - begins[first]) if low else None
        tail = run_of(plans[last], 0, high) if high else None
        return self._joined(head, first, last, tail)

    def extents(self) -> Sequence[Extent] | None:
        """Those of all datasets."""
        return None if self._extents is None else [extent for part in self._extents for extent in part]

    def between(self, start: Place, stop: Place) -> Node:
        """Parts of the datasets of some elements."""
        assert self._plans is not None
        assert self._extents is not None
        begins = list(itertools.accumulate(map(len, self._extents), initial=0))
        first, low = _within(begins, start)
        last, high = _within(begins, stop)
        if first == last and low < high:
            return self._plans[first].between(low, high)
        beginning = Place(0)
        head = self._plans[first].between(low, Place(len(self._extents[first]))) if low > beginning else None
        tail = self._plans[last].between(beginning, high) if high > beginning else None
        return self._joined(head, first, last, tail)

    def _joined(self, head: Node | None, first: int, last: int, tail: Node | None) -> Node:
        """Return the rest of dataset `first` if given, those up to `last`, and the beginning of that one."""
        begin = first + (head is not None)
        middle = self.with_inputs(run_of(self.input, begin, last)) if begin < last else None
        found = [part for part in (head, middle, tail) if part is not None]
        return functools.reduce(Concatenate, found) if found else Take(self, 0)


def _within(begins: Sequence[int], place: Place) -> tuple[int, Place]:
    """Return the dataset of a place, and the place in it; the end of all is the beginning of one more."""
    dataset = bisect.bisect_right(begins, place.extent) - 1
    return dataset, Place(place.extent - begins[dataset], place.byte)
