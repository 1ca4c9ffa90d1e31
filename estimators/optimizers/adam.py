"""Adam and AMSGrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.adam import adam, amsgrad
from estimators.graph.variable import Initializer
from estimators.initializers import zeros
from estimators.optimizers.base import LearningRate, Optimizer, Settings, check_range


class Adam(Optimizer):
    """A mean of gradients, divided by the root of a mean of their squares.

    With gradient g and means m and s of a weight v, in step t = 1, 2, … (the global step after it)::

        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * g^2
        v -= lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(s) + epsilon)

    epsilon is that of the paper's last formula before section 2.1 ("epsilon hat"), as in
    ``tf.keras.optimizers.legacy.Adam``; tf v1 has ``epsilon=1e-8``. Sources: Kingma & Ba, 2014; Reddi et
    al., 2018. With sparse gradients all rows move, as in tf.

    Args:
        learning_rate: More than 0.
        beta_1: From 0 to below 1.
        beta_2: From 0 to below 1.
        epsilon: At least 0.
        amsgrad: Whether to divide by the root of the largest s so far (not corrected for t, as in tf).
        settings: Those of `Optimizer`.

    >>> list(Adam(amsgrad=True).slots())
    ['m', 'v', 'vhat']
    """

    default_name = "Adam"
    moves_all_rows = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta_1 = check_range("beta_1", beta_1, 0.0, below=1.0)
        self.beta_2 = check_range("beta_2", beta_2, 0.0, below=1.0)
        self.epsilon = check_range("epsilon", epsilon, 0.0)
        self.amsgrad = bool(amsgrad)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings under the names of tf's checkpoints."""
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, **self.learning_rate_setting}

    def slots(self) -> dict[str, Initializer]:
        """`m` is m, `v` is s, `vhat` the largest s."""
        return {"m": zeros, "v": zeros, **({"vhat": zeros} if self.amsgrad else {})}

    def decay_of(self, variable: Tensor) -> float:
        """Return the share, per unit of learning rate, that a step takes off the weights themselves."""
        return 0.0

    def step(
        self,
        variable: Tensor,
        gradient: Tensor,
        slots: Mapping[str, Tensor],
        learning_rate: Tensor,
        global_step: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the formula of the class."""
        primitive, names = (amsgrad, ("m", "v", "vhat")) if self.amsgrad else (adam, ("m", "v"))
        value, *new = primitive(
            variable,
            gradient,
            *(slots[name] for name in names),
            learning_rate,
            global_step,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            decay=self.decay_of(variable),
        )
        return value, dict(zip(names, new, strict=True))
