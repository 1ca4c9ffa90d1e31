"""Steps of optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.expr.tensor import Primitive
from estimators import kernels


def _ftrl(
    _: int,
    variable: Any,
    gradient: Any,
    accumulator: Any,
    linear: Any,
    learning_rate: Any,
    *,
    learning_rate_power: float,
    l1: float,
    l2: float,
    beta: float,
    shrinkage: float,
) -> Any:
    rate = float(learning_rate)
    v, n, z = (np.empty(variable.shape, variable.dtype) for _ in range(3))
    kernels.updates.ftrl(
        variable.ravel(), gradient.ravel(), accumulator.ravel(), linear.ravel(),
        v.ravel(), n.ravel(), z.ravel(),
        rate, learning_rate_power, l1, l2 + beta / (2 * rate), shrinkage,
    )  # fmt: skip
    return v, n, z


def _ftrl_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    arrays = (np.array([1.0, -2.0]), np.array([0.5, 0.0]), np.array([0.1, 0.1]), np.array([0.0, 0.3]), 0.1)
    root = {"learning_rate_power": -0.5, "l1": 0.0, "l2": 0.2, "beta": 0.5, "shrinkage": 0.3}
    return [(arrays, root), (arrays, {**root, "learning_rate_power": -0.3, "l1": 0.1})]


ftrl = Primitive(
    "ftrl", lambda variable, *_, **__: (variable.spec,) * 3, _ftrl, _ftrl_samples, elementwise=True
)
"""New values of a variable, its `accumulator` and its `linear`: see `estimators.optimizers.Ftrl`."""
