"""What all optimizers share: gradients, slots, and updates of whole variables or of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import Call, Tensor, as_tensor
from estimators.graph.gradients import Gradient, gradients
from estimators.graph.primitives.tables import RowGradient, take_rows
from estimators.graph.registry import output
from estimators.graph.scope import get_global_step
from estimators.graph.updates import TrainOp, Update, layer_updates
from estimators.graph.variable import Initializer, Variable, variables_of

LearningRate: TypeAlias = float | Tensor | Callable[[Tensor], Tensor]
"""A number, a scalar tensor, or a schedule: from the global step (int64) to a scalar tensor."""

GradsAndVars: TypeAlias = Sequence[tuple[Gradient | None, Variable]]


class Optimizer(ABC):
    """Changes variables so that a loss gets smaller.

    A subclass gives its settings, the slots of a variable, and one formula in `step`. It serves whole
    variables and, where gradients are sparse, the touched rows alone; with `moves_all_rows`, sparse
    gradients are made dense first.

    Args:
        learning_rate: More than 0: a number, a schedule, or a scalar tensor.
        name: First part of the names of slots and settings; default the class's.
    """

    name: str
    default_name: ClassVar[str]
    moves_all_rows: ClassVar[bool] = False

    def __init__(self, learning_rate: LearningRate, *, name: str | None = None) -> None:
        self.name = name or self.default_name
        self.learning_rate = (
            learning_rate
            if isinstance(learning_rate, Tensor) or callable(learning_rate)
            else check_range("learning_rate", learning_rate, 0.0, inclusive=False)
        )

    @property
    @abstractmethod
    def hyperparameters(self) -> dict[str, float]:
        """Settings by name, as they are kept in checkpoints."""

    @property
    def learning_rate_setting(self) -> dict[str, float]:
        """The learning rate as a setting, if it is a number."""
        return {"learning_rate": self.learning_rate} if isinstance(self.learning_rate, float) else {}

    @abstractmethod
    def slots(self) -> dict[str, Initializer]:
        """Name and first value of the arrays that are kept for each variable."""

    @abstractmethod
    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the new values of variable and slots.

        Args:
            variable: The whole, or the touched rows ``[n, *row]``.
            gradient: Of the same shape.
            slots: By name, of the same shape.
            learning_rate: A scalar of the variable's dtype.
            global_step: int64 scalar, 0 in the first step.
        """

    def minimize(
        self,
        loss: Tensor,
        global_step: Tensor | None = None,
        var_list: Sequence[Variable] | None = None,
    ) -> TrainOp:
        """Return what one step changes: the variables, their slots, and what layers keep.

        Args:
            loss: A scalar.
            global_step: Taken for the sake of programs written for tf; each training step counts one.
            var_list: What to train; default all trainable variables that the loss depends on.

        Raises:
            InvalidArgumentError: There is nothing to train, or a variable has no gradient.
        """
        pairs = self.compute_gradients(loss, var_list)
        op = self.apply_gradients(pairs)
        return TrainOp(op.updates, layer_updates([loss]), op.hyperparameters)

    def compute_gradients(
        self, loss: Tensor, var_list: Sequence[Variable] | None = None
    ) -> list[tuple[Gradient | None, Variable]]:
        """Return pairs of gradient and variable, to be changed and given to `apply_gradients`.

        Raises:
            InvalidArgumentError: There is nothing to train, or a variable has no gradient.
        """
        variables = _trained(loss, var_list)
        return list(zip(gradients(loss, variables), variables, strict=True))

    def apply_gradients(self, grads_and_vars: GradsAndVars, global_step: Tensor | None = None) -> TrainOp:
        """Return what one step with these gradients changes.

        Args:
            grads_and_vars: As `compute_gradients` returns them; pairs without gradient are left out.
            global_step: As in `minimize`.

        Raises:
            InvalidArgumentError: No variable has a gradient.
        """
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        if not pairs:
            names = [variable.name for _, variable in grads_and_vars]
            raise InvalidArgumentError(f"there is no gradient for any variable of {names}")
        updates = [
            update
            for gradient, variable in self.processed(pairs)
            for update in self._updates(variable, gradient, get_global_step())
        ]
        hyperparameters = {f"training/{self.name}/{k}": v for k, v in self.hyperparameters.items()}
        dense = [g.values if isinstance(g, RowGradient) else g for g, _ in pairs]
        return TrainOp(tuple(updates), layer_updates(dense), hyperparameters)

    def processed(self, pairs: Sequence[tuple[Gradient, Variable]]) -> Sequence[tuple[Gradient, Variable]]:
        """Return the gradients after clipping and the like."""
        return pairs

    def _updates(self, variable: Variable, gradient: Gradient, global_step: Tensor) -> list[Update]:
        slots = {
            name: Variable(
                f"training/{self.name}/{variable.name}/{name}", variable.sizes, variable.dtype, first, False
            )
            for name, first in self.slots().items()
        }
        if isinstance(gradient, RowGradient) and self.moves_all_rows:
            gradient = gradient.dense()
        rows, values = gradient.summed() if isinstance(gradient, RowGradient) else (None, gradient)

        def part(whole: Variable) -> Tensor:
            return whole if rows is None else take_rows(whole, rows)

        rate = self._rate(variable, global_step)
        new, new_slots = self.step(
            part(variable), values, {name: part(slot) for name, slot in slots.items()}, rate, global_step
        )
        return [
            Update(variable, new, rows),
            *(Update(slots[name], value, rows) for name, value in new_slots.items()),
        ]

    def _rate(self, variable: Variable, global_step: Tensor) -> Tensor:
        rate = self.learning_rate
        if isinstance(rate, Tensor) or callable(rate):
            found: Tensor = (rate if isinstance(rate, Tensor) else rate(global_step)).astype(variable.dtype)
            return found
        return as_tensor(variable.dtype.type(rate))


