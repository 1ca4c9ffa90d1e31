"""Random numbers from a seed that is given: the same in each run, after a resume, on each machine.

The functions work on tensors, in `Dataset.map` and in models, and on plain values. They are named as in
``tf.random`` and give the numbers of TensorFlow for the same seeds (Philox4x32-10, ``alg="philox"``);
normal numbers and what is made of them agree to float32 rounding, about 1e-6.

>>> stateless_uniform((3,), [1, 2])
array([0.8440604 , 0.19204533, 0.9962232 ], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.checked import checked
from dataflow.expr.primitives.random import (
    random_bits,
    random_normal,
    random_truncated_normal,
    random_uniform,
)
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import as_dtype, dtype_name

__all__ = ["stateless_normal", "stateless_truncated_normal", "stateless_uniform"]


def stateless_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: npt.DTypeLike = np.float32
) -> Any:
    """Return normally distributed numbers that depend on nothing but the seed.

    Args:
        shape: Sizes of the result; or an array or tensor that has the shape wanted, for batches whose
            size is not known yet.
        seed: Two integers, of any bits; either may be an integer tensor, such as the elements of
            ``Dataset.random``.
        mean: Mean of the distribution, a number or a tensor that broadcasts.
        stddev: Its standard deviation, likewise.
        dtype: float32; or float64, where the last bits depend on the machine's logarithm and sine.

    Raises:
        SpecError: The seed is no pair of integers, a size is not known, or the dtype is another one.

    >>> stateless_normal((2, 2), [7, 1], stddev=0.1).shape
    (2, 2)
    >>> from dataflow import Dataset
    >>> pixels, seeds = Dataset.from_tensor_slices(np.zeros((3, 4), np.float32)), Dataset.random(seed=1)
    >>> noisy = Dataset.zip(pixels, seeds).map(lambda p, s: p + stateless_normal(p.shape, [7, s]))
    >>> next(iter(noisy)).shape
    (4,)
    """
    return _scaled(_draw(random_normal, shape, seed, dtype), stddev, mean)


def stateless_truncated_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: npt.DTypeLike = np.float32
) -> Any:
    """Return normally distributed numbers, those beyond two deviations from the mean drawn again.

    Args:
        shape: As for `stateless_normal`.
        seed: As for `stateless_normal`.
        mean: Mean before the ends are cut off.
        stddev: Standard deviation before the ends are cut off.
        dtype: float32.

    Raises:
        SpecError: As for `stateless_normal`.

    >>> bool((np.abs(stateless_truncated_normal((1000,), [7, 1])) < 2).all())
    True
    """
    return _scaled(_draw(random_truncated_normal, shape, seed, dtype), stddev, mean)


def stateless_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: npt.DTypeLike = np.float32
) -> Any:
    """Return numbers of a range, all equally likely, that depend on nothing but the seed.

    Args:
        shape: As for `stateless_normal`.
        seed: As for `stateless_normal`.
        minval: Lower end of the range, which is inside.
        maxval: Upper end, which is outside; 1 for floats. Integers need it; for these, both ends are plain
            integers.
        dtype: float32, float64, int32, int64, uint32 or uint64.

    Raises:
        SpecError: As for `stateless_normal`.
        InvalidArgumentError: Integers without `maxval`, an empty range, or one that the dtype does not hold.

    >>> stateless_uniform((5,), [1, 2], minval=-5, maxval=100, dtype=np.int32)
    array([35, 24, 49, 79, 17], dtype=int32)
    """
    kind = as_dtype(dtype)
    if kind.kind == "f":
        top = 1 if maxval is None else maxval
        return _scaled(_draw(random_uniform, shape, seed, kind), top - minval, minval)
    low, high = _integer_range(minval, maxval, kind)
    bits = _draw(random_bits, shape, seed, np.dtype(f"uint{8 * kind.itemsize}"))
    wide = bits % bits.dtype.type(high - low)
    return (wide + bits.dtype.type(low % (1 << 8 * kind.itemsize))).astype(kind)


def _integer_range(minval: Any, maxval: Any, kind: np.dtype[Any]) -> tuple[int, int]:
    if maxval is None:
        raise InvalidArgumentError(
            f"{dtype_name(kind)} numbers need a maxval", hint="give maxval, which is outside"
        )
    if isinstance(minval, Tensor) or isinstance(maxval, Tensor):
        raise SpecError(
            "the range of random integers must be plain integers",
            hint="draw floats in [0, 1), multiply, and use .astype",
        )
    low, high = int(minval), int(maxval)
    limits = np.iinfo(kind)
    if not limits.min <= low < high <= limits.max:
        raise InvalidArgumentError(
            f"minval {low} must be below maxval {high}, and both within {dtype_name(kind)}"
        )
    return low, high


def _scaled(numbers: Any, factor: Any, offset: Any) -> Any:
    """Return ``numbers * factor + offset`` in their dtype; what is 1 or 0 is left out."""
    if isinstance(factor, Tensor) or np.ndim(factor) or factor != 1:
        numbers = numbers * _like(factor, numbers)
    if isinstance(offset, Tensor) or np.ndim(offset) or offset != 0:
        numbers = numbers + _like(offset, numbers)
    return numbers


def _like(value: Any, numbers: Any) -> Any:
    """Return a plain value in the dtype of the numbers."""
    return value if isinstance(value, Tensor) else np.asarray(value, numbers.dtype)


def _draw(primitive: Primitive, shape: Any, seed: Any, dtype: npt.DTypeLike) -> Any:
    name = dtype_name(as_dtype(dtype))
    pair = _pair(seed)
    if isinstance(shape, Tensor):
        if None in shape.shape:
            return checked(primitive, pair, shape, shape=None, dtype=name)
        shape = shape.shape
    elif isinstance(shape, np.ndarray) and shape.dtype.kind not in "iu":
        shape = shape.shape
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if None in sizes:
        raise SpecError(
            f"the shape {sizes} has a size that is not known yet", hint="give the tensor itself as the shape"
        )
    return checked(primitive, pair, shape=tuple(int(size) for size in sizes), dtype=name)


def _pair(seed: Any) -> Any:
    """Return a seed as a tensor or an array of two integers."""
    if isinstance(seed, tuple | list) and any(isinstance(part, Tensor) for part in seed):
        return np.stack([part if isinstance(part, Tensor) else _word(part) for part in seed])
    if isinstance(seed, Tensor):
        return seed
    if isinstance(seed, Sequence):
        return np.array([_word(part) for part in seed], np.int64)
    return np.asarray(seed)


def _word(part: Any) -> np.int64:
    """Return 64 bits of an integer as int64."""
    if isinstance(part, bool | float | str):
        raise SpecError(f"a seed is two integers, and {part!r} is none")
    return np.uint64(int(part) % (1 << 64)).astype(np.int64)
