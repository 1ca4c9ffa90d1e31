"""What all optimizers share: gradients, slots, and updates of whole variables or of rows."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeAlias, TypedDict

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import postorder
from dataflow.expr.primitives.shape import concatenate
from dataflow.expr.tensor import Call, Tensor, as_tensor
from estimators.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from estimators.described import Described
from estimators.graph.gradients import Gradient, gradients
from estimators.graph.primitives.tables import RowGradient, take_rows
from estimators.graph.registry import output
from estimators.graph.scope import get_global_step
from estimators.graph.updates import TrainOp, Update, layer_updates
from estimators.graph.variable import Initializer, Variable, stacked, variables_of, wholes_of
from estimators.progress import log

LearningRate: TypeAlias = float | Tensor | Callable[[Tensor], Tensor]
"""A number, a scalar tensor, or a schedule: from the global step (int64) to a scalar tensor."""

GradsAndVars: TypeAlias = Sequence[tuple[Gradient | None, Variable]]


class Settings(TypedDict, total=False):
    """Settings of every optimizer beside its learning rate: see `Optimizer`."""

    name: str | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    decay: float


class Optimizer(Described, ABC):
    """Changes variables so that a loss gets smaller.

    A subclass gives its settings, the slots of a variable, and one formula in `step`. It serves whole
    variables and, where gradients are sparse, the touched rows alone; with `moves_all_rows`, sparse
    gradients are made dense first; with `slots_move_all_rows`, for the slots only.

    Args:
        learning_rate: More than 0: a number, a schedule, or a scalar tensor.
        name: First part of the names of slots and settings; default the class's.
        clipnorm: Largest norm of the gradient of each variable; not together with `global_clipnorm`.
        clipvalue: Largest size of a gradient's values; applied first.
        global_clipnorm: Largest norm of all gradients together.
        decay: At least 0; the learning rate is divided by 1 + decay * global step.
    """

    name: str
    default_name: ClassVar[str]
    moves_all_rows: ClassVar[bool] = False

    def __init__(
        self,
        learning_rate: LearningRate,
        *,
        name: str | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        decay: float = 0.0,
    ) -> None:
        self.name = name or self.default_name
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        self.clipnorm, self.clipvalue, self.global_clipnorm = (
            None if limit is None else check_range(setting, limit, 0.0, inclusive=False)
            for setting, limit in limits.items()
        )
        if clipnorm is not None and global_clipnorm is not None:
            raise InvalidArgumentError("clipnorm and global_clipnorm are both given", hint="choose one")
        self.decay = check_range("decay", decay, 0.0)
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
        """The decay of the learning rate, and the rate itself if it is a number."""
        rate = self.learning_rate
        return {"decay": self.decay, **({"learning_rate": rate} if isinstance(rate, float) else {})}

    @property
    def slots_move_all_rows(self) -> bool:
        """Whether sparse gradients change the slots of all rows, and the variable in the touched rows."""
        return False

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
            InvalidArgumentError: There is nothing to train, or a variable has no gradient because of a
                function on the way. A warning in the log names those of `var_list` that the loss does
                not depend on.
        """
        pairs = self.compute_gradients(loss, var_list)
        idle = [variable.name for gradient, variable in pairs if gradient is None]
        if idle and len(idle) < len(pairs):
            log.warning("The loss does not depend on these variables of var_list: %s", ", ".join(idle))
        op = self.apply_gradients(pairs)
        return TrainOp(op.updates, layer_updates([loss]), op.hyperparameters)

    def compute_gradients(
        self, loss: Tensor, var_list: Sequence[Variable] | None = None
    ) -> list[tuple[Gradient | None, Variable]]:
        """Return pairs of gradient and variable, to be changed and given to `apply_gradients`.

        The gradient is None for variables of `var_list` that the loss does not depend on.

        Raises:
            InvalidArgumentError: There is nothing to train, or a variable that the loss depends on has no
                gradient because of a function on the way.
        """
        return _trained(loss, var_list)

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
            raise InvalidArgumentError(
                f"there is no gradient for any variable of {names}: the loss does not depend on them",
                hint="give other variables in var_list, or use these in the loss",
            )
        updates = [
            update
            for gradient, variable in self.processed(pairs)
            for update in self._updates(variable, gradient, get_global_step())
        ]
        hyperparameters = {f"training/{self.name}/{k}": v for k, v in self.hyperparameters.items()}
        dense = [g.values if isinstance(g, RowGradient) else g for g, _ in pairs]
        return TrainOp(tuple(updates), layer_updates(dense), hyperparameters)

    def processed(self, pairs: Sequence[tuple[Gradient, Variable]]) -> Sequence[tuple[Gradient, Variable]]:
        """Return the gradients after clipping, as ``tf.keras.optimizers.legacy`` does it."""
        clipped: list[Gradient] = [gradient for gradient, _ in pairs]
        if self.clipvalue is not None:
            clipped = [clip_by_value(gradient, -self.clipvalue, self.clipvalue) for gradient in clipped]
        if self.clipnorm is not None:
            clipped = [
                _clipped(gradient, variable, self.clipnorm)
                for gradient, (_, variable) in zip(clipped, pairs, strict=True)
            ]
        if self.global_clipnorm is not None:
            clipped, _ = clip_by_global_norm(clipped, self.global_clipnorm)
        return list(zip(clipped, (variable for _, variable in pairs), strict=True))

    def _updates(self, variable: Variable, gradient: Gradient, global_step: Tensor) -> list[Update]:
        slots = {name: self._slot(variable, name, first) for name, first in self.slots().items()}
        rate = self._rate(variable, global_step)
        if isinstance(gradient, RowGradient) and self.slots_move_all_rows:
            rows, _ = gradient.summed()
            new, new_slots = self.step(variable, gradient.dense(), slots, rate, global_step)
            changed = Update(variable, take_rows(new, rows), rows)
            return [changed, *(Update(slots[name], value) for name, value in new_slots.items())]
        if isinstance(gradient, RowGradient) and self.moves_all_rows:
            gradient = gradient.dense()
        if isinstance(gradient, RowGradient):
            rows, values = gradient.summed()
            parts = {name: take_rows(slot, rows) for name, slot in slots.items()}
            new, new_slots = self.step(take_rows(variable, rows), values, parts, rate, global_step)
            changes = [(variable, new), *((slots[name], value) for name, value in new_slots.items())]
            return [Update(whole, value, rows) for whole, value in changes]
        new, new_slots = self.step(variable, gradient, slots, rate, global_step)
        return [Update(variable, new), *(Update(slots[name], value) for name, value in new_slots.items())]

    def _slot(self, variable: Variable, name: str, first: Initializer) -> Variable:
        full = f"training/{self.name}/{variable.name}/{name}"
        if variable.members:
            return stacked(full, [self._slot(member, name, first) for member in variable.members])
        return Variable(full, variable.sizes, variable.dtype, first, False)

    def _rate(self, variable: Variable, global_step: Tensor) -> Tensor:
        """Return the learning rate of a step, a scalar in the variable's dtype."""
        rate = self.learning_rate
        found = as_tensor(rate(global_step) if callable(rate) else rate)
        if found.shape != ():
            raise SpecError(f"the learning rate must be a scalar, and is {found.spec}")
        if self.decay:
            found = found.astype(np.float64) / (1.0 + self.decay * global_step.astype(np.float64))
        if found.constant is not None:
            return as_tensor(variable.dtype.type(found.constant))
        result: Tensor = found.astype(variable.dtype)
        return result


