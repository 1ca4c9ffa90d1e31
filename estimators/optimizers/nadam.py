"""Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.adam import nadam
from estimators.graph.variable import Initializer
from estimators.initializers import zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Nadam(Optimizer):
    """Adam that steps ahead along its mean.

    With gradient g and means m and s of a weight v, in step t = 1, 2, …::

        u(t) = beta_1 * (1 - 0.96^(t * schedule_decay) / 2)
        c(t) = u(1) * … * u(t)
        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * g^2
        d = (1 - u(t)) * g / (1 - c(t)) + u(t + 1) * m / (1 - c(t + 1))
        v -= lr * d / (sqrt(s / (1 - beta_2^t)) + epsilon)

    c is computed from the global step, so it is no state of its own. Source: Dozat, 2015, in the form of
    ``tf.keras.optimizers.legacy.Nadam``. With sparse gradients m and s decay in all rows, and weights move
    in the touched ones.

    Args:
        learning_rate: More than 0.
        beta_1: From 0 to below 1.
        beta_2: From 0 to below 1.
        epsilon: At least 0.
        schedule_decay: At least 0; tf calls it `decay`, and keeps it under that name.
        settings: Those of `Optimizer`.

    >>> Nadam(0.01).hyperparameters["schedule_decay"]
    0.004
    """

    default_name = "Nadam"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        schedule_decay: float = 0.004,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta_1 = check_range("beta_1", beta_1, 0.0, below=1.0)
        self.beta_2 = check_range("beta_2", beta_2, 0.0, below=1.0)
        self.epsilon = check_range("epsilon", epsilon, 0.0)
        self.schedule_decay = check_range("schedule_decay", schedule_decay, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings by name."""
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "schedule_decay": self.schedule_decay,
            **self.learning_rate_setting,
        }

    @property
    def slots_move_all_rows(self) -> bool:
        """The means decay in all rows."""
        return True

    def slots(self) -> dict[str, Initializer]:
        """`m` is m, `v` is s."""
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
        value, m, v = nadam(
            variable,
            gradient,
            slots["m"],
            slots["v"],
            learning_rate,
            global_step,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            decay=self.schedule_decay,
        )
        return value, {"m": m, "v": v}
