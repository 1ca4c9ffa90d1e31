"""RMSprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.updates import rmsprop
from estimators.graph.variable import Initializer
from estimators.initializers import constant, zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class RMSprop(Optimizer):
    """Gradients, divided by the root of a mean of their squares.

    With gradient g, mean of squares s, mean of gradients m and momentum a of a weight v::

        s = rho * s + (1 - rho) * g^2
        m = rho * m + (1 - rho) * g                    (centered; else m = 0)
        d = lr * g / (sqrt(s - m^2) + epsilon)         (epsilon_in_root=False)
        d = lr * g / sqrt(s - m^2 + epsilon)           (epsilon_in_root=True)
        a = momentum * a + d;  v -= a                  (without momentum: v -= d)

    Sources: Hinton, lecture 6e of "Neural networks for machine learning", 2012;
    ``tf.keras.optimizers.legacy.RMSprop``. s - m^2 is not let below 0.

    Args:
        learning_rate: More than 0.
        rho: From 0 to below 1.
        momentum: From 0 to 1.
        epsilon: At least 0.
        centered: Whether to subtract the square of the mean.
        epsilon_in_root: Default: with momentum, as in tf v2; always so in tf v1. With sparse gradients, such
            steps leave the slots of other rows alone; otherwise these decay in all rows.
        initial_rms: First value of s, at least 0; 1 in tf v1.
        settings: Those of `Optimizer`.

    >>> list(RMSprop(momentum=0.5, centered=True).slots())
    ['rms', 'mg', 'momentum']
    """

    default_name = "RMSprop"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        epsilon_in_root: bool | None = None,
        initial_rms: float = 0.0,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.rho = check_range("rho", rho, 0.0, below=1.0)
        self.momentum = check_range("momentum", momentum, 0.0, high=1.0)
        self.epsilon = check_range("epsilon", epsilon, 0.0)
        self.centered = bool(centered)
        self.epsilon_in_root = self.momentum > 0 if epsilon_in_root is None else bool(epsilon_in_root)
        self.initial_rms = check_range("initial_rms", initial_rms, 0.0)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {**self.learning_rate_setting, "momentum": self.momentum, "rho": self.rho}

    @property
    def slots_move_all_rows(self) -> bool:
        """The means decay in all rows if epsilon is outside of the root."""
        return not self.epsilon_in_root

    def slots(self) -> dict[str, Initializer]:
        """`rms` is s, `mg` is m, `momentum` is a."""
        return {
            "rms": constant(self.initial_rms),
            **({"mg": zeros} if self.centered else {}),
            **({"momentum": zeros} if self.momentum else {}),
        }

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        names = tuple(self.slots())
        value, *new = rmsprop(
            variable,
            gradient,
            *(slots[name] for name in names),
            learning_rate,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
            in_root=self.epsilon_in_root,
            centered=self.centered,
        )
        return value, dict(zip(names, new, strict=True))