def _clipped(gradient: Gradient, variable: Variable, norm: float) -> Gradient:
    """Return a gradient of at most this norm; of a stacked variable, that of each member."""
    if not variable.members:
        clipped: Gradient = clip_by_norm(gradient, norm)
        return clipped
    whole: Tensor = gradient.dense() if isinstance(gradient, RowGradient) else gradient
    ends = np.cumsum([0, *(member.sizes[0] for member in variable.members)])
    parts = [whole[int(a) : int(b)] for a, b in itertools.pairwise(ends)]
    result: Tensor = concatenate(*(clip_by_norm(part, norm) for part in parts), axis=0)
    return result


def _trained(loss: Tensor, var_list: Sequence[Variable] | None) -> list[tuple[Gradient | None, Variable]]:
    """Return gradients with the variables to train; None for those that the loss does not depend on.

    Other ones that were asked for must have a gradient; without `var_list`, variables behind
    `stop_gradient` are left out.
    """
    used = variables_of([loss])
    if var_list is not None and not len(var_list):
        raise InvalidArgumentError(
            f"var_list is empty, and the loss depends on {[variable.name for variable in used]}",
            hint="trainable_variables(scope) gives those whose names begin with the scope; leave var_list "
            "out to train all",
        )
    for variable in var_list or ():
        if not isinstance(variable, Variable):
            raise SpecError(f"var_list must hold variables, and holds {variable!r}")
    asked = [v for v in used if v.trainable] if var_list is None else wholes_of(var_list, used)
    if not asked:
        names = [variable.name for variable in used]
        raise InvalidArgumentError(f"the loss depends on no trainable variable (of {names})")
    kept: list[tuple[Gradient | None, Variable]] = []
    for variable, gradient in zip(asked, gradients(loss, asked), strict=True):
        if gradient is not None or not any(variable is other for other in used):
            kept.append((gradient, variable))
            continue
        barriers = _barriers(loss, variable)
        if var_list is None and any(call.primitive.name == "stop_gradient" for call in barriers):
            continue
        passed = ", ".join(f"{call.primitive.name} at {call.line}" for call in barriers)
        raise InvalidArgumentError(
            f"{variable!r}, made at {variable.line}, has no gradient: the loss is reached only through "
            f"{passed}",
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


def check_range(
    name: str,
    value: float,
    low: float,
    *,
    inclusive: bool = True,
    high: float = np.inf,
    below: float = np.inf,
) -> float:
    """Return the value, or raise `InvalidArgumentError` if it is no number of the range.

    Args:
        name: Of the setting.
        value: What was given.
        low: The least value, itself allowed if `inclusive`.
        inclusive: See there.
        high: The largest value.
        below: What the value must be less than.
    """
    if not isinstance(value, float | int | np.number) or isinstance(value, bool):
        raise SpecError(f"{name} must be a number, not {value!r}")
    good = (value >= low if inclusive else value > low) and value <= high and value < below
    if not good:
        text = f"{name} must be {'at least' if inclusive else 'more than'} {low:g}"
        text += f" and at most {high:g}" if high < np.inf else ""
        text += f" and less than {below:g}" if below < np.inf else ""
        raise InvalidArgumentError(f"{text}, not {value}")
    return float(value)
