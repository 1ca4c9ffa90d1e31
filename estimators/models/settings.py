"""What arguments of canned estimators mean: optimizers by name, classes and numbers as heads, features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from estimators.heads import BinaryClassHead, Head, MultiClassHead
from estimators.heads.inputs import WeightColumn
from estimators.optimizers import OPTIMIZERS, Optimizer, v1

OptimizerArgument: TypeAlias = str | Optimizer | Callable[[], Optimizer] | None
"""A name, an optimizer, a function that returns one, or, where the estimator says so, None."""

MakeOptimizer: TypeAlias = Callable[[], Optimizer]


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What optimizers by name are: all that differs between the classes of tf.estimator 1 and 2.

    Args:
        optimizers: Makes an optimizer of a learning rate, by name.
        dnn_rates: Learning rates of networks, by name.
    """

    optimizers: Mapping[str, Callable[[float], Optimizer]]
    dnn_rates: Mapping[str, float]


V1 = Defaults(
    {
        "Adagrad": v1.AdagradOptimizer,
        "Adam": v1.AdamOptimizer,
        "Ftrl": v1.FtrlOptimizer,
        "RMSProp": v1.RMSPropOptimizer,
        "SGD": v1.GradientDescentOptimizer,
    },
    dict.fromkeys(("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"), 0.05),
)
"""As the classes of ``tf.compat.v1.estimator``."""

V2 = Defaults(OPTIMIZERS, {**dict.fromkeys(OPTIMIZERS, 0.001), "SGD": 0.01, "Adagrad": 0.05})
"""As those of ``tf.estimator``: each optimizer's own default, but for Adagrad, which would hardly move."""


def optimizer_maker(
    optimizer: OptimizerArgument, rates: float | Mapping[str, float], defaults: Defaults = V2
) -> MakeOptimizer:
    """Return a function that makes what an estimator's argument means, when a model is to be trained.

    Args:
        optimizer: A name, an optimizer, or a function that returns one.
        rates: Learning rate for a name, or those by name.
        defaults: What names stand for.

    Raises:
        InvalidArgumentError: There is no optimizer of that name.
        SpecError: It is something else; or, when it is made, the function returned something else.

    >>> optimizer_maker("Ftrl", 0.2)().hyperparameters["learning_rate"]
    0.2
    """
    if isinstance(optimizer, str):
        if optimizer not in defaults.optimizers:
            raise InvalidArgumentError(
                f"there is no optimizer {optimizer!r}", hint=did_you_mean(optimizer, defaults.optimizers)
            )
        rate = rates if isinstance(rates, float) else rates[optimizer]
        made = defaults.optimizers[optimizer](rate)
        return lambda: made
    if isinstance(optimizer, Optimizer):
        return lambda: optimizer
    if not callable(optimizer):
        raise SpecError(
            f"optimizer must be a name, an Optimizer or a function that returns one, not {optimizer!r}"
        )
    return lambda: _checked(optimizer())


def _checked(made: object) -> Optimizer:
    if not isinstance(made, Optimizer):
        raise SpecError(f"the function given as optimizer must return an Optimizer, and returned {made!r}")
    return made


def linear_rate(limit: float, columns: int) -> float:
    """Return the learning rate of a linear model with that many columns: min(limit, 1 / √columns).

    >>> linear_rate(0.2, 100)
    0.1
    """
    return min(limit, 1 / float(np.sqrt(columns)))


def classifier_head(
    n_classes: int,
    weight_column: WeightColumn,
    label_vocabulary: Sequence[str] | None,
    loss_reduction: str,
) -> Head:
    """Return the head for a number of classes.

    Raises:
        InvalidArgumentError: There are less than two.
    """
    if isinstance(n_classes, bool) or not isinstance(n_classes, int | np.integer) or n_classes < 2:
        raise InvalidArgumentError(f"n_classes must be an integer of at least 2, not {n_classes!r}")
    if n_classes == 2:
        return BinaryClassHead(weight_column, None, label_vocabulary, loss_reduction)
    return MultiClassHead(int(n_classes), weight_column, label_vocabulary, loss_reduction)


def checked_head(head: Any) -> Head:
    """Return the head if it is one, else raise."""
    if not isinstance(head, Head):
        raise SpecError(f"head must be one of estimators.heads, not {head!r}", hint="RegressionHead(), say")
    return head
