"""Moving averages of variables, kept beside them by each training step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import Function
from dataflow.expr.tensor import Tensor, as_tensor
from estimators.graph.primitives.averages import moving_average, replace_rows
from estimators.graph.scope import get_global_step
from estimators.graph.updates import TrainOp, Update
from estimators.graph.variable import Variable, variables_of


class ExponentialMovingAverage:
    """Averages that follow variables: average = decay * average + (1 - decay) * variable.

    An average starts at the value that its variable has before step 0. Averages are variables called
    ``<variable>/ExponentialMovingAverage``, in checkpoints like all others. To predict with them, use
    `averaged` in the model function.

    Args:
        decay: From 0 to below 1, near 1: a number or a scalar tensor.
        num_updates: A number or a scalar tensor, usually `get_global_step()` (the steps before this one);
            the decay is then at most (1 + num_updates) / (10 + num_updates).
        name: Last part of the names.

    Raises:
        InvalidArgumentError: `decay` is out of its range.

    Source: ``tf.train.ExponentialMovingAverage``.

    >>> from estimators.graph.scope import VariableStore, get_variable
    >>> from estimators.optimizers import SGD
    >>> with VariableStore():
    ...     weight = get_variable("weight")
    ...     average = ExponentialMovingAverage(0.99)
    ...     train_op = average.apply([weight], after=SGD(0.1).minimize((weight - 3.0) ** 2))
    >>> [update.variable.name for update in train_op.updates]
    ['weight', 'weight/ExponentialMovingAverage']
    """

    def __init__(
        self,
        decay: float | Tensor,
        num_updates: float | Tensor | None = None,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        if not isinstance(decay, Tensor) and not 0 <= decay < 1:
            raise InvalidArgumentError(f"decay must be at least 0 and less than 1, not {decay}")
        self.decay = decay
        self.num_updates = num_updates
        self.name = name
        self._averages: dict[str, Variable] = {}

    def apply(self, var_list: Sequence[Variable] | None = None, after: TrainOp | None = None) -> TrainOp:
        """Return a training step that does what another does, and moves averages to the new values.

        Args:
            var_list: Variables to follow; default the trainable ones that the other step changes.
            after: What `minimize` or `group` returned. Variables that it does not change are followed as
                they are.

        Raises:
            SpecError: Something in `var_list` is no variable of floating-point numbers.
            InvalidArgumentError: There is nothing to follow.
        """
        op = after or TrainOp(())
        new = {update.variable.name: update for update in op.all_updates()}
        if var_list is None:
            var_list = [update.variable for update in op.updates if update.variable.trainable]
        if not var_list:
            raise InvalidArgumentError("there are no variables to average", hint="give var_list")
        decay = self._decay_now()
        updates = []
        for variable in var_list:
            average = self.average(variable)
            value: Any = moving_average(
                average,
                variable,
                _new_value(variable, new.get(variable.name)),
                decay,
                get_global_step(),
            )
            updates.append(Update(average, value))
        return dataclasses.replace(op, updates=(*op.updates, *updates))

    def average(self, variable: Variable) -> Variable:
        """Return the variable that holds the average of another one.

        Raises:
            SpecError: What is given is no variable of floating-point numbers.
        """
        if not isinstance(variable, Variable) or variable.dtype.kind != "f":
            raise SpecError(f"averages are of variables of floating-point numbers, not of {variable!r}")
        return self._averages.setdefault(
            variable.name,
            Variable(
                f"{variable.name}/{self.name}",
                variable.sizes,
                variable.dtype,
                variable.initializer,
                trainable=False,
            ),
        )

    def averaged(self, tensor: Tensor) -> Tensor:
        """Return a tensor computed from averages in place of the trainable variables that it is made of.

        >>> weight = Variable("weight", ())
        >>> variables_of([ExponentialMovingAverage(0.9).averaged(weight * 2.0)])
        [Variable('weight/ExponentialMovingAverage', shape=(), dtype=float32)]
        """
        variables = [v for v in variables_of([tensor]) if v.trainable and v.dtype.kind == "f"]
        (result,) = Function((), (tensor,)).substitute({v: self.average(v) for v in variables})
        return result

    def _decay_now(self) -> Tensor:
        if self.num_updates is None:
            return as_tensor(self.decay)
        count = as_tensor(self.num_updates).astype(np.float64)
        result: Tensor = np.minimum(self.decay, (1.0 + count) / (10.0 + count))
        return result


def _new_value(variable: Variable, update: Update | None) -> Tensor:
    """Return the whole value of a variable after an update."""
    if update is None:
        return variable
    if update.rows is None:
        return update.value
    result: Tensor = replace_rows(variable, update.rows, update.value)
    return result
