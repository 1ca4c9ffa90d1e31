"""First values of variables.

An initializer is a function ``(shape, dtype, rng) -> array``. The generator `rng` is made, for each variable,
of the model's seed and the variable's name; an initializer with a `seed` of its own draws from that one
instead, the same values for each variable of one shape.

>>> he_normal(seed=1)((2, 1), np.dtype(np.float32), np.random.default_rng()).shape
(2, 1)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean

Array: TypeAlias = npt.NDArray[Any]
Initializer: TypeAlias = Callable[[tuple[int, ...], np.dtype[Any], np.random.Generator], Array]
InitializerArgument: TypeAlias = str | Initializer
"""What layers take: an initializer, or the name of one."""

CUT_SPREAD = 0.87962566103423978
"""Standard deviation of a standard normal distribution that is cut off at -2 and 2."""

# Fixed values --------------------------------------------------------------------------------------


class _Fixed:
    """An initializer without settings: called without arguments, as tf's classes are, it is itself."""

    def __init__(self, name: str, make: Callable[[tuple[int, ...], np.dtype[Any]], Array]) -> None:
        self.__name__, self.__doc__ = name, f"Start at {name}."
        self._make = make

    @overload
    def __call__(self) -> Initializer: ...
    @overload
    def __call__(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike = ..., rng: np.random.Generator | None = ...
    ) -> Array: ...
    def __call__(
        self,
        shape: tuple[int, ...] | None = None,
        dtype: npt.DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ) -> Initializer | Array:
        return self if shape is None else self._make(shape, np.dtype(dtype))

    def __repr__(self) -> str:
        return self.__name__


zeros = _Fixed("zeros", np.zeros)
"""Start at zero."""
ones = _Fixed("ones", np.ones)
"""Start at one."""


def constant(value: Any = 0) -> Initializer:
    """Start at a number, or at an array that broadcasts to the variable's shape.

    >>> constant(2.5)((2,), np.dtype(np.float32), np.random.default_rng()).tolist()
    [2.5, 2.5]
    """

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        try:
            return np.full(shape, value, dtype)
        except ValueError:
            raise SpecError(
                f"a constant of shape {np.shape(value)} cannot fill a variable of shape {shape}"
            ) from None

    return initialize


def identity(gain: float = 1.0) -> Initializer:
    """Start at `gain` times the identity matrix, or what of it fits; for variables of rank 2.

    >>> identity()((2, 3), np.dtype(np.float32), np.random.default_rng()).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        if len(shape) != 2:
            raise SpecError(f"identity is for variables of rank 2, not of shape {shape}")
        return (gain * np.eye(*shape)).astype(dtype)

    return initialize


# Random values -------------------------------------------------------------------------------------


def _drawn(
    draw: Callable[[tuple[int, ...], np.random.Generator], npt.NDArray[np.float64]], seed: int | None
) -> Initializer:
    """Return an initializer of floating-point numbers, with its own generator if there is a seed."""

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        if np.dtype(dtype).kind != "f":
            raise SpecError(
                f"random first values are floating-point numbers, not {np.dtype(dtype)}",
                hint="give the variable another initializer, such as zeros",
            )
        return np.asarray(draw(shape, rng if seed is None else np.random.default_rng(seed))).astype(dtype)

    return initialize


def random_uniform(minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> Initializer:
    """Start at numbers drawn evenly from minval up to maxval.

    >>> random_uniform(2.0, 2.0)((1,), np.dtype(np.float64), np.random.default_rng()).tolist()
    [2.0]
    """
    if not minval <= maxval:
        raise InvalidArgumentError(f"minval must be at most maxval, not {minval} and {maxval}")
    return _drawn(lambda shape, rng: rng.uniform(minval, maxval, shape), seed)


def random_normal(mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> Initializer:
    """Start at numbers of a normal distribution.

    >>> random_normal(2.0, 0.0)((1,), np.dtype(np.float64), np.random.default_rng()).tolist()
    [2.0]
    """
    _check_spread(stddev)
    return _drawn(lambda shape, rng: mean + stddev * rng.standard_normal(shape), seed)


def truncated_normal(mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> Initializer:
    """Start at numbers of a normal distribution, drawn again if beyond two standard deviations.

    The spread is so `CUT_SPREAD` times `stddev`, as in tf.

    >>> values = truncated_normal(stddev=1.0)((100,), np.dtype(np.float64), np.random.default_rng(0))
    >>> bool(np.abs(values).max() <= 2.0)
    True
    """
    _check_spread(stddev)
    return _drawn(lambda shape, rng: mean + stddev * _cut_normal(shape, rng), seed)


def _check_spread(stddev: float) -> None:
    if not 0 <= stddev < math.inf:
        raise InvalidArgumentError(f"stddev must be at least 0, not {stddev}")


def _cut_normal(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return normal numbers between -2 and 2."""
    values = np.asarray(rng.standard_normal(shape))
    while (beyond := np.abs(values) > 2.0).any():
        values[beyond] = rng.standard_normal(np.count_nonzero(beyond))
    return values


