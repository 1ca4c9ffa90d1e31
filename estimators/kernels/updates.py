"""Updates of optimizers: one pass over a variable and its slots, which change in place.

All arrays have rank 1 and one dtype, which the settings take. The arrays that change are different from
each other; at each position the gradient is read first, so it may be one of them. The order of operations
is that of the primitives' NumPy form.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.kernels.jit import kernel
from estimators.kernels.prefetching import AHEAD, prefetch

Array: TypeAlias = npt.NDArray[Any]


@kernel
def sgd(variable: Array, gradient: Array, learning_rate: float) -> None:
    """Step down the gradient."""
    rate = variable.dtype.type(learning_rate)
    for i in range(len(variable)):
        variable[i] = variable[i] - rate * gradient[i]


@kernel
def proximal_sgd(variable: Array, gradient: Array, learning_rate: float, l1: float, l2: float) -> None:
    """Step down the gradient, then shrink."""
    kind = variable.dtype.type
    rate, bound = kind(learning_rate), kind(learning_rate * l1)
    scale, zero = kind(1.0 + learning_rate * l2), kind(0.0)
    for i in range(len(variable)):
        p = variable[i] - rate * gradient[i]
        size = abs(p) - bound
        size = (zero if size < zero else size) / scale
        variable[i] = size if p > zero else -size


@kernel
def momentum(
    variable: Array,
    velocity: Array,
    gradient: Array,
    learning_rate: float,
    decay: float,
    nesterov: bool,
    scaled: bool,
) -> None:
    """Step along a decaying sum of gradients; `scaled` sums are of steps, with their learning rates."""
    kind = variable.dtype.type
    rate, keep = kind(learning_rate), kind(decay)
    if scaled:
        for i in range(len(variable)):
            g = rate * gradient[i]
            a = keep * velocity[i] - g
            variable[i] = variable[i] + (keep * a - g if nesterov else a)
            velocity[i] = a
    else:
        for i in range(len(variable)):
            g = gradient[i]
            a = keep * velocity[i] + g
            variable[i] = variable[i] - rate * (keep * a + g if nesterov else a)
            velocity[i] = a


@kernel
def adagrad(
    variable: Array, accumulator: Array, gradient: Array, learning_rate: float, epsilon: float
) -> None:
    """Divide by the root of the sum of squares."""
    kind = variable.dtype.type
    rate, small = kind(learning_rate), kind(epsilon)
    for i in range(len(variable)):
        g = gradient[i]
        n = accumulator[i] + g * g
        variable[i] = variable[i] - rate * g / (np.sqrt(n) + small)
        accumulator[i] = n


@kernel
def proximal_adagrad(
    variable: Array,
    accumulator: Array,
    gradient: Array,
    learning_rate: float,
    epsilon: float,
    l1: float,
    l2: float,
) -> None:
    """Divide by the root of the sum of squares, then shrink."""
    kind = variable.dtype.type
    rate, small, zero, one = kind(learning_rate), kind(epsilon), kind(0.0), kind(1.0)
    lasso, ridge = kind(l1), kind(l2)
    for i in range(len(variable)):
        g = gradient[i]
        n = accumulator[i] + g * g
        eta = rate / (np.sqrt(n) + small)
        p = variable[i] - eta * g
        size = abs(p) - eta * lasso
        size = (zero if size < zero else size) / (one + eta * ridge)
        variable[i] = size if p > zero else -size
        accumulator[i] = n


@kernel
def adam(
    variable: Array,
    mean: Array,
    square: Array,
    gradient: Array,
    corrected_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> None:
    """Divide a mean of gradients by the root of a mean of squares; `decay` of the variable is taken off."""
    kind = variable.dtype.type
    rate, small, shrink = kind(corrected_rate), kind(epsilon), kind(decay)
    keep_1, keep_2, new_1, new_2 = kind(beta_1), kind(beta_2), kind(1.0 - beta_1), kind(1.0 - beta_2)
    for i in range(len(variable)):
        g, v = gradient[i], variable[i]
        m = keep_1 * mean[i] + new_1 * g
        s = keep_2 * square[i] + new_2 * (g * g)
        variable[i] = v - shrink * v - rate * m / (np.sqrt(s) + small)
        mean[i] = m
        square[i] = s


@kernel
def amsgrad(
    variable: Array,
    mean: Array,
    square: Array,
    largest: Array,
    gradient: Array,
    corrected_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
) -> None:
    """As `adam`, with the largest mean of squares so far."""
    kind = variable.dtype.type
    rate, small, shrink = kind(corrected_rate), kind(epsilon), kind(decay)
    keep_1, keep_2, new_1, new_2 = kind(beta_1), kind(beta_2), kind(1.0 - beta_1), kind(1.0 - beta_2)
    for i in range(len(variable)):
        g, v = gradient[i], variable[i]
        m = keep_1 * mean[i] + new_1 * g
        s = keep_2 * square[i] + new_2 * (g * g)
        most = largest[i]
        most = most if most >= s or most != most else s
        variable[i] = v - shrink * v - rate * m / (np.sqrt(most) + small)
        mean[i] = m
        square[i] = s
        largest[i] = most


@kernel
def adamax(
    variable: Array,
    mean: Array,
    norm: Array,
    gradient: Array,
    corrected_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Divide a mean of gradients by their decaying largest size."""
    kind = variable.dtype.type
    rate, small = kind(corrected_rate), kind(epsilon)
    keep_1, keep_2, new_1 = kind(beta_1), kind(beta_2), kind(1.0 - beta_1)
    for i in range(len(variable)):
        g = gradient[i]
        m = keep_1 * mean[i] + new_1 * g
        before, size = keep_2 * norm[i], abs(g)
        u = before if before >= size or before != before else size
        variable[i] = variable[i] - rate * m / (u + small)
        mean[i] = m
        norm[i] = u