def _trained(loss: Tensor, var_list: Sequence[Variable] | None) -> list[Variable]:
    """Return the variables to train.

    Those that were asked for must have a gradient; of the others, those behind `stop_gradient` are left out.
    """
    used = variables_of([loss])
    for variable in var_list or ():
        if not isinstance(variable, Variable):
            raise SpecError(f"var_list must hold variables, and holds {variable!r}")
    asked = [v for v in used if v.trainable] if var_list is None else list(var_list)
    if not asked:
        names = [variable.name for variable in used]
        raise InvalidArgumentError(f"the loss depends on no trainable variable (of {names})")
    kept = []
    for variable, gradient in zip(asked, gradients(loss, asked), strict=True):
        if gradient is not None:
            kept.append(variable)
            continue
        barriers = _barriers(loss, variable)
        if var_list is None and any(call.primitive.name == "stop_gradient" for call in barriers):
            continue
        reason = (
            "is reached only through " + ", ".join(f"{c.primitive.name} at {c.line}" for c in barriers)
            if barriers
            else "does not depend on it"
        )
        raise InvalidArgumentError(
            f"{variable!r}, made at {variable.line}, has no gradient: the loss {reason}",
            hint="use a function that has a gradient, leave the variable out of var_list, or make it with "
            "trainable=False",
        )
    return kept


def _barriers(loss: Tensor, variable: Variable) -> list[Call]:
    """Return the calls between a variable and a loss that pass no gradient on."""
    reaches = {id(variable.call)}
    found = []
    for call in postorder([loss]):
        if any(id(tensor.call) in reaches for tensor in call.inputs):
            reaches.add(id(call))
            if call.primitive.name == "stop_gradient" or output(call).dtype.kind != "f":
                found.append(call)
    return found


def check_range(name: str, value: float, low: float, *, inclusive: bool = True) -> float:
    """Return the value, or raise `InvalidArgumentError` if it is too small or no number."""
    good = value >= low if inclusive else value > low
    if not good or not np.isfinite(value):
        raise InvalidArgumentError(
            f"{name} must be {'at least' if inclusive else 'more than'} {low}, not {value}"
        )
    return float(value)
