"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from dataflow.expr.tensor import Tensor
from estimators.graph.variable import Variable
from estimators.optimizers.adam import Adam
from estimators.optimizers.base import LearningRate, Settings, check_range


class AdamW(Adam):
    """Adam, where each step also takes a share off the weights.

    With learning rate lr and weight w before the step::

        w = w - lr * weight_decay * w - (the step of Adam)

    The decay has no part in Adam's means. Sources: Loshchilov & Hutter, 2019, in the form of
    ``tf.keras.optimizers.AdamW``. With sparse gradients all rows decay and move.

    Args:
        learning_rate: More than 0.
        weight_decay: At least 0.
        beta_1: As for `Adam`.
        beta_2: As for `Adam`.
        epsilon: As for `Adam`.
        amsgrad: As for `Adam`.
        exclude_from_weight_decay: Variables with one of these texts in their names do not decay.
        settings: Those of `Optimizer`.

    >>> AdamW(0.01, exclude_from_weight_decay=["bias"]).hyperparameters["weight_decay"]
    0.004
    """

    default_name = "AdamW"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        exclude_from_weight_decay: Sequence[str] = (),
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **settings)
        self.weight_decay = check_range("weight_decay", weight_decay, 0.0)
        self.exclude_from_weight_decay = tuple(exclude_from_weight_decay)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Settings by name."""
        return {**super().hyperparameters, "weight_decay": self.weight_decay}

    def decay_of(self, variable: Tensor) -> float:
        """Return `weight_decay`, or 0 for the excluded."""
        name = variable.name if isinstance(variable, Variable) else ""
        return 0.0 if any(text in name for text in self.exclude_from_weight_decay) else self.weight_decay
