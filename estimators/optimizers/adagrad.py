"""Adagrad, the default of deep models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.updates import adagrad
from estimators.graph.variable import Initializer
from estimators.initializers import constant
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Adagrad(Optimizer):
    """Steps that get smaller where gradients were large.

    With gradient g and sum of squares n of a weight v::

        n += g^2
        v -= lr * g / (sqrt(n) + epsilon)

    Source: Duchi et al., 2011, in the form of ``tf.keras.optimizers.legacy.Adagrad``; tf v1 is
    ``epsilon=0``. Rows without gradient rest.

    Args:
        learning_rate: More than 0.
        initial_accumulator_value: First value of n, at least 0.
        epsilon: At least 0.
        l1_regularization_strength: At least 0. With eta = lr / (sqrt(n) + epsilon), weights are
            v = sign(v) * max(|v| - eta * l1, 0) / (1 + eta * l2) after each step (proximal Adagrad).
        l2_regularization_strength: At least 0.
        settings: Those of `Optimizer`.

    >>> Adagrad(0.05).slots().keys()
    dict_keys(['accumulator'])
    """

    default_name = "Adagrad"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.initial_accumulator_value = check_range(
            "initial_accumulator_value", initial_accumulator_value, 0.0
        )
        self.epsilon = check_range("epsilon", epsilon, 0.0)
        self.l1 = check_range("l1_regularization_strength", l1_regularization_strength, 0.0)
        self.l2 = check_range("l2_regularization_strength", l2_regularization_strength, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return self.learning_rate_setting

    def slots(self) -> dict[str, Initializer]:
        """`accumulator` is n."""
        return {"accumulator": constant(self.initial_accumulator_value)}

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        value, accumulator = adagrad(
            variable,
            gradient,
            slots["accumulator"],
            learning_rate,
            epsilon=self.epsilon,
            l1=self.l1,
            l2=self.l2,
        )
        return value, {"accumulator": accumulator}
