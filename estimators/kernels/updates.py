"""Updates of optimizers, one pass over a variable and its slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel


@kernel
def ftrl(
    variable: npt.NDArray[Any],
    gradient: npt.NDArray[Any],
    accumulator: npt.NDArray[Any],
    linear: npt.NDArray[Any],
    new_variable: npt.NDArray[Any],
    new_accumulator: npt.NDArray[Any],
    new_linear: npt.NDArray[Any],
    learning_rate: float,
    learning_rate_power: float,
    l1: float,
    l2: float,
    shrinkage: float,
) -> None:
    """Fill the new arrays from the old ones; all have rank 1, and settings take their dtype."""
    kind = variable.dtype.type
    rate, power, zero, two = kind(learning_rate), kind(-learning_rate_power), kind(0.0), kind(2.0)
    bound, ridge, shrink = kind(l1), two * kind(l2), two * kind(shrinkage)
    root = learning_rate_power == -0.5
    for i in range(len(variable)):
        g, n = gradient[i], accumulator[i]
        new_n = n + g * g
        powered = np.sqrt(new_n) if root else new_n**power
        before = np.sqrt(n) if root else n**power
        z = linear[i] + (g + shrink * variable[i] - (powered - before) / rate * variable[i])
        excess = min(max(z, -bound), bound) - z
        new_variable[i] = excess / (powered / rate + ridge) if excess != zero else zero
        new_accumulator[i] = new_n
        new_linear[i] = z
