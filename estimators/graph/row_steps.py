"""Steps of optimizers on rows of tables where they are, in place of: take rows, step, put them back."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from dataflow.expr.tensor import Call
from estimators.graph.layout import Action
from estimators.graph.registry import ROW_STEPS

Put: TypeAlias = tuple[str, int, int | None]
"""A variable's name, the place of its new value, and the place of the rows that this is for, if not all."""


@dataclasses.dataclass(frozen=True, eq=False)
class RowStep:
    """One step of an optimizer.

    Attributes:
        fill: Of `ROW_STEPS`.
        names: Of the variable and its slots.
        rows: Place of the numbers of the rows, which are different.
        gradient: Place of the gradient of these rows.
        scalars: Places of the rate and its like.
        call: The step.
    """

    fill: Callable[..., None]
    names: Sequence[str]
    rows: int
    gradient: int
    scalars: Sequence[int]
    call: Call

    @property
    def places(self) -> Sequence[int]:
        """What it needs."""
        return (self.rows, self.gradient, *self.scalars)

    def run(self, values: Mapping[str, Any], of: Callable[[int], Any]) -> None:
        """Change the variables in `values`; `of` returns what is at a place."""
        tables = [values[name].reshape(len(values[name]), -1) for name in self.names]
        gradient = of(self.gradient)
        scalars = [float(of(place)) for place in self.scalars]
        flat = gradient.reshape(len(gradient), -1)
        self.fill(tables, of(self.rows), flat, *scalars, **self.call.attributes)


def row_steps(
    actions: list[Action], puts: list[Put], variables: Mapping[int, str], fetches: Sequence[int]
) -> tuple[list[Action], list[Put], list[RowStep]]:
    """Return the actions and puts without those that are done as row steps, and these.

    A row step comes after all actions. It takes the place of a step of which nothing is used but the put
    of its results into the very rows that it has taken.

    Args:
        actions: In order.
        puts: What is put into variables after them.
        variables: Names of the leaves that are variables, by place.
        fetches: Places that are wanted otherwise.
    """
    made = {place: action for action in actions for place in action.results}
    uses = Counter(place for action in actions for place in action.inputs)
    uses.update(fetches)
    uses.update(place for _, place, _ in puts)
    found: list[RowStep] = []
    gone: set[int] = set()
    for action in actions:
        of_action = [put for put in puts if put[2] is not None and put[1] in action.results]
        if action.run is not None or len(of_action) != len(action.results):
            continue
        step, results = action.step, {place: name for name, place, _ in of_action}
        rows = {row for _, _, row in of_action}
        form = ROW_STEPS.get(step.call.primitive.name)
        fill = form(step.call.attributes) if form else None
        if fill is None or len(results) != len(action.results) or len(rows) != 1:
            continue
        count = len(action.results)
        taken = (step.inputs[0], *step.inputs[2 : 1 + count])
        takes = [made[place] for place in taken if place in made]
        expected = [(results[place], row) for place in step.results for row in rows]
        fits = [_taken(take, variables) for take in takes] == expected
        if not fits or any(uses[place] != 1 for place in (*taken, *step.results)):
            continue
        names = [name for name, _ in expected]
        (row,) = rows
        assert row is not None
        found.append(RowStep(fill, names, row, step.inputs[1], step.inputs[1 + count :], step.call))
        gone.update(map(id, (action, *takes)))
    changed = {name for row_step in found for name in row_step.names}
    left = [action for action in actions if id(action) not in gone]
    return left, [put for put in puts if put[0] not in changed], found


def _taken(action: Action, variables: Mapping[int, str]) -> tuple[str, int] | None:
    """Return which variable rows are taken of, and the place of their numbers."""
    if action.step.call.primitive.name != "take_rows":
        return None
    source, rows = action.step.inputs
    return (variables[source], rows) if source in variables else None
