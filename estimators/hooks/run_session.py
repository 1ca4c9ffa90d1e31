"""What hooks are given of a run: its values, and a way to stop before it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import PARAMETER, Tensor
from estimators.graph.program import Program
from estimators.graph.scope import BATCH_NUMBER, get_global_step
from estimators.graph.variable import Array, Variable, members_of
from estimators.hooks.fetches import Fetches, filled, key_of, own, tensors_of

MANY_PROGRAMS = 16
"""So many different requests are kept compiled."""


class Coordinator:
    """What hooks get as `coord`.

    >>> coord = Coordinator()
    >>> coord.request_stop()
    >>> coord.should_stop()
    True
    """

    def __init__(self) -> None:
        self._stop = False

    def request_stop(self) -> None:
        """End the run; asked for in `after_create_session`, no step is done."""
        self._stop = True

    def should_stop(self) -> bool:
        """Return whether somebody has asked to stop."""
        return self._stop


class RunSession:
    """What hooks and listeners get as `session`: the values of the variables as they are now.

    Args:
        values: Arrays by name of a variable; they change with the run.
        found: Numbers that the checkpoint held beside the variables.
        variables: Gives the variables of the model.
    """

    def __init__(
        self,
        values: dict[str, Array],
        found: Mapping[str, Array] | None = None,
        variables: Callable[[], Sequence[Variable]] = list,
    ) -> None:
        self._values = values
        self._variables = variables
        self.found = dict(found or {})
        self.notes: MutableMapping[str, Array] = {}
        """What hooks want to be in checkpoints beside the variables, by name."""
        self._programs: dict[frozenset[tuple[int, int]], tuple[Program, list[Tensor]]] = {}

    @property
    def values(self) -> Mapping[str, Array]:
        """The arrays themselves, by name of a variable; the next step changes them."""
        return self._values

    @property
    def global_step(self) -> int:
        """The number of training steps done."""
        return int(self._values[get_global_step().name])

    @property
    def variables(self) -> dict[str, Variable]:
        """The variables of the model by name."""
        return {variable.name: variable for variable in self._variables()}

    def run(self, fetches: Fetches, feed_dict: Any = None) -> Any:
        """Return the values of variables, and of tensors that are computed from variables alone.

        Args:
            fetches: A tensor, or a nested dict, tuple or list of tensors.
            feed_dict: Must be empty: nothing is fed here.

        Raises:
            InvalidArgumentError: A tensor needs a batch of the input, or a variable that is not there.
        """
        if feed_dict:
            raise InvalidArgumentError(
                "nothing can be fed to a tensor here",
                hint="put what changes from step to step into the dataset",
            )
        wanted = {key_of(tensor): tensor for tensor in tensors_of(fetches)}
        program, order = self._program(wanted)
        with np.errstate(all="ignore"):
            found = program.run([], self._values, self.global_step)
        return filled(fetches, {key_of(tensor): own(found[str(i)]) for i, tensor in enumerate(order)})

    def _program(self, wanted: Mapping[tuple[int, int], Tensor]) -> tuple[Program, list[Tensor]]:
        known = self._programs.get(frozenset(wanted))
        if known is None:
            if len(self._programs) == MANY_PROGRAMS:
                self._programs.clear()
            known = self._programs[frozenset(wanted)] = self._compile(list(wanted.values()))
        return known

    def _compile(self, tensors: list[Tensor]) -> tuple[Program, list[Tensor]]:
        for tensor in tensors:
            if needs_batch(tensor):
                line = tensor.call.line or "an unknown line"
                raise InvalidArgumentError(
                    f"{tensor!r}, made at {line}, needs a batch of the input, and session.run reads none",
                    hint="return SessionRunArgs(tensor) from before_run: after_run gets what the step gave",
                )
        program = Program([], {str(i): tensor for i, tensor in enumerate(tensors)}, reference=True)
        for variable in members_of(program.variables):
            if variable.name not in self._values:
                raise InvalidArgumentError(
                    f"a hook asks for {variable!r}, made at {variable.line}, which the model has not",
                    hint="make the variable in model_fn, or in begin with estimators.get_variable",
                )
        return program, tensors


def needs_batch(tensor: Tensor) -> bool:
    """Tell whether a tensor is computed from the input, or differs from step to step."""
    return any(call.primitive in (PARAMETER, BATCH_NUMBER) for call in postorder([tensor]))