@kernel
def nadam(
    variable: Array,
    mean: Array,
    square: Array,
    gradient: Array,
    gradient_rate: float,
    mean_rate: float,
    correction: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Divide a mix of gradient and mean by the root of the corrected mean of squares."""
    kind = variable.dtype.type
    rate_g, rate_m, corrected, small = kind(gradient_rate), kind(mean_rate), kind(correction), kind(epsilon)
    keep_1, keep_2, new_1, new_2 = kind(beta_1), kind(beta_2), kind(1.0 - beta_1), kind(1.0 - beta_2)
    for i in range(len(variable)):
        g = gradient[i]
        m = keep_1 * mean[i] + new_1 * g
        s = keep_2 * square[i] + new_2 * (g * g)
        variable[i] = variable[i] - (rate_g * g + rate_m * m) / (np.sqrt(s / corrected) + small)
        mean[i] = m
        square[i] = s


@kernel
def rmsprop(
    variable: Array,
    square: Array,
    gradient: Array,
    learning_rate: float,
    rho: float,
    epsilon: float,
    in_root: bool,
) -> None:
    """Divide by the root of a mean of squares."""
    kind = variable.dtype.type
    rate, keep, new = kind(learning_rate), kind(rho), kind(1.0 - rho)
    inside, outside = kind(epsilon if in_root else 0.0), kind(0.0 if in_root else epsilon)
    for i in range(len(variable)):
        g = gradient[i]
        s = keep * square[i] + new * (g * g)
        variable[i] = variable[i] - rate * g / (np.sqrt(s + inside) + outside)
        square[i] = s


@kernel
def rmsprop_with(
    variable: Array,
    square: Array,
    mean: Array,
    velocity: Array,
    gradient: Array,
    learning_rate: float,
    rho: float,
    decay: float,
    epsilon: float,
    in_root: bool,
    centered: bool,
) -> None:
    """As `rmsprop`, with momentum if `decay` is not 0, and a mean of gradients (if `centered`)."""
    kind = variable.dtype.type
    rate, keep, new, drift, zero = kind(learning_rate), kind(rho), kind(1.0 - rho), kind(decay), kind(0.0)
    inside, outside = kind(epsilon if in_root else 0.0), kind(0.0 if in_root else epsilon)
    for i in range(len(variable)):
        g = gradient[i]
        s = keep * square[i] + new * (g * g)
        spread = s
        if centered:
            m = keep * mean[i] + new * g
            spread = s - m * m
            spread = zero if spread < zero else spread
            mean[i] = m
        change = rate * g / (np.sqrt(spread + inside) + outside)
        if decay != 0.0:
            change = drift * velocity[i] + change
            velocity[i] = change
        variable[i] = variable[i] - change
        square[i] = s


@kernel
def adadelta(
    variable: Array,
    square: Array,
    change: Array,
    gradient: Array,
    learning_rate: float,
    rho: float,
    epsilon: float,
) -> None:
    """Scale by the root of past changes over the root of past gradients."""
    kind = variable.dtype.type
    rate, keep, new, small = kind(learning_rate), kind(rho), kind(1.0 - rho), kind(epsilon)
    for i in range(len(variable)):
        g, u = gradient[i], change[i]
        a = keep * square[i] + new * (g * g)
        d = np.sqrt(u + small) / np.sqrt(a + small) * g
        variable[i] = variable[i] - rate * d
        square[i] = a
        change[i] = keep * u + new * (d * d)


@kernel
def _ftrl(
    v: Any, n: Any, z: Any, g: Any, rate: Any, power: Any, root: bool, bound: Any, ridge: Any, shrink: Any
) -> tuple[Any, Any, Any]:
    """Return the new values of one weight."""
    new_n = n + g * g
    powered = np.sqrt(new_n) if root else new_n**power
    before = np.sqrt(n) if root else n**power
    z = z + (g + shrink * v - (powered - before) / rate * v)
    excess = min(max(z, -bound), bound) - z
    return (excess / (powered / rate + ridge) if excess != 0 else excess), new_n, z


@kernel
def ftrl(
    variable: Array,
    accumulator: Array,
    linear: Array,
    gradient: Array,
    learning_rate: float,
    learning_rate_power: float,
    l1: float,
    l2: float,
    shrinkage: float,
) -> None:
    """Follow the regularized leader."""
    kind = variable.dtype.type
    rate, power, two = kind(learning_rate), kind(-learning_rate_power), kind(2.0)
    bound, ridge, shrink = kind(l1), two * kind(l2), two * kind(shrinkage)
    root = learning_rate_power == -0.5
    for i in range(len(variable)):
        v, n, z = _ftrl(
            variable[i], accumulator[i], linear[i], gradient[i], rate, power, root, bound, ridge, shrink
        )
        variable[i], accumulator[i], linear[i] = v, n, z


# Of rows ``[n]`` of tables ``[rows, units]``; gradients are ``[n, units]``, rows are different -------------


@kernel
def sgd_rows(variable: Array, rows: Array, gradient: Array, learning_rate: float) -> None:
    """As `sgd`, of rows."""
    rate = variable.dtype.type(learning_rate)
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(variable, rows[i + AHEAD])
        for k in range(variable.shape[1]):
            variable[rows[i], k] = variable[rows[i], k] - rate * gradient[i, k]


@kernel
def adagrad_rows(
    variable: Array, accumulator: Array, rows: Array, gradient: Array, learning_rate: float, epsilon: float
) -> None:
    """As `adagrad`, of rows."""
    kind = variable.dtype.type
    rate, small = kind(learning_rate), kind(epsilon)
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(variable, rows[i + AHEAD])
            prefetch(accumulator, rows[i + AHEAD])
        row = rows[i]
        for k in range(variable.shape[1]):
            g = gradient[i, k]
            n = accumulator[row, k] + g * g
            variable[row, k] = variable[row, k] - rate * g / (np.sqrt(n) + small)
            accumulator[row, k] = n


@kernel
def ftrl_rows(
    variable: Array,
    accumulator: Array,
    linear: Array,
    rows: Array,
    gradient: Array,
    learning_rate: float,
    learning_rate_power: float,
    l1: float,
    l2: float,
    shrinkage: float,
) -> None:
    """As `ftrl`, of rows."""
    kind = variable.dtype.type
    rate, power, two = kind(learning_rate), kind(-learning_rate_power), kind(2.0)
    bound, ridge, shrink = kind(l1), two * kind(l2), two * kind(shrinkage)
    root = learning_rate_power == -0.5
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            prefetch(variable, rows[i + AHEAD])
            prefetch(accumulator, rows[i + AHEAD])
            prefetch(linear, rows[i + AHEAD])
        row = rows[i]
        for k in range(variable.shape[1]):
            old = variable[row, k], accumulator[row, k], linear[row, k]
            v, n, z = _ftrl(*old, gradient[i, k], rate, power, root, bound, ridge, shrink)
            variable[row, k], accumulator[row, k], linear[row, k] = v, n, z


@kernel
def moving_average(average: Array, start: Array, value: Array, decay: float) -> None:
    """Fill `average` with decay * start + (1 - decay) * value."""
    kind = average.dtype.type
    keep, new = kind(decay), kind(1.0 - decay)
    for i in range(len(average)):
        average[i] = keep * start[i] + new * value[i]