def variance_scaling(
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    seed: int | None = None,
) -> Initializer:
    """Start at numbers of variance scale / n, where n is how many inputs or outputs a unit has.

    For shape ``[…, inputs, outputs]`` these are the last two sizes, times all sizes before (the area of a
    filter); for rank 1 both are the size. n is at least 1. Source: ``tf.keras.initializers``.

    Args:
        scale: More than 0.
        mode: 'fan_in': n is inputs; 'fan_out': outputs; 'fan_avg': their mean.
        distribution: 'truncated_normal' (cut off at two standard deviations, and wider by 1 / `CUT_SPREAD`
            to make up for it), 'untruncated_normal', or 'uniform' (up to sqrt(3 scale / n)).
        seed: Default the model's.

    Raises:
        InvalidArgumentError: A setting is none of these.

    >>> uniform = variance_scaling(3.0, "fan_out", "uniform")
    >>> bool(np.abs(uniform((2, 9), np.dtype(np.float32), np.random.default_rng(0))).max() <= 1.0)
    True
    """
    draws = {
        "truncated_normal": lambda spread, shape, rng: spread / CUT_SPREAD * _cut_normal(shape, rng),
        "untruncated_normal": lambda spread, shape, rng: spread * rng.standard_normal(shape),
        "uniform": lambda spread, shape, rng: rng.uniform(-1.0, 1.0, shape) * (math.sqrt(3.0) * spread),
    }
    if not 0 < scale < math.inf:
        raise InvalidArgumentError(f"scale must be more than 0, not {scale}")
    if mode not in _MODES:
        raise InvalidArgumentError(f"there is no mode {mode!r}", hint=did_you_mean(mode, _MODES))
    distribution = "truncated_normal" if distribution == "normal" else distribution
    if distribution not in draws:
        raise InvalidArgumentError(
            f"there is no distribution {distribution!r}", hint=did_you_mean(distribution, draws)
        )

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
        count = max(1.0, _MODES[mode](*_fans(shape)))
        return np.asarray(draws[distribution](math.sqrt(scale / count), shape, rng))

    return _drawn(draw, seed)


_MODES: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda inputs, outputs: inputs,
    "fan_out": lambda inputs, outputs: outputs,
    "fan_avg": lambda inputs, outputs: (inputs + outputs) / 2.0,
}


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return how many inputs and outputs a unit has: the last two axes, times the area of a filter."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    area = math.prod(shape[:-2])
    return float(shape[-2] * area), float(shape[-1] * area)


def glorot_uniform(seed: int | None = None) -> Initializer:
    """Start evenly between -limit and limit, with limit = sqrt(6 / (inputs + outputs)).

    Source: Glorot & Bengio, 2010.

    >>> values = glorot_uniform()((3, 3), np.dtype(np.float32), np.random.default_rng(0))
    >>> bool(np.abs(values).max() <= 1.0), values.dtype
    (True, dtype('float32'))
    """
    return variance_scaling(1.0, "fan_avg", "uniform", seed)


def glorot_normal(seed: int | None = None) -> Initializer:
    """Start at cut normal numbers of variance 2 / (inputs + outputs) (Glorot & Bengio, 2010)."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> Initializer:
    """Start evenly between -limit and limit, with limit = sqrt(6 / inputs) (He et al., 2015)."""
    return variance_scaling(2.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> Initializer:
    """Start at cut normal numbers of variance 2 / inputs (He et al., 2015)."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> Initializer:
    """Start evenly between -limit and limit, with limit = sqrt(3 / inputs) (LeCun et al., 1998)."""
    return variance_scaling(1.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> Initializer:
    """Start at cut normal numbers of variance 1 / inputs (LeCun et al., 1998)."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", seed)


def orthogonal(gain: float = 1.0, seed: int | None = None) -> Initializer:
    """Start at `gain` times a random matrix whose rows or columns, whichever are fewer, are orthonormal.

    All axes but the last count as rows. Source: Saxe et al., 2013.

    >>> square = orthogonal()((2, 2), np.dtype(np.float64), np.random.default_rng(0))
    >>> bool(np.allclose(square @ square.T, np.eye(2)))
    True
    """

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
        if len(shape) < 2:
            raise SpecError(f"orthogonal is for variables of rank 2 or more, not of shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # else the decomposition prefers some matrices
        return np.asarray(gain * (q if rows >= columns else q.T).reshape(shape))

    return _drawn(draw, seed)


# By name -------------------------------------------------------------------------------------------

INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "zeros": lambda: zeros,
    "ones": lambda: ones,
    "constant": constant,
    "identity": identity,
    "uniform": random_uniform,
    "random_uniform": random_uniform,
    "normal": random_normal,
    "random_normal": random_normal,
    "truncated_normal": truncated_normal,
    "variance_scaling": variance_scaling,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}
"""What makes the initializer of a name."""


def get(initializer: InitializerArgument) -> Initializer:
    """Return an initializer: the one of a name, with its default settings, or the function given.

    Raises:
        InvalidArgumentError: There is none of that name.
        SpecError: It is neither a name nor an initializer.

    >>> get("ones")((2,), np.dtype(np.int64), np.random.default_rng()).tolist()
    [1, 1]
    """
    if isinstance(initializer, str):
        if initializer not in INITIALIZERS:
            raise InvalidArgumentError(
                f"there is no initializer {initializer!r}", hint=did_you_mean(initializer, INITIALIZERS)
            )
        return INITIALIZERS[initializer]()
    if not callable(initializer):
        raise SpecError(
            f"an initializer is a name or a function of shape, dtype and rng, not {initializer!r}"
        )
    makers: list[object] = list(INITIALIZERS.values())
    if initializer in makers:
        raise SpecError(f"{initializer!r} makes initializers", hint="call it: kernel_initializer=he_normal()")
    return initializer
