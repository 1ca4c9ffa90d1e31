"""Optimizers, one file each."""

from __future__ import annotations

from estimators.optimizers.base import Optimizer
from estimators.optimizers.ftrl import Ftrl

OPTIMIZERS: dict[str, type[Optimizer]] = {"Ftrl": Ftrl}
"""Classes by the names that estimators accept for their `optimizer` argument."""

__all__ = ["OPTIMIZERS", "Ftrl", "Optimizer"]
