"""Batch normalization over all axes but the last (Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor, as_tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.primitives.shapes import expand_like, size_of
from estimators.graph.primitives.windows import CHUNKS, chunks, over_batch, plain
from estimators.graph.registry import KERNELS, RULES, Kernel, output

_UNIT = 200_000
"""Values that a core reads and writes in about a twentieth of a millisecond."""
_LONG = 256
"""Values that a row for kernels has at least, if there are so many: then its vectors run well."""


def _check(x: Tensor, *rows: Tensor) -> None:
    given = f"not {x.spec}" + (f" with {', '.join(str(t.spec) for t in rows)}" if rows else "")
    if x.ndim < 2 or any(t.ndim != 1 or t.shape[0] not in (None, x.shape[-1]) for t in rows):
        raise SpecError(
            "batch normalization takes x [..., channels] of at least two axes, and what belongs to it "
            f"[channels], {given}"
        )
    if x.dtype not in (np.float32, np.float64) or any(t.dtype != x.dtype for t in rows):
        raise SpecError(
            f"batch normalization takes values all of float32 or all of float64, {given}",
            hint="use .astype(np.float32)",
        )


def batch_norm_inference(
    x: Tensor, gamma: Any, beta: Any, mean: Any, variance: Any, *, epsilon: float
) -> Tensor:
    """Normalize with a mean and a variance that do not depend on x, usually moving averages.

    Args:
        x: ``[..., channels]``.
        gamma: ``[channels]``.
        beta: ``[channels]``.
        mean: ``[channels]``.
        variance: ``[channels]``.
        epsilon: What keeps the divisor from 0.

    Returns:
        ``(x - mean) / √(variance + epsilon) · gamma + beta``.

    Raises:
        SpecError: The shapes or dtypes do not fit.

    >>> from estimators.graph.variable import Variable
    >>> row = Variable("row", (3,))
    >>> batch_norm_inference(Variable("x", (8, 3)), row, row, row, row, epsilon=1e-3)
    Tensor(add, shape=(8, 3), dtype=float32)
    """
    _check(*map(as_tensor, (x, gamma, beta, mean, variance)))
    scale = gamma / np.sqrt(variance + epsilon)
    result: Tensor = x * scale + (beta - mean * scale)
    return result


def with_relu(y: Tensor) -> Tensor | None:
    """Return ``max(y, 0)`` as one step with the batch normalization that makes y, or None: none does.

    >>> from estimators.graph.variable import Variable
    >>> row = Variable("row", (3,))
    >>> x = Variable("x", (8, 3))
    >>> y = batch_norm(x, row, row, *moments(x), epsilon=1e-3)
    >>> with_relu(y).call.attributes["relu"], with_relu(row)
    (True, None)
    """
    call = y.call
    if call.primitive is not batch_norm or call.attributes.get("relu"):
        return None
    result: Tensor = batch_norm(*call.inputs, **{**call.attributes, "relu": True})
    return result


# Primitives ----------------------------------------------------------------------------------------


def _moments_infer(x: Tensor) -> tuple[TensorSpec, TensorSpec]:
    _check(x)
    channels = TensorSpec((x.shape[-1],), x.dtype)
    return channels, channels


def _infer(x: Tensor, *rows: Tensor, epsilon: float, relu: bool = False) -> TensorSpec:
    _check(x, *rows)
    return x.spec


def _rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1]) if x.size else x.reshape(0, x.shape[-1])


def _scale(gamma: Any, variance: Any, epsilon: float) -> Any:
    return (gamma / np.sqrt(variance.astype(np.float64) + epsilon)).astype(gamma.dtype)


def _moments(x: Any) -> Any:
    rows = _rows(x)
    count = max(len(rows), 1)
    mean = rows.sum(axis=0, dtype=np.float64) / count
    return mean.astype(x.dtype), (np.square(rows - mean).sum(axis=0) / count).astype(x.dtype)


def _forward(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, *, epsilon: float, relu: bool = False
) -> Any:
    y = (x - mean) * _scale(gamma, variance, epsilon) + beta
    return np.where(y <= 0, x.dtype.type(0), y) if relu else y


def _coefficients(
    count: int, sums: Any, products: Any, gamma: Any, variance: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Return level and tilt for the gradient of x, and that of gamma."""
    deviation, kind = np.sqrt(variance.astype(np.float64) + epsilon), gamma.dtype
    level, tilt = sums / max(count, 1), products / (max(count, 1) * deviation**2)
    return level.astype(kind), tilt.astype(kind), (products / deviation).astype(kind)


