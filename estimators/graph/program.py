"""The compiled step: what is fetched, and which variables change to what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import estimators.graph.rules  # noqa: F401  (registers the gradients)
from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import Function
from dataflow.expr.tensor import Tensor
from estimators.graph.variable import Array, Variable, variables_of


@dataclasses.dataclass(frozen=True, eq=False)
class Update:
    """A new value of a variable, or of some of its rows.

    Args:
        variable: What changes.
        value: The new value; with `rows`, of these rows ``[n, ...]``.
        rows: int64 ``[n]``, different from each other; None: the whole variable.
    """

    variable: Variable
    value: Tensor
    rows: Tensor | None = None


class Program:
    """A fixed schedule of kernels from batches to fetches and new variable values.

    Args:
        inputs: Leaves that are fed, in the order of the columns given to `run`.
        fetches: What to return, by name.
        updates: What to change. All new values are computed from the old ones, then set together.

    Raises:
        InvalidArgumentError: A variable is updated twice, or two have one name.
    """

    def __init__(
        self, inputs: Sequence[Tensor], fetches: Mapping[str, Tensor], updates: Sequence[Update] = ()
    ) -> None:
        self.names = tuple(fetches)
        self.updates = tuple(updates)
        ends = [*fetches.values(), *(u.value for u in updates), *(u.rows for u in updates if u.rows is not None)]
        updated = [update.variable for update in updates]
        self.variables = variables_of([*ends, *(variable.tensor for variable in updated)])
        twice = {v.name for v in updated if updated.count(v) > 1}
        if twice:
            raise InvalidArgumentError(f"variables are updated twice in one step: {sorted(twice)}")
        leaves = (*inputs, *(variable.tensor for variable in self.variables))
        self._function = Function(leaves, tuple(ends))

    def run(self, columns: Sequence[Any], values: dict[str, Array]) -> dict[str, Any]:
        """Run one batch; `values` (arrays by variable name) are changed in place.

        Returns:
            The fetches, as plain arrays or `Strings`.
        """
        fed = [*columns, *(values[variable.name] for variable in self.variables)]
        results = self._function.run(fed, lead=0)
        count = len(self.names)
        rows = iter(results[count + len(self.updates) :])
        for update, value in zip(self.updates, results[count : count + len(self.updates)], strict=True):
            if update.rows is None:
                np.copyto(values[update.variable.name], value)
            else:
                values[update.variable.name][next(rows)] = value
        return dict(zip(self.names, results[:count], strict=True))


def initial_values(variables: Sequence[Variable], seed: int | None) -> dict[str, Array]:
    """Return the first value of each variable.

    Each variable has a generator of its own, made from the seed and its name, so adding one variable
    does not change the others. Without a seed it comes from the operating system.
    """
    root = np.random.SeedSequence(seed)
    values = {}
    for variable in variables:
        name = list(variable.name.encode())
        rng = np.random.default_rng(np.random.SeedSequence([int(root.entropy or 0), *name]))  # type: ignore[call-overload]
        values[variable.name] = np.array(variable.initializer(variable.shape, variable.dtype, rng))
    return values
