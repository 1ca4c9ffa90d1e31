"""Activations of layers: rectifiers and their smooth kin, the error function, softmax along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor, broadcast_shapes, require_numeric
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.classification import sigmoid
from estimators.graph.primitives.helpers import float_like
from estimators.graph.registry import KERNELS, RULES, Kernel, output

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
"""Klambauer et al., 2017 (https://arxiv.org/abs/1706.02515)."""

_X = np.array([[-3.0, -1.0, -0.25], [0.0, 0.5, 7.0]])


def _samples(**attributes: Any) -> Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    return lambda: [((_X,), attributes), ((_X[0].astype(np.float32),), attributes)]


def _float(x: Tensor, **_: Any) -> TensorSpec:
    return float_like(x)


def _number(x: Tensor) -> TensorSpec:
    require_numeric("an activation", x)
    return x.spec


def _flat(value: Any, out: Any) -> Any:
    """Return the value as a contiguous array of rank 1, broadcast to the size of `out`."""
    array = np.asarray(value)
    return np.ascontiguousarray(
        array if array.shape == out.shape else np.broadcast_to(array, out.shape)
    ).ravel()


# Rectifiers ----------------------------------------------------------------------------------------

relu = Primitive("relu", _number, lambda _, x: np.maximum(x, 0), _samples(), elementwise=True, total=True)
"""max(x, 0)."""

relu_grad = Primitive(
    "relu_grad",
    lambda g, y: TensorSpec(broadcast_shapes(g.shape, y.shape), g.dtype),
    lambda _, g, y: np.where(y > 0, g, np.zeros((), g.dtype)),
    lambda: [((_X, np.maximum(_X, 0)), {}), ((_X[0].astype(np.float32), _X[1].astype(np.float32)), {})],
    elementwise=True,
    total=True,
)
"""g where y > 0, else 0: the gradient of a rectifier with result y."""

relu6 = Primitive(
    "relu6",
    _number,
    lambda _, x: np.minimum(np.maximum(x, 0), 6),
    _samples(),
    elementwise=True,
    total=True,
)
"""min(max(x, 0), 6)."""

leaky_relu = Primitive(
    "leaky_relu",
    _float,
    lambda _, x, *, alpha: np.where(x > 0, x, x * alpha),
    _samples(alpha=0.2),
    elementwise=True,
    total=True,
)
"""x where x > 0, else alpha x."""

elu = Primitive(
    "elu",
    _float,
    lambda _, x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    _samples(),
    elementwise=True,
    total=True,
)
"""x where x > 0, else e^x - 1."""

selu = Primitive(
    "selu",
    _float,
    lambda _, x: np.where(x > 0, x * SELU_SCALE, np.expm1(np.minimum(x, 0)) * (SELU_SCALE * SELU_ALPHA)),
    _samples(),
    elementwise=True,
    total=True,
)
"""`elu` with slopes that keep mean 0 and variance 1 from layer to layer."""


def _where_positive(call: Call, g: Tensor) -> tuple[Tensor]:
    return (relu_grad(g, output(call)),)


def _where_within_6(call: Call, g: Tensor) -> tuple[Any]:
    y = output(call)
    return (np.where((y > 0.0) & (y < 6.0), g, 0.0),)


def _leaky_relu_rule(call: Call, g: Tensor) -> tuple[Any]:
    return (np.where(call.inputs[0] > 0.0, g, g * call.attributes["alpha"]),)


def _elu_rule(call: Call, g: Tensor) -> tuple[Any]:
    y = output(call)
    return (np.where(y < 0.0, g * (y + 1.0), g),)


def _selu_rule(call: Call, g: Tensor) -> tuple[Any]:
    y = output(call)
    return (np.where(y < 0.0, g * (y + SELU_SCALE * SELU_ALPHA), g * SELU_SCALE),)


RULES["relu"] = _where_positive
RULES["relu_grad"] = lambda call, g: (relu_grad(g, call.inputs[1]), None)
RULES["relu6"] = _where_within_6
RULES["leaky_relu"] = _leaky_relu_rule
RULES["elu"] = _elu_rule
RULES["selu"] = _selu_rule


def _run_relu(out: Any, _: Any, x: Any) -> None:
    np.maximum(x, 0, out=out[0])


def _run_relu_grad(out: Any, _: Any, g: Any, y: Any) -> None:
    kernels.activations.relu_grad(_flat(g, out[0]), _flat(y, out[0]), out[0].ravel())


def _elu_kernel(positive: float, negative: float) -> Kernel:
    def run(out: Any, scratch: Any, x: Any) -> None:
        below = scratch[0]
        np.minimum(x, 0, out=below)
        np.expm1(below, out=below)
        kernels.activations.elu(_flat(x, out[0]), below.ravel(), out[0].ravel(), positive, negative)

    return Kernel(run, scratch=lambda x: [x], in_place=True)


KERNELS["relu"] = Kernel(_run_relu, in_place=True)
KERNELS["relu_grad"] = Kernel(_run_relu_grad, in_place=True)
KERNELS["elu"] = _elu_kernel(1.0, 1.0)
KERNELS["selu"] = _elu_kernel(SELU_SCALE, SELU_SCALE * SELU_ALPHA)

# Smooth functions ----------------------------------------------------------------------------------

softplus = Primitive(
    "softplus",
    _float,
    lambda _, x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    _samples(),
    elementwise=True,
    total=True,
)
"""ln(1 + e^x), without overflow."""

softsign = Primitive(
    "softsign", _float, lambda _, x: x / (np.abs(x) + 1), _samples(), elementwise=True, total=True
)
"""x / (1 + |x|)."""

_erf = np.frompyfunc(math.erf, 1, 1)

erf = Primitive(
    "erf",
    _float,
    lambda _, x: np.asarray(_erf(x), x.dtype),
    _samples(),
    elementwise=True,
    total=True,
)
"""The error function, 2/√π times the integral of e^(-t²) from 0 to x."""

RULES["softplus"] = lambda call, g: (g * sigmoid(call.inputs[0]),)
RULES["softsign"] = lambda call, g: (g / np.square(np.abs(call.inputs[0]) + 1.0),)
RULES["erf"] = lambda call, g: (g * (np.exp(-np.square(call.inputs[0])) * (2 / math.sqrt(math.pi))),)


def _run_softplus(out: Any, scratch: Any, x: Any) -> None:
    more = scratch[0]
    np.abs(x, out=more)
    np.negative(more, out=more)
    np.exp(more, out=more)
    np.log1p(more, out=more)
    np.maximum(x, 0, out=out[0])
    np.add(out[0], more, out=out[0])


def _run_erf(out: Any, _: Any, x: Any) -> None:
    run = kernels.activations.erf_float32 if out[0].dtype == np.float32 else kernels.activations.erf
    run(_flat(x, out[0]), out[0].ravel())


KERNELS["softplus"] = Kernel(_run_softplus, scratch=lambda x: [x], in_place=True)
KERNELS["erf"] = Kernel(_run_erf, in_place=True)

# Softmax -------------------------------------------------------------------------------------------


def _along_axis(*inputs: Tensor, axis: int) -> TensorSpec:
    spec = float_like(*inputs)
    if not -spec.rank <= axis < 0:
        raise SpecError(
            f"there is no axis {axis} in {spec}", hint="axes count from the last one, which is -1"
        )
    return spec


def _below_maximum(x: Any, axis: int) -> Any:
    return x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)


