"""Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.updates import adadelta
from estimators.graph.variable import Initializer
from estimators.initializers import zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Adadelta(Optimizer):
    """Steps as large as the last ones, divided by the size of the last gradients.

    With gradient g, mean of squares a and mean of squared changes u of a weight v::

        a = rho * a + (1 - rho) * g^2
        d = sqrt(u + epsilon) / sqrt(a + epsilon) * g
        u = rho * u + (1 - rho) * d^2
        v -= lr * d

    Source: Zeiler, 2012 (its lr is 1), in the form of ``tf.keras.optimizers.legacy.Adadelta``; tf v1 has
    ``epsilon=1e-8``. Rows without gradient rest.

    Args:
        learning_rate: More than 0.
        rho: From 0 to below 1.
        epsilon: At least 0.
        settings: Those of `Optimizer`.

    >>> Adadelta(1.0).hyperparameters
    {'decay': 0.0, 'learning_rate': 1.0, 'rho': 0.95}
    """

    default_name = "Adadelta"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.rho = check_range("rho", rho, 0.0, below=1.0)
        self.epsilon = check_range("epsilon", epsilon, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {**self.learning_rate_setting, "rho": self.rho}

    def slots(self) -> dict[str, Initializer]:
        """`accum_grad` is a, `accum_var` is u."""
        return {"accum_grad": zeros, "accum_var": zeros}

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        value, squares, changes = adadelta(
            variable,
            gradient,
            slots["accum_grad"],
            slots["accum_var"],
            learning_rate,
            rho=self.rho,
            epsilon=self.epsilon,
        )
        return value, {"accum_grad": squares, "accum_var": changes}