def _backward(
    g: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, *, epsilon: float, relu: bool = False
) -> Any:
    slopes, centred, scale = _rows(g), _rows(x) - mean, _scale(gamma, variance, epsilon)
    if relu:
        slopes = np.where(centred * scale + beta > 0, slopes, slopes.dtype.type(0))
    sums = slopes.sum(axis=0, dtype=np.float64)
    products = (slopes.astype(np.float64) * centred).sum(axis=0)
    level, tilt, dgamma = _coefficients(len(slopes), sums, products, gamma, variance, epsilon)
    dx = (slopes - level - centred * tilt) * scale
    return dx.reshape(x.shape), dgamma, sums.astype(x.dtype)


_X = np.sin(np.arange(24.0)).reshape(2, 2, 3, 2)
_ROW = np.array([1.5, -0.5])
_SMALL = _X[0, 0].astype(np.float32), *(_ROW.astype(np.float32),) * 3, np.ones(2, np.float32)

moments = Primitive(
    "moments", _moments_infer, per_element(_moments), lambda: [((_X,), {}), ((_SMALL[0],), {})]
)
"""Mean, and mean squared deviation from it, over all axes but the last, in float64 sums; 0 without rows."""

batch_norm = Primitive(
    "batch_norm",
    _infer,
    per_element(_forward),
    lambda: [((_X, _ROW, _ROW, _ROW, _ROW**2), {"epsilon": 1e-3}), (_SMALL, {"epsilon": 0.1, "relu": True})],
)
"""(x - mean) / √(variance + epsilon) · gamma + beta, perhaps without what is negative.

Mean and variance must be the `moments` of x: the gradient of x has what comes through them too.
"""

batch_norm_backward = Primitive(
    "batch_norm_backward",
    lambda g, x, gamma, beta, mean, variance, **_: (x.spec, gamma.spec, gamma.spec),
    per_element(_backward),
    lambda: [
        ((np.cos(_X), _X, _ROW, _ROW, _ROW, _ROW**2), {"epsilon": 1e-3}),
        ((_SMALL[0][::-1], *_SMALL), {"epsilon": 0.1, "relu": True}),
    ],
)
"""Gradients of x, gamma and beta, from that of the result of `batch_norm` and its inputs."""

# Kernels -------------------------------------------------------------------------------------------