def _softmax(_: int, x: Any, *, axis: int) -> Any:
    exp = np.exp(_below_maximum(x, axis))
    return exp / exp.sum(axis=axis, keepdims=True)


def _log_softmax(_: int, x: Any, *, axis: int) -> Any:
    shifted = _below_maximum(x, axis)
    if not shifted.size:
        return shifted
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _softmax_grad(_: int, g: Any, y: Any, *, axis: int) -> Any:
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


def _axis_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    return [((_X,), {"axis": -1}), ((_X.astype(np.float32),), {"axis": -2}), ((_X[0],), {"axis": -1})]


softmax = Primitive("softmax", _along_axis, _softmax, _axis_samples)
"""e^x / (sum of e^x along the axis, which counts from the last: -1)."""

log_softmax = Primitive("log_softmax", _along_axis, _log_softmax, _axis_samples)
"""x - ln(sum of e^x along the axis), which is exact where `softmax` is 0."""

softmax_grad = Primitive(
    "softmax_grad",
    _along_axis,
    _softmax_grad,
    lambda: [((_X, _X * 0.1), {"axis": -1}), ((_X.astype(np.float32), _X.astype(np.float32)), {"axis": -2})],
)
"""y (g - sum of g y along the axis): the gradient of a softmax with result y."""


def _log_softmax_rule(call: Call, g: Tensor) -> tuple[Tensor]:
    axis = call.attributes["axis"]
    return (g - np.exp(output(call)) * np.sum(g, axis=axis, keepdims=True),)


def _softmax_grad_rule(call: Call, gg: Tensor) -> Sequence[Tensor]:
    g, y = call.inputs
    axis = call.attributes["axis"]
    inner = np.sum(g * y, axis=axis, keepdims=True)
    return softmax_grad(gg, y, axis=axis), gg * (g - inner) - g * np.sum(gg * y, axis=axis, keepdims=True)


RULES["softmax"] = lambda call, g: (softmax_grad(g, output(call), axis=call.attributes["axis"]),)
RULES["log_softmax"] = _log_softmax_rule
RULES["softmax_grad"] = _softmax_grad_rule


def _rows(value: Any, axis: int) -> Any:
    """Return a matrix whose rows run along the axis, which is the last one; a view if it can be."""
    return np.ascontiguousarray(value).reshape(math.prod(value.shape[:axis]), value.shape[axis])


def _run_softmax(out: Any, _: Any, x: Any, *, axis: int) -> None:
    if axis != -1:
        out[0][...] = _softmax(0, x, axis=axis)
        return
    rows = _rows(out[0], axis)
    kernels.activations.below_maximum(_rows(x, axis), rows)
    np.exp(rows, out=rows)
    kernels.activations.share_of_row(rows)


def _run_log_softmax(out: Any, scratch: Any, x: Any, *, axis: int) -> None:
    if axis != -1:
        out[0][...] = _log_softmax(0, x, axis=axis)
        return
    rows, exp = _rows(out[0], axis), _rows(scratch[0], axis)
    kernels.activations.below_maximum(_rows(x, axis), rows)
    np.exp(rows, out=exp)
    kernels.activations.subtract_log_sum(rows, exp)


def _run_softmax_grad(out: Any, _: Any, g: Any, y: Any, *, axis: int) -> None:
    if axis != -1:
        out[0][...] = _softmax_grad(0, g, y, axis=axis)
        return
    kernels.activations.softmax_grad(_rows(g, axis), _rows(y, axis), _rows(out[0], axis))


KERNELS["softmax"] = Kernel(_run_softmax)
KERNELS["log_softmax"] = Kernel(_run_log_softmax, scratch=lambda x, *, axis: [x])
KERNELS["softmax_grad"] = Kernel(_run_softmax_grad)
