"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives import updates
from estimators.graph.variable import Initializer
from estimators.initializers import zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class SGD(Optimizer):
    """Gradient descent, with momentum or shrinkage if asked for.

    With gradient g of a weight v, and momentum mu if it is not 0::

        v -= lr * g
        a = mu * a - lr * g;  v += a                    (momentum)
        a = mu * a - lr * g;  v += mu * a - lr * g      (nesterov)

    Source: ``tf.keras.optimizers.legacy.SGD``; Sutskever et al., 2013. Rows without gradient rest, with their
    momentum.

    Args:
        learning_rate: More than 0.
        momentum: From 0 to 1.
        nesterov: Whether to step ahead along the momentum.
        learning_rate_in_momentum: False: a sums up gradients and each step scales it with its own rate,
            as in tf v1: a = mu * a + g; v -= lr * a. The same unless the rate changes.
        l1_regularization_strength: At least 0, with momentum 0: after each step (proximal descent), weights
            are v = sign(v) * max(|v| - lr * l1, 0) / (1 + lr * l2). Source: Duchi & Singer, 2009.
        l2_regularization_strength: At least 0, with momentum 0.
        settings: Those of `Optimizer`.

    Raises:
        InvalidArgumentError: A setting is out of its range, or there is momentum and shrinkage.

    >>> SGD(0.1, momentum=0.9).hyperparameters
    {'decay': 0.0, 'learning_rate': 0.1, 'momentum': 0.9}
    """

    default_name = "SGD"

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        learning_rate_in_momentum: bool = True,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.momentum = check_range("momentum", momentum, 0.0, high=1.0)
        self.nesterov = bool(nesterov)
        self.learning_rate_in_momentum = bool(learning_rate_in_momentum)
        self.l1 = check_range("l1_regularization_strength", l1_regularization_strength, 0.0)
        self.l2 = check_range("l2_regularization_strength", l2_regularization_strength, 0.0)
        if self.momentum and (self.l1 or self.l2):
            raise InvalidArgumentError(
                "gradient descent has either momentum or shrinkage",
                hint="add a regularizer to the loss: the gradients then contain it",
            )

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {**self.learning_rate_setting, "momentum": self.momentum}

    def slots(self) -> dict[str, Initializer]:
        """`momentum` is a; there is none without momentum."""
        return {"momentum": zeros} if self.momentum else {}

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        if not self.momentum:
            (value,) = updates.sgd(variable, gradient, learning_rate, l1=self.l1, l2=self.l2)
            return value, {}
        value, momentum = updates.momentum(
            variable,
            gradient,
            slots["momentum"],
            learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            scaled=self.learning_rate_in_momentum,
        )
        return value, {"momentum": momentum}
