"""Optimizers with the names, arguments and defaults of ``tf.compat.v1.train``.

Each function returns one of the optimizers of this package, set so that its numbers are those of v1.
`use_locking`, `accum_name` and `linear_name` are taken for the sake of programs written for tf, and change
nothing: slots are named as in v2.

>>> RMSPropOptimizer(0.1).hyperparameters["rho"]
0.9
"""

from __future__ import annotations

from estimators.optimizers.adadelta import Adadelta
from estimators.optimizers.adagrad import Adagrad
from estimators.optimizers.adam import Adam
from estimators.optimizers.base import LearningRate, check_range
from estimators.optimizers.ftrl import Ftrl
from estimators.optimizers.rmsprop import RMSprop
from estimators.optimizers.sgd import SGD


def GradientDescentOptimizer(
    learning_rate: LearningRate, use_locking: bool = False, name: str = "GradientDescent"
) -> SGD:
    """Return plain gradient descent."""
    return SGD(learning_rate, name=name)


def MomentumOptimizer(
    learning_rate: LearningRate,
    momentum: float,
    use_locking: bool = False,
    name: str = "Momentum",
    use_nesterov: bool = False,
) -> SGD:
    """Return gradient descent with momentum: a = momentum * a + g; v -= lr * a."""
    return SGD(learning_rate, momentum, use_nesterov, learning_rate_in_momentum=False, name=name)


def AdagradOptimizer(
    learning_rate: LearningRate,
    initial_accumulator_value: float = 0.1,
    use_locking: bool = False,
    name: str = "Adagrad",
) -> Adagrad:
    """Return Adagrad without epsilon, so the accumulator must start above 0."""
    check_range("initial_accumulator_value", initial_accumulator_value, 0.0, inclusive=False)
    return Adagrad(learning_rate, initial_accumulator_value, epsilon=0.0, name=name)


def AdamOptimizer(
    learning_rate: LearningRate = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    use_locking: bool = False,
    name: str = "Adam",
) -> Adam:
    """Return Adam."""
    return Adam(learning_rate, beta1, beta2, epsilon, name=name)


def RMSPropOptimizer(
    learning_rate: LearningRate,
    decay: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-10,
    use_locking: bool = False,
    centered: bool = False,
    name: str = "RMSProp",
) -> RMSprop:
    """Return RMSprop whose mean of squares starts at 1, with epsilon inside of the root."""
    return RMSprop(
        learning_rate, decay, momentum, epsilon, centered, epsilon_in_root=True, initial_rms=1.0, name=name
    )


def FtrlOptimizer(
    learning_rate: LearningRate,
    learning_rate_power: float = -0.5,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    use_locking: bool = False,
    name: str = "Ftrl",
    accum_name: str | None = None,
    linear_name: str | None = None,
    l2_shrinkage_regularization_strength: float = 0.0,
    beta: float | None = None,
) -> Ftrl:
    """Return FTRL-proximal."""
    return Ftrl(
        learning_rate,
        learning_rate_power,
        initial_accumulator_value,
        l1_regularization_strength,
        l2_regularization_strength,
        l2_shrinkage_regularization_strength,
        0.0 if beta is None else beta,
        name=name,
    )


def AdadeltaOptimizer(
    learning_rate: LearningRate = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-8,
    use_locking: bool = False,
    name: str = "Adadelta",
) -> Adadelta:
    """Return Adadelta."""
    return Adadelta(learning_rate, rho, epsilon, name=name)


def ProximalAdagradOptimizer(
    learning_rate: LearningRate,
    initial_accumulator_value: float = 0.1,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    use_locking: bool = False,
    name: str = "ProximalAdagrad",
) -> Adagrad:
    """Return Adagrad without epsilon, with shrinkage after each step."""
    check_range("initial_accumulator_value", initial_accumulator_value, 0.0, inclusive=False)
    return Adagrad(
        learning_rate,
        initial_accumulator_value,
        epsilon=0.0,
        l1_regularization_strength=l1_regularization_strength,
        l2_regularization_strength=l2_regularization_strength,
        name=name,
    )


def ProximalGradientDescentOptimizer(
    learning_rate: LearningRate,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    use_locking: bool = False,
    name: str = "ProximalGradientDescent",
) -> SGD:
    """Return gradient descent with shrinkage after each step."""
    return SGD(
        learning_rate,
        l1_regularization_strength=l1_regularization_strength,
        l2_regularization_strength=l2_regularization_strength,
        name=name,
    )
