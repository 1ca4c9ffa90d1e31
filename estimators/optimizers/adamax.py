"""Adamax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.adam import adamax
from estimators.graph.variable import Initializer
from estimators.initializers import zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Adamax(Optimizer):
    """A mean of gradients, divided by their decaying largest size.

    With gradient g, mean m and size u of a weight v, in step t = 1, 2, …::

        m = beta_1 * m + (1 - beta_1) * g
        u = max(beta_2 * u, |g|)
        v -= lr / (1 - beta_1^t) * m / (u + epsilon)

    Source: Kingma & Ba, 2014, section 7, in the form of ``tf.keras.optimizers.legacy.Adamax``. Rows without
    gradient rest, with their slots.

    Args:
        learning_rate: More than 0.
        beta_1: From 0 to below 1.
        beta_2: From 0 to below 1.
        epsilon: At least 0.
        settings: Those of `Optimizer`.

    >>> Adamax(0.01).hyperparameters["learning_rate"]
    0.01
    """

    default_name = "Adamax"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta_1 = check_range("beta_1", beta_1, 0.0, below=1.0)
        self.beta_2 = check_range("beta_2", beta_2, 0.0, below=1.0)
        self.epsilon = check_range("epsilon", epsilon, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, **self.learning_rate_setting}

    def slots(self) -> dict[str, Initializer]:
        """`m` is m, `v` is u."""
        return {"m": zeros, "v": zeros}

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        value, m, v = adamax(
            variable,
            gradient,
            slots["m"],
            slots["v"],
            learning_rate,
            global_step,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )
        return value, {"m": m, "v": v}
