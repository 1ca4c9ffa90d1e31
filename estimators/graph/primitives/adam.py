"""Steps of Adam and its kin, which divide a mean of gradients by the root of a mean of squares."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from estimators import kernels
from estimators.graph.primitives.steps import cast, step_primitive


def _corrected(rate: float, step: float, beta_1: float, beta_2: float) -> float:
    """Return the rate of Adam in a step, with both corrections of means that began at 0."""
    t = step + 1.0
    return rate * math.sqrt(1.0 - math.pow(beta_2, t)) / (1.0 - math.pow(beta_1, t))


def _means(m: Any, s: Any, g: Any, beta_1: float, beta_2: float) -> tuple[Any, Any]:
    keep_1, keep_2, new_1, new_2 = cast(g, beta_1, beta_2, 1.0 - beta_1, 1.0 - beta_2)
    return keep_1 * m + new_1 * g, keep_2 * s + new_2 * (g * g)


def _adam(
    v: Any, g: Any, m: Any, s: Any, *rest: Any, beta_1: float, beta_2: float, epsilon: float, decay: float
) -> tuple[Any, ...]:
    *largest, rate, step = rest
    lr, small, shrink = cast(v, _corrected(rate, step, beta_1, beta_2), epsilon, rate * decay)
    m, s = _means(m, s, g, beta_1, beta_2)
    most = np.maximum(largest[0], s) if largest else s
    new = v - shrink * v - lr * m / (np.sqrt(most) + small)
    return (new, m, s, most) if largest else (new, m, s)


def _adam_fill(
    arrays: Any,
    gradient: Any,
    rate: float,
    step: float,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> None:
    lr = _corrected(rate, step, beta_1, beta_2)
    kernel = kernels.updates.adam if len(arrays) == 3 else kernels.updates.amsgrad
    kernel(*arrays, gradient, lr, beta_1, beta_2, epsilon, rate * decay)


_BETAS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
_DECAYED = {**_BETAS, "decay": 0.1}

adam = step_primitive("adam", _adam, _adam_fill, [(2, {**_BETAS, "decay": 0.0}), (2, _DECAYED)], scalars=2)
"""New values of a variable, its `m` and `v`: see `estimators.optimizers.Adam` and `AdamW`."""

amsgrad = step_primitive("amsgrad", _adam, _adam_fill, [(3, _DECAYED)], scalars=2)
"""New values of a variable, its `m`, `v` and `vhat`: see `estimators.optimizers.Adam`."""


def _adamax(
    v: Any, g: Any, m: Any, u: Any, rate: float, step: float, *, beta_1: float, beta_2: float, epsilon: float
) -> tuple[Any, ...]:
    lr, small, keep_1, new_1, keep_2 = cast(
        v, rate / (1.0 - beta_1 ** (step + 1.0)), epsilon, beta_1, 1.0 - beta_1, beta_2
    )
    m = keep_1 * m + new_1 * g
    u = np.maximum(keep_2 * u, np.abs(g))
    return v - lr * m / (u + small), m, u


def _adamax_fill(
    arrays: Any, gradient: Any, rate: float, step: float, *, beta_1: float, beta_2: float, epsilon: float
) -> None:
    lr = rate / (1.0 - beta_1 ** (step + 1.0))
    kernels.updates.adamax(*arrays, gradient, lr, beta_1, beta_2, epsilon)


adamax = step_primitive("adamax", _adamax, _adamax_fill, [(2, _BETAS)], scalars=2)
"""New values of a variable, its `m` and `v`: see `estimators.optimizers.Adamax`."""


@functools.lru_cache(maxsize=64)
def _nadam_rates(step: float, beta_1: float, beta_2: float, decay: float) -> tuple[float, float, float]:
    """Return the shares of gradient and mean in a step of Nadam, and the correction of the squares.

    With u(t) = beta_1 (1 - q^t / 2) and q = 0.96^decay, the product of u(1) … u(t) is needed. The
    logarithm of its second factors is the sum over k = 1, 2, … of -(q^k + q^2k + … + q^tk) / (k 2^k), with
    geometric sums in closed form; the terms fall by half, so that 64 of them are exact.
    """
    t = step + 1.0
    log_q = decay * math.log(0.96)
    k = np.arange(1.0, 65.0)
    weights = 0.5**k / k

    def product(count: float) -> float:
        if not decay:
            return math.pow(0.5 * beta_1, count)
        sums = np.exp(k * log_q) * np.expm1(count * k * log_q) / np.expm1(k * log_q)
        return math.pow(beta_1, count) * math.exp(-float(np.sum(weights * sums)))

    now = beta_1 * (1.0 - 0.5 * math.exp(t * log_q))
    following = beta_1 * (1.0 - 0.5 * math.exp((t + 1.0) * log_q))
    return (1.0 - now) / (1.0 - product(t)), following / (1.0 - product(t + 1.0)), 1.0 - beta_2**t


def _nadam(
    v: Any,
    g: Any,
    m: Any,
    s: Any,
    rate: float,
    step: float,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> tuple[Any, ...]:
    of_gradient, of_mean, correction = _nadam_rates(step, beta_1, beta_2, decay)
    rate_g, rate_m, corrected, small = cast(v, rate * of_gradient, rate * of_mean, correction, epsilon)
    m, s = _means(m, s, g, beta_1, beta_2)
    return v - (rate_g * g + rate_m * m) / (np.sqrt(s / corrected) + small), m, s


def _nadam_fill(
    arrays: Any,
    gradient: Any,
    rate: float,
    step: float,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> None:
    of_gradient, of_mean, correction = _nadam_rates(step, beta_1, beta_2, decay)
    kernels.updates.nadam(
        *arrays, gradient, rate * of_gradient, rate * of_mean, correction, beta_1, beta_2, epsilon
    )


nadam = step_primitive("nadam", _nadam, _nadam_fill, [(2, {**_BETAS, "decay": 0.004})], scalars=2)
"""New values of a variable, its `m` and `v`: see `estimators.optimizers.Nadam`."""
