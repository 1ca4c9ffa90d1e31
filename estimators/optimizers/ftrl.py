"""FTRL-proximal, the default of linear models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.updates import ftrl
from estimators.graph.variable import Initializer
from estimators.initializers import constant, zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Ftrl(Optimizer):
    """Follow the regularized leader.

    With gradient g, sums of squares n and state z of a weight v::

        n' = n + g^2
        z += g - (n'^-p - n^-p) / lr * v
        v = (clip(z, -l1, l1) - z) / (n'^-p / lr + 2 (l2 + beta / (2 lr)))

    where p is `learning_rate_power`, and 2 * l2_shrinkage * v is added to g for z. z starts at 0, so the
    first step forgets a first value of v other than 0. Source: McMahan et al., "Ad click prediction: a
    view from the trenches", 2013, in the form of ``tf.keras.optimizers.legacy.Ftrl``.

    Args:
        learning_rate: More than 0.
        learning_rate_power: At most 0; -0.5 is the square root of the paper.
        initial_accumulator_value: First value of n, at least 0.
        l1_regularization_strength: At least 0; makes weights exactly 0.
        l2_regularization_strength: At least 0.
        l2_shrinkage_regularization_strength: At least 0.
        beta: At least 0; added to the square roots, as in the paper.
        settings: Those of `Optimizer`.

    >>> Ftrl(0.2).hyperparameters["learning_rate"]
    0.2
    """

    default_name = "Ftrl"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        if not learning_rate_power <= 0:
            raise InvalidArgumentError(f"learning_rate_power must be at most 0, not {learning_rate_power}")
        self.learning_rate_power = float(learning_rate_power)
        self.initial_accumulator_value = check_range(
            "initial_accumulator_value", initial_accumulator_value, 0.0
        )
        self.l1 = check_range("l1_regularization_strength", l1_regularization_strength, 0.0)
        self.l2 = check_range("l2_regularization_strength", l2_regularization_strength, 0.0)
        self.shrinkage = check_range(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, 0.0
        )
        self.beta = check_range("beta", beta, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {
            "beta": self.beta,
            "l1_regularization_strength": self.l1,
            "l2_regularization_strength": self.l2,
            **self.learning_rate_setting,
            "learning_rate_power": self.learning_rate_power,
        }

    def slots(self) -> dict[str, Initializer]:
        """`accumulator` is n, `linear` is z."""
        return {"accumulator": constant(self.initial_accumulator_value), "linear": zeros}

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        value, accumulator, linear = ftrl(
            variable,
            gradient,
            slots["accumulator"],
            slots["linear"],
            learning_rate,
            learning_rate_power=self.learning_rate_power,
            l1=self.l1,
            l2=self.l2,
            beta=self.beta,
            shrinkage=self.shrinkage,
        )
        return value, {"accumulator": accumulator, "linear": linear}