def _repeats(channels: int) -> int:
    """Return how many rows are joined to one that is long enough for fast loops."""
    return max(_LONG // max(channels, 1), 1)


def _over_rows(function: Callable[..., object], arrays: Sequence[Any], channels: Sequence[Any]) -> None:
    """Call ``function(part, first, last, arrays, channels)`` for all rows, joined to long ones.

    Args:
        function: Gets the arrays with joined rows, and as often repeated what belongs to the channels.
        arrays: ``[..., channels]``.
        channels: ``[channels]`` each.
    """
    rows = [_rows(array) for array in arrays]
    width = rows[0].shape[1]
    repeats = _repeats(width)
    joined = len(rows[0]) // repeats
    long = [r[: joined * repeats].reshape(joined, repeats * width) for r in rows]
    wide = [np.tile(c, repeats) for c in channels]
    parts = chunks(rows[0].size, _UNIT)
    over_batch(lambda part, first, last: function(part, first, last, long, wide), joined, parts)
    rest = [r[joined * repeats :] for r in rows]
    if len(rest[0]):
        function(parts, 0, len(rest[0]), rest, [np.array(c) for c in channels])


def _sums_scratch(x: Any, *_: Any, **__: Any) -> list[TensorSpec]:
    return [TensorSpec((CHUNKS + 1, 2, _repeats(x.shape[-1]) * x.shape[-1]), np.float64)]


def _parts(x: Any) -> int:
    """Return how many times `_over_rows` calls its function."""
    rest = len(_rows(x)) % _repeats(x.shape[-1])
    return chunks(x.size, _UNIT) + (1 if rest else 0)


def _total(partial: Any, channels: int) -> Any:
    """Return sums ``[2, channels]`` from those of all parts."""
    return np.add.reduce(np.add.reduce(partial, axis=0).reshape(2, _repeats(channels), channels), axis=1)


def _run_moments(out: Any, scratch: Any, x: Any) -> None:
    x, partial, channels = plain(x), scratch[0], x.shape[-1]
    shift = _rows(x)[0].astype(np.float64) if x.size else np.zeros(channels)

    def sum_up(part: int, first: int, last: int, arrays: Any, wide: Any) -> None:
        partial[part] = 0.0
        sums = partial[part, :, : len(wide[0])]
        kernels.normalization.moments(arrays[0], first, last, wide[0], sums[0], sums[1])

    _over_rows(sum_up, [x], [shift])
    sums = _total(partial[: _parts(x)], channels) / max(len(_rows(x)), 1)
    out[0][...] = sums[0] + shift
    out[1][...] = np.maximum(sums[1] - np.square(sums[0]), 0.0)


def _limit(relu: bool, dtype: Any) -> Any:
    return np.array([0.0 if relu else -np.inf], dtype)


def _run_forward(
    out: Any, _: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, *, epsilon: float,
    relu: bool = False,
) -> None:  # fmt: skip
    limit = _limit(relu, x.dtype)

    def part(_: int, first: int, last: int, arrays: Any, wide: Any) -> None:
        kernels.normalization.scale_rows(arrays[0], first, last, *wide, limit, arrays[1])

    _over_rows(part, [plain(x), out[0]], [mean, _scale(gamma, variance, epsilon), beta])


def _run_backward(
    out: Any, scratch: Any, g: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, *,
    epsilon: float, relu: bool = False,
) -> None:  # fmt: skip
    g, x, partial, channels = plain(g), plain(x), scratch[0], x.shape[-1]
    limit, module = _limit(relu, x.dtype), kernels.normalization
    settings = [mean, _scale(gamma, variance, epsilon), beta]

    def sum_up(part: int, first: int, last: int, arrays: Any, wide: Any) -> None:
        partial[part] = 0.0
        sums = partial[part, :, : len(wide[0])]
        module.slope_sums(*arrays, first, last, *wide, limit, sums[0], sums[1])

    _over_rows(sum_up, [g, x], settings)
    sums, count = _total(partial[: _parts(x)], channels), len(_rows(x))
    level, tilt, dgamma = _coefficients(count, sums[0], sums[1], gamma, variance, epsilon)

    def write(_: int, first: int, last: int, arrays: Any, wide: Any) -> None:
        module.slopes(*arrays[:2], first, last, *wide[:3], limit, *wide[3:], arrays[2])

    _over_rows(write, [g, x, out[0]], [*settings, level, tilt])
    out[1][...], out[2][...] = dgamma, sums[0]


KERNELS["moments"] = Kernel(_run_moments, _sums_scratch)
KERNELS["batch_norm"] = Kernel(_run_forward, in_place=True)
KERNELS["batch_norm_backward"] = Kernel(_run_backward, _sums_scratch, in_place=True)

# Gradients -----------------------------------------------------------------------------------------


def _moments_rule(call: Call, g_mean: Tensor | None, g_variance: Tensor | None) -> Sequence[Any]:
    (x,) = call.inputs
    share = size_of(output(call), dtype=x.dtype.name) / size_of(x, dtype=x.dtype.name)
    parts = []
    if g_mean is not None:
        parts.append(expand_like(g_mean * share, x))
    if g_variance is not None:
        parts.append((x - output(call)) * (g_variance * share * 2.0))
    return (parts[0] + parts[1] if len(parts) == 2 else parts[0],)


def _rule(call: Call, g: Tensor) -> Sequence[Any]:
    dx, dgamma, dbeta = batch_norm_backward(g, *call.inputs, **call.attributes)
    return dx, dgamma, dbeta, None, None


RULES["moments"] = _moments_rule
RULES["batch_norm"] = _rule
