"""What all optimizers share: gradients, slots, and updates of whole variables or of rows."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.graph.gradients import RowGradient, gradients
from estimators.graph.primitives.tables import take_rows
from estimators.graph.program import Update
from estimators.graph.variable import Initializer, Variable, variables_of


@dataclasses.dataclass(frozen=True, eq=False)
class TrainOp:
    """The updates of one training step, and the settings worth keeping with the model."""

    updates: tuple[Update, ...]
    hyperparameters: Mapping[str, float] = dataclasses.field(default_factory=dict)


class Optimizer(ABC):
    """Changes variables so that a loss gets smaller.

    A subclass gives its settings, the slots of a variable, and one formula in `step`; it serves whole
    variables and, where gradients are sparse, the touched rows alone.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def hyperparameters(self) -> dict[str, float]:
        """Settings by name, as they are kept in checkpoints."""

    @abstractmethod
    def slots(self) -> dict[str, Initializer]:
        """Name and first value of the arrays that are kept for each variable."""

    @abstractmethod
    def step(
        self, variable: Tensor, gradient: Tensor, slots: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the new values of variable and slots."""

    def minimize(self, loss: Tensor, variables: Sequence[Variable] | None = None) -> TrainOp:
        """Return the updates of one step.

        Args:
            loss: A scalar.
            variables: What to train; default all trainable variables that the loss depends on.

        Raises:
            InvalidArgumentError: There is nothing to train.
        """
        if variables is None:
            variables = [variable for variable in variables_of([loss]) if variable.trainable]
        pairs = [(v, g) for v, g in zip(variables, gradients(loss, variables), strict=True) if g is not None]
        if not pairs:
            names = [variable.name for variable in variables]
            raise InvalidArgumentError(f"the loss depends on no trainable variable (of {names})")
        updates: list[Update] = []
        for variable, gradient in pairs:
            slots = {
                name: Variable(
                    f"training/{self.name}/{variable.name}/{name}",
                    variable.shape,
                    variable.dtype,
                    first,
                    False,
                )
                for name, first in self.slots().items()
            }
            rows, values = gradient.summed() if isinstance(gradient, RowGradient) else (None, gradient)

            def part(whole: Variable, rows: Tensor | None = rows) -> Tensor:
                return whole if rows is None else take_rows(whole, rows)

            new, new_slots = self.step(part(variable), values, {n: part(s) for n, s in slots.items()})
            updates.append(Update(variable, new, rows))
            updates.extend(Update(slots[name], value, rows) for name, value in new_slots.items())
        hyperparameters = {f"training/{self.name}/{k}": v for k, v in self.hyperparameters.items()}
        return TrainOp(tuple(updates), hyperparameters)


def check_range(name: str, value: float, low: float, *, inclusive: bool = True) -> float:
    """Return the value, or raise `InvalidArgumentError` if it is too small or no number."""
    good = value >= low if inclusive else value > low
    if not good or not np.isfinite(value):
        raise InvalidArgumentError(
            f"{name} must be {'at least' if inclusive else 'more than'} {low}, not {value}"
        )
    return float(value)
