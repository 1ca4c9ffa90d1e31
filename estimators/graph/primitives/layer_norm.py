"""Layer normalization over the last axis (Ba et al., 2016, https://arxiv.org/abs/1607.06450)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import float_like
from estimators.graph.primitives.shapes import expand_like
from estimators.graph.registry import KERNELS, RULES, Kernel, output


def _infer(x: Tensor, gamma: Tensor, beta: Tensor, *, epsilon: float) -> tuple[TensorSpec, ...]:
    float_like(x)
    width = x.shape[-1] if x.ndim else None
    if not x.ndim or any(t.ndim != 1 or t.shape[0] not in (None, width) for t in (gamma, beta)):
        raise SpecError(
            f"layer_norm takes x [..., n], gamma [n] and beta [n], not {x.spec}, {gamma.spec}, {beta.spec}"
        )
    if not gamma.dtype == beta.dtype == x.dtype:
        raise SpecError(
            f"layer_norm takes one dtype, not {x.dtype}, {gamma.dtype} and {beta.dtype}",
            hint="convert one with .astype",
        )
    rows = TensorSpec(x.shape[:-1], x.dtype)
    return x.spec, rows, rows


def _spread(lead: int, row: Any, x: Any) -> Any:
    """Let a value per position of the last axis broadcast against x."""
    return row.reshape((*row.shape[:lead], *(1,) * (x.ndim - lead - 1), row.shape[-1]))


def _forward(lead: int, x: Any, gamma: Any, beta: Any, *, epsilon: float) -> Any:
    mean = np.asarray(x.mean(axis=-1, dtype=np.float64), x.dtype)
    centred = x - mean[..., None]
    variance = np.square(centred).mean(axis=-1, dtype=np.float64)
    scale = np.asarray(1 / np.sqrt(variance + epsilon), x.dtype)
    return centred * scale[..., None] * _spread(lead, gamma, x) + _spread(lead, beta, x), mean, scale


def _backward(lead: int, g: Any, x: Any, gamma: Any, mean: Any, scale: Any) -> Any:
    normal = (x - mean[..., None]) * scale[..., None]
    slope = g * _spread(lead, gamma, x)
    tilt = (slope * normal).mean(axis=-1, keepdims=True)
    dx = scale[..., None] * (slope - slope.mean(axis=-1, keepdims=True) - normal * tilt)
    rows = tuple(range(lead, x.ndim - 1))
    return dx, (g * normal).sum(axis=rows), g.sum(axis=rows)


_X = np.array([[1.0, 4.0, 2.5], [3.0, -1.0, 0.5]])
_ROW = np.array([1.0, 0.5, -2.0])

layer_norm = Primitive(
    "layer_norm",
    _infer,
    _forward,
    lambda: [
        ((_X, _ROW, _ROW[::-1]), {"epsilon": 1e-3}),
        ((_X[0].astype(np.float32), *(_ROW.astype(np.float32),) * 2), {"epsilon": 1e-3}),
    ],
)
"""(x - mean) / √(variance + epsilon) · gamma + beta along the last axis; and the mean, and 1 / √(…)."""

layer_norm_grad = Primitive(
    "layer_norm_grad",
    lambda g, x, gamma, mean, scale: (x.spec, gamma.spec, gamma.spec),
    _backward,
    lambda: [
        ((_X[::-1] * 0.5, _X, _ROW, _X[:, 0], _X[:, 1]), {}),
        (tuple(v.astype(np.float32) for v in (_X[1], _X[0], _ROW, _X[0, 0], _X[0, 1])), {}),
    ],
)
"""Gradients of x, gamma and beta, from that of the first result of `layer_norm` and its other two."""

# Gradients -----------------------------------------------------------------------------------------


def _rule(call: Call, g: Tensor | None, *_: Tensor | None) -> Sequence[Tensor | None]:
    x, gamma, _beta = call.inputs
    if g is None:
        return None, None, None
    return tuple(layer_norm_grad(g, x, gamma, output(call, 1), output(call, 2)))


def _grad_rule(call: Call, a: Tensor | None, b: Tensor | None, c: Tensor | None) -> Sequence[Tensor | None]:
    """The second derivative; mean and scale are taken as functions of x.

    With n = (x - mean) · scale and the projection P(v) = v - mean(v) - n mean(v n), the first one is
    dx = scale · P(g gamma), dgamma = sum(g n), dbeta = sum(g); and n changes with x by scale · P.
    """
    g, x, gamma, mean, scale = call.inputs
    scale = scale[..., None]
    n = (x - mean[..., None]) * scale

    def average(v: Tensor) -> Any:
        return np.mean(v, axis=-1, keepdims=True)

    def project(v: Any) -> Any:
        return v - average(v) - n * average(v * n)

    to_g: Any = 0.0 if c is None else c
    to_x: Any = 0.0
    to_gamma: Any = None
    if b is not None:
        to_g = to_g + b * n
        to_x = scale * project(b * g)
    if a is not None:
        slope, projected = g * gamma, scale * project(a)
        to_g = to_g + gamma * projected
        to_gamma = np.sum(g * projected, axis=tuple(range(x.ndim - 1)))
        turn = -scale * (a * average(slope * n) + slope * average(a * n))
        to_x = to_x + scale * project(turn) - n * np.square(scale) * average(a * project(slope))
    return expand_like(to_g, x), (None if isinstance(to_x, float) else to_x), to_gamma, None, None


RULES["layer_norm"] = _rule
RULES["layer_norm_grad"] = _grad_rule

# Kernels -------------------------------------------------------------------------------------------


def _matrix(value: Any, width: int) -> Any:
    """Return rows ``[n, width]``; a view if the value is contiguous."""
    return np.ascontiguousarray(value).reshape(math.prod(value.shape[:-1]), width)


def _run(out: Any, _: Any, x: Any, gamma: Any, beta: Any, *, epsilon: float) -> None:
    width = x.shape[-1]
    kernels.layer_norm.forward(
        _matrix(x, width), np.ascontiguousarray(gamma), np.ascontiguousarray(beta), epsilon,
        _matrix(out[0], width), out[1].ravel(), out[2].ravel(),
    )  # fmt: skip


def _run_grad(out: Any, _: Any, g: Any, x: Any, gamma: Any, mean: Any, scale: Any) -> None:
    width = x.shape[-1]
    kernels.layer_norm.backward(
        _matrix(g, width), _matrix(x, width), np.ascontiguousarray(gamma),
        np.ascontiguousarray(mean).ravel(), np.ascontiguousarray(scale).ravel(),
        _matrix(out[0], width), out[1], out[2],
    )  # fmt: skip


KERNELS["layer_norm"] = Kernel(_run)
KERNELS["layer_norm_grad"] = Kernel(_run_grad)
