"""Optimizers, one file each. `v1` makes them with the names and defaults of ``tf.compat.v1.train``."""

from __future__ import annotations

from estimators.optimizers import v1
from estimators.optimizers.adadelta import Adadelta
from estimators.optimizers.adagrad import Adagrad
from estimators.optimizers.adam import Adam
from estimators.optimizers.adamax import Adamax
from estimators.optimizers.adamw import AdamW
from estimators.optimizers.base import Optimizer
from estimators.optimizers.ftrl import Ftrl
from estimators.optimizers.nadam import Nadam
from estimators.optimizers.rmsprop import RMSprop
from estimators.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "Adadelta": Adadelta,
    "Adagrad": Adagrad,
    "Adam": Adam,
    "AdamW": AdamW,
    "Adamax": Adamax,
    "Ftrl": Ftrl,
    "Nadam": Nadam,
    "RMSProp": RMSprop,
    "RMSprop": RMSprop,
    "SGD": SGD,
}
"""Classes by the names that estimators accept for their `optimizer` argument."""

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "v1",
]
