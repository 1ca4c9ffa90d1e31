"""Functions of images ``[batch, height, width, channels]``, and moments, with the definitions of tf.nn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives import convolution, pooling


def _value(x: Any) -> Any:
    """Return a tensor as it is, anything else as an array."""
    return x if isinstance(x, Tensor) else np.asarray(x)


def _height_width(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Return numbers for height and width: of an int, one or two of them, or ``[1, height, width, 1]``."""
    numbers = (value,) if isinstance(value, int) else tuple(value)
    if len(numbers) == 4 and (numbers[0], numbers[3]) == (1, 1):
        numbers = numbers[1:3]
    numbers = numbers * 2 if len(numbers) == 1 else numbers
    if len(numbers) != 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in numbers):
        raise InvalidArgumentError(
            f"{name} must be a positive int, or two of them for height and width, not {value!r}",
            hint="batch and channels have stride and window 1: [1, height, width, 1] is taken too",
        )
    return int(numbers[0]), int(numbers[1])


def _padding(value: str) -> str:
    """Return "same" or "valid", whatever the case.

    Raises:
        InvalidArgumentError: It is something else.
    """
    if not isinstance(value, str) or value.lower() not in ("same", "valid"):
        raise InvalidArgumentError(
            f"padding must be 'SAME' or 'VALID', not {value!r}",
            hint="use np.pad for another one, then 'VALID'",
        )
    return value.lower()


def conv2d(
    input: Any,
    filters: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "VALID",
    dilations: int | Sequence[int] = 1,
) -> Any:
    """Return the sums of products of images with filters that slide over them.

    Args:
        input: ``[batch, height, width, channels]``, float32 or float64.
        filters: ``[height, width, channels, out]``, of the same dtype; they are not mirrored.
        strides: By how much filters move: an int, two for height and width, or ``[1, height, width, 1]``.
        padding: "VALID": filters stay inside of the images; "SAME": zeros are added around, so that there
            are size / stride positions, rounded up. In any case.
        dilations: Distance of the values under a filter, as `strides`.

    Returns:
        ``[batch, new height, new width, out]``.

    Raises:
        SpecError: Shapes or dtypes do not fit together.
        InvalidArgumentError: A setting is none of the above.

    >>> conv2d(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), padding="SAME")[0, :, :, 0].tolist()
    [[4.0, 4.0, 2.0], [4.0, 4.0, 2.0], [2.0, 2.0, 1.0]]
    """
    return convolution.conv2d(
        _value(input),
        _value(filters),
        strides=_height_width("strides", strides),
        padding=_padding(padding),
        dilation=_height_width("dilations", dilations),
    )


def max_pool2d(input: Any, ksize: int | Sequence[int], strides: int | Sequence[int], padding: str) -> Any:
    """Return the largest value of each window of images.

    Args:
        input: ``[batch, height, width, channels]``, float32 or float64.
        ksize: Size of windows: an int, two for height and width, or ``[1, height, width, 1]``.
        strides: By how much windows move, as `ksize`.
        padding: "VALID" or "SAME", as for `conv2d`; what is added around never counts.

    Raises:
        SpecError: There are no images, or a window does not fit into them.
        InvalidArgumentError: A setting is none of the above.

    >>> max_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2, 2, "VALID")[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    return pooling.max_pool2d(_value(input), **_windows(ksize, strides, padding))[0]


def avg_pool2d(input: Any, ksize: int | Sequence[int], strides: int | Sequence[int], padding: str) -> Any:
    """Return the mean of each window of images; arguments are those of `max_pool2d`.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 4, 4, 1), 2, 2, "VALID")[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    return pooling.average_pool2d(_value(input), **_windows(ksize, strides, padding))


def _windows(ksize: Any, strides: Any, padding: str) -> dict[str, Any]:
    return {
        "pool_size": _height_width("ksize", ksize),
        "strides": _height_width("strides", strides),
        "padding": _padding(padding),
    }


def moments(x: Any, axes: int | Sequence[int], *, keepdims: bool = False) -> tuple[Any, Any]:
    """Return mean and variance over some axes; the variance is the mean squared deviation.

    >>> [float(part) for part in moments(np.array([1.0, 3.0]), axes=0)]
    [2.0, 1.0]
    """
    x = _value(x)
    kept = tuple(i % x.ndim for i in ((axes,) if isinstance(axes, int) else axes))
    mean = np.mean(x, axis=kept, keepdims=True)
    variance = np.mean(np.square(x - mean), axis=kept, keepdims=keepdims)
    flat = tuple(0 if i in kept else slice(None) for i in range(x.ndim))
    return mean if keepdims else mean[flat], variance


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float
) -> Any:
    """Return ``(x - mean) / √(variance + variance_epsilon) · scale + offset``.

    Args:
        x: Floating-point numbers.
        mean: What broadcasts to x, as do all others; `moments` makes it.
        variance: So, too.
        offset: Often called beta; None: 0.
        scale: Often called gamma; None: 1.
        variance_epsilon: A small number, which prevents division by 0.

    >>> batch_normalization(np.array([1.0, 3.0]), 2.0, 4.0, 1.0, 2.0, 0.0).tolist()
    [0.0, 2.0]
    """
    inverse = 1.0 / np.sqrt(variance + variance_epsilon)
    factor = inverse if scale is None else inverse * scale
    return _value(x) * factor + (-mean * factor if offset is None else offset - mean * factor)
