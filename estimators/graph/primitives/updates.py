"""Steps of optimizers that keep sums of gradients or of squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from estimators import kernels
from estimators.graph.primitives.steps import cast, positive, step_primitive
from estimators.graph.registry import ROW_STEPS

# Gradient descent ----------------------------------------------------------------------------------


def _sgd(v: Any, g: Any, rate: float, *, l1: float, l2: float) -> tuple[Any, ...]:
    (lr,) = cast(v, rate)
    p = v - lr * g
    if not (l1 or l2):
        return (p,)
    bound, scale = cast(v, rate * l1, 1.0 + rate * l2)
    size = positive(np.abs(p) - bound) / scale
    return (np.where(p > 0, size, -size),)


def _sgd_fill(arrays: Any, gradient: Any, rate: float, *, l1: float, l2: float) -> None:
    if l1 or l2:
        kernels.updates.proximal_sgd(*arrays, gradient, rate, l1, l2)
    else:
        kernels.updates.sgd(*arrays, gradient, rate)


def _sgd_rows(arrays: Any, rows: Any, gradient: Any, rate: float, **_: float) -> None:
    kernels.updates.sgd_rows(*arrays, rows, gradient, rate)


sgd = step_primitive("sgd", _sgd, _sgd_fill, [(0, {"l1": 0.0, "l2": 0.0}), (0, {"l1": 0.5, "l2": 0.2})])
"""New value of a variable: see `estimators.optimizers.SGD`."""


def _momentum(
    v: Any, g: Any, a: Any, rate: float, *, momentum: float, nesterov: bool, scaled: bool
) -> tuple[Any, ...]:
    lr, keep = cast(v, rate, momentum)
    if scaled:
        step = lr * g
        a = keep * a - step
        return v + (keep * a - step if nesterov else a), a
    a = keep * a + g
    return v - lr * (keep * a + g if nesterov else a), a


def _momentum_fill(
    arrays: Any, gradient: Any, rate: float, *, momentum: float, nesterov: bool, scaled: bool
) -> None:
    kernels.updates.momentum(*arrays, gradient, rate, momentum, nesterov, scaled)


momentum = step_primitive(
    "momentum",
    _momentum,
    _momentum_fill,
    [(1, {"momentum": 0.9, "nesterov": n, "scaled": s}) for n in (False, True) for s in (False, True)],
)
"""New values of a variable and its `momentum`: see `estimators.optimizers.SGD`."""

# Adagrad and Adadelta ------------------------------------------------------------------------------


def _adagrad(v: Any, g: Any, n: Any, rate: float, *, epsilon: float, l1: float, l2: float) -> tuple[Any, ...]:
    lr, small, lasso, ridge = cast(v, rate, epsilon, l1, l2)
    n = n + g * g
    if not (l1 or l2):
        return v - lr * g / (np.sqrt(n) + small), n
    eta = lr / (np.sqrt(n) + small)
    p = v - eta * g
    size = positive(np.abs(p) - eta * lasso) / (1.0 + eta * ridge)
    return np.where(p > 0, size, -size), n


def _adagrad_fill(arrays: Any, gradient: Any, rate: float, *, epsilon: float, l1: float, l2: float) -> None:
    if l1 or l2:
        kernels.updates.proximal_adagrad(*arrays, gradient, rate, epsilon, l1, l2)
    else:
        kernels.updates.adagrad(*arrays, gradient, rate, epsilon)


def _adagrad_rows(arrays: Any, rows: Any, gradient: Any, rate: float, *, epsilon: float, **_: float) -> None:
    kernels.updates.adagrad_rows(*arrays, rows, gradient, rate, epsilon)


adagrad = step_primitive(
    "adagrad",
    _adagrad,
    _adagrad_fill,
    [(1, {"epsilon": 1e-7, "l1": 0.0, "l2": 0.0}), (1, {"epsilon": 0.0, "l1": 0.5, "l2": 0.2})],
)
"""New values of a variable and its `accumulator`: see `estimators.optimizers.Adagrad`."""


def _adadelta(v: Any, g: Any, a: Any, u: Any, rate: float, *, rho: float, epsilon: float) -> tuple[Any, ...]:
    lr, keep, new, small = cast(v, rate, rho, 1.0 - rho, epsilon)
    a = keep * a + new * (g * g)
    d = np.sqrt(u + small) / np.sqrt(a + small) * g
    return v - lr * d, a, keep * u + new * (d * d)


def _adadelta_fill(arrays: Any, gradient: Any, rate: float, *, rho: float, epsilon: float) -> None:
    kernels.updates.adadelta(*arrays, gradient, rate, rho, epsilon)


adadelta = step_primitive("adadelta", _adadelta, _adadelta_fill, [(2, {"rho": 0.95, "epsilon": 1e-7})])
"""New values of a variable, its `accum_grad` and `accum_var`: see `estimators.optimizers.Adadelta`."""

# RMSprop -------------------------------------------------------------------------------------------


def _rmsprop(
    v: Any,
    g: Any,
    s: Any,
    *rest: Any,
    rho: float,
    momentum: float,
    epsilon: float,
    in_root: bool,
    centered: bool,
) -> tuple[Any, ...]:
    *slots, rate = rest
    lr, keep, new, drift = cast(v, rate, rho, 1.0 - rho, momentum)
    inside, outside = cast(v, *((epsilon, 0.0) if in_root else (0.0, epsilon)))
    s = spread = keep * s + new * (g * g)
    results = [s]
    if centered:
        m = keep * slots[0] + new * g
        results.append(m)
        spread = positive(s - m * m)
    change = lr * g / (np.sqrt(spread + inside) + outside)
    if momentum:
        change = drift * slots[-1] + change
        results.append(change)
    return v - change, *results


def _rmsprop_fill(
    arrays: Any,
    gradient: Any,
    rate: float,
    *,
    rho: float,
    momentum: float,
    epsilon: float,
    in_root: bool,
    centered: bool,
) -> None:
    v, s, *slots = arrays
    if not slots:
        kernels.updates.rmsprop(v, s, gradient, rate, rho, epsilon, in_root)
        return
    nothing = np.empty(0, v.dtype)
    mean, velocity = slots[0] if centered else nothing, slots[-1] if momentum else nothing
    kernels.updates.rmsprop_with(
        v, s, mean, velocity, gradient, rate, rho, momentum, epsilon, in_root, centered
    )


rmsprop = step_primitive(
    "rmsprop",
    _rmsprop,
    _rmsprop_fill,
    [
        (
            1 + c + bool(m),
            {"rho": 0.9, "momentum": m, "epsilon": 1e-7, "in_root": bool(m), "centered": c},
        )
        for c in (False, True)
        for m in (0.0, 0.5)
    ],
)
"""New values of a variable, its `rms`, then `mg` and `momentum` if it has them: see
`estimators.optimizers.RMSprop`."""

# FTRL ----------------------------------------------------------------------------------------------


def _ftrl(
    v: Any,
    g: Any,
    n: Any,
    z: Any,
    rate: float,
    *,
    learning_rate_power: float,
    l1: float,
    l2: float,
    beta: float,
    shrinkage: float,
) -> tuple[Any, ...]:
    lr, power, bound, half_ridge, shrink = cast(
        v, rate, -learning_rate_power, l1, l2 + beta / (2.0 * rate), shrinkage
    )
    root = learning_rate_power == -0.5
    new_n = n + g * g
    powered, before = (np.sqrt(x) if root else x**power for x in (new_n, n))
    z = z + (g + 2.0 * shrink * v - (powered - before) / lr * v)
    excess = np.minimum(np.maximum(z, -bound), bound) - z
    divisor = np.where(excess != 0, powered / lr + 2.0 * half_ridge, lr)
    return excess / divisor, new_n, z


def _ftrl_fill(
    arrays: Any,
    gradient: Any,
    rate: float,
    *,
    learning_rate_power: float,
    l1: float,
    l2: float,
    beta: float,
    shrinkage: float,
) -> None:
    kernels.updates.ftrl(
        *arrays, gradient, rate, learning_rate_power, l1, l2 + beta / (2.0 * rate), shrinkage
    )


def _ftrl_rows(
    arrays: Any,
    rows: Any,
    gradient: Any,
    rate: float,
    *,
    learning_rate_power: float,
    l1: float,
    l2: float,
    beta: float,
    shrinkage: float,
) -> None:
    ridge = l2 + beta / (2.0 * rate)
    kernels.updates.ftrl_rows(*arrays, rows, gradient, rate, learning_rate_power, l1, ridge, shrinkage)


_FTRL = {"learning_rate_power": -0.5, "l1": 0.0, "l2": 0.2, "beta": 0.5, "shrinkage": 0.3}

ftrl = step_primitive(
    "ftrl", _ftrl, _ftrl_fill, [(2, _FTRL), (2, {**_FTRL, "learning_rate_power": -0.3, "l1": 0.1})]
)
"""New values of a variable, its `accumulator` and its `linear`: see `estimators.optimizers.Ftrl`."""

# In rows of tables ---------------------------------------------------------------------------------

ROW_STEPS["sgd"] = lambda attributes: None if attributes["l1"] or attributes["l2"] else _sgd_rows
ROW_STEPS["adagrad"] = lambda attributes: None if attributes["l1"] or attributes["l2"] else _adagrad_rows
ROW_STEPS["ftrl"] = lambda attributes: _ftrl_rows
