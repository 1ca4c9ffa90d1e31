"""What a plan does, in order, and where it keeps what it computes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from dataflow.spec import TensorSpec, is_text
from estimators.graph.arena import Arena
from estimators.graph.fusion import Run, runs
from estimators.graph.registry import KERNELS
from estimators.graph.schedule import Step
from estimators.graph.specialize import Sized

VIEWS = frozenset({"reshape", "transpose", "index", "split", "part_of"})
"""Primitives whose results share the memory of their input."""
FOREVER = 1 << 60


@dataclasses.dataclass(eq=False)
class Action:
    """Something that is done.

    Attributes:
        kind: "run" (of element-wise calls), "kernel" (into kept arrays), "view" (of a kept array), or
            "compute" (by the primitive itself, into new arrays).
        step: The call; of a run, the last.
        run: The run.
    """

    kind: str
    step: Step
    run: Run | None = None

    @property
    def inputs(self) -> Sequence[int]:
        """Places that are read."""
        return self.step.inputs if self.run is None else self.run.inputs

    @property
    def results(self) -> Sequence[int]:
        """Places that are written."""
        return self.step.results if self.run is None else sorted(self.run.inner)


def actions_of(sized: Sized, kept: set[int]) -> list[Action]:
    """Return what is done, in order.

    Args:
        sized: The calls.
        kept: Places whose arrays are the same for each batch; those of the actions are added.
    """
    fused = {id(step.call): run for run in runs(sized) for step in run.steps}
    contiguous = set(kept)
    actions = []
    for step in sized.steps:
        run = fused.get(id(step.call))
        if run is not None:
            if run.steps[-1].call is step.call:
                actions.append(Action("run", step, run))
                kept.update(run.inner)
                contiguous.update(run.inner)
            continue
        kind = _kind(step, sized, kept, contiguous)
        actions.append(Action(kind, step))
        if kind in ("kernel", "view"):
            kept.update(step.results)
        if kind == "kernel" or (kind == "view" and step.call.primitive.name == "reshape"):
            contiguous.update(step.results)
    return actions


def _kind(step: Step, sized: Sized, kept: set[int], contiguous: set[int]) -> str:
    name, source = step.call.primitive.name, step.inputs[0]
    if name in VIEWS and kept.issuperset(step.inputs) and (name != "reshape" or source in contiguous):
        return "view"
    specs = [sized.specs[place] for place in step.results]
    known = all(spec is not None and not is_text(spec.dtype) for spec in specs)
    if name in KERNELS and known and (name != "reshape" or source in kept):
        return "kernel"
    return "compute"


@dataclasses.dataclass(eq=False)
class Layout:
    """Where values are kept, in bytes from the beginning of one piece of memory.

    Attributes:
        offsets: Of buffers, by place.
        scratch: Of working arrays, by the number of the action.
        size: Of the piece.
        bases: Which buffers and leaves a value may share memory with, by place.
        last_use: Number of the last action that reads a buffer or leaf, by place.
    """

    offsets: dict[int, int] = dataclasses.field(default_factory=dict)
    scratch: dict[int, list[int]] = dataclasses.field(default_factory=dict)
    size: int = 0
    bases: dict[int, frozenset[int]] = dataclasses.field(default_factory=dict)
    last_use: dict[int, int] = dataclasses.field(default_factory=dict)

    def follow(self, actions: Sequence[Action], leaves: int, ends: Sequence[int]) -> None:
        """Find out how long each value is needed."""
        self.bases = {place: frozenset({place}) for place in range(leaves)}
        for number, action in enumerate(actions):
            shared = frozenset[int]().union(*(self.bases.get(p, frozenset()) for p in action.inputs))
            self.last_use.update(dict.fromkeys(shared, number))
            own = action.kind in ("run", "kernel")
            self.bases.update({place: frozenset({place}) if own else shared for place in action.results})
        for place in ends:
            self.last_use.update(dict.fromkeys(self.bases.get(place, ()), FOREVER))

    def place(
        self,
        actions: Sequence[Action],
        specs: Sequence[TensorSpec | None],
        requests: Mapping[int, Sequence[int]],
        elsewhere: set[int],
        constants: Mapping[int, int],
    ) -> None:
        """Give each buffer a place for as long as it is needed.

        Args:
            actions: In order.
            specs: By place.
            requests: Bytes of the working arrays of an action, by its number.
            elsewhere: Places that are kept elsewhere, in variables.
            constants: Bytes of the constants that are wanted here, by place.
        """
        arena = Arena()
        self.offsets = {place: arena.take(count) for place, count in constants.items()}
        ending: dict[int, list[int]] = {}
        for number, action in enumerate(actions):
            for place in action.results if action.kind in ("run", "kernel") else ():
                if place in elsewhere or (action.run is not None and place not in self.last_use):
                    continue  # what only a run needs is in its registers
                spec = specs[place]
                assert spec is not None
                self.offsets[place] = arena.take(spec.dtype.itemsize * math.prod(spec.shape))  # type: ignore[arg-type]
                ending.setdefault(self.last_use.get(place, number), []).append(self.offsets[place])
            self.scratch[number] = [arena.take(count) for count in requests.get(number, ())]
            for start in (*self.scratch[number], *ending.pop(number, ())):
                arena.give(start)
        self.size = arena.size
