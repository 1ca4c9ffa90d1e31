"""Windows that slide over images: how many there are, and where, by TensorFlow's rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.runtime.threads import run_parallel

CHUNKS = 16
"""Into so many parts kernels divide a batch at most."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """Windows along the height or the width of images.

    Attributes:
        size: Of the images.
        count: How many windows there are.
        before: How many positions the first window begins before the image.
        taps: Positions that a window has.
        stride: From one window to the next.
        dilation: From one position of a window to the next.
    """

    size: int
    count: int
    before: int
    taps: int
    stride: int
    dilation: int

    @property
    def padded(self) -> int:
        """How many positions all windows reach over."""
        return max((self.count - 1) * self.stride + (self.taps - 1) * self.dilation + 1, 0)

    @property
    def inside(self) -> bool:
        """All positions of all windows are in the image."""
        return self.before == 0 and self.padded <= self.size

    def at(self, tap: int) -> slice:
        """Return one position of all windows, counted from the begin of the first window."""
        start = tap * self.dilation
        return slice(start, start + (self.count - 1) * self.stride + 1, self.stride)


def pair(name: str, value: Any) -> tuple[int, int]:
    """Return two positive ints: for height and width.

    Raises:
        InvalidArgumentError: It is something else.
    """
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in both):
        raise InvalidArgumentError(
            f"{name} must be a positive int, or two of them for height and width, and is {value!r}"
        )
    return int(both[0]), int(both[1])


def axis(size: int, taps: int, stride: int, padding: str, dilation: int) -> Axis:
    """Return the windows along an axis of a known size, as `tensorflow.nn` places them.

    Raises:
        SpecError: There is no window in the image.
        InvalidArgumentError: `padding` is neither "same" nor "valid".
    """
    reach = (taps - 1) * dilation + 1
    if padding == "same":
        count = -(-size // stride)
        return Axis(size, count, max((count - 1) * stride + reach - size, 0) // 2, taps, stride, dilation)
    if padding != "valid":
        raise InvalidArgumentError(f'padding must be "same" or "valid", and is {padding!r}')
    if reach > size:
        raise SpecError(
            f"a window of {reach} positions does not fit into {size}", hint='make it smaller, or use "same"'
        )
    return Axis(size, (size - reach) // stride + 1, 0, taps, stride, dilation)


def axes(
    image: tuple[int, ...], taps: tuple[int, ...], strides: Any, padding: str, dilation: Any = (1, 1)
) -> tuple[Axis, Axis]:
    """Return the windows along height and width, see `axis`."""
    steps, spread = pair("strides", strides), pair("dilation", dilation)
    rows, columns = (axis(image[i], taps[i], steps[i], padding, spread[i]) for i in (0, 1))
    return rows, columns


def counts(
    image: tuple[int | None, ...], taps: tuple[int, ...], strides: Any, padding: str, dilation: Any = (1, 1)
) -> tuple[int | None, int | None]:
    """Return how many windows there are along both axes, None where the size is not known."""
    known = axes(tuple(n or 1 << 40 for n in image), taps, strides, padding, dilation)
    rows, columns = (a.count if n is not None else None for n, a in zip(image, known, strict=True))
    return rows, columns


def padded(x: Any, rows: Axis, columns: Axis, fill: float = 0.0) -> Any:
    """Return images ``[batch, height, width, channels]`` with as much around them as windows reach over."""
    shape = (
        len(x),
        max(rows.padded, rows.before + rows.size),
        max(columns.padded, columns.before + columns.size),
    )
    out = np.full((*shape, x.shape[3]), fill, x.dtype)
    out[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size] = x
    return out


def plain(x: Any) -> Any:
    """Return an array as kernels take it: C-contiguous and writable, so that one compiled form serves."""
    return np.require(x, requirements=["C", "W"])


def chunks(work: int, unit: int, most: int = CHUNKS) -> int:
    """Return into how many parts to divide work: a power of 2, where a part has at least a `unit`.

    It does not depend on the number of cores: so the results do not either.
    """
    return 1 << max(min(work // unit, most), 1).bit_length() - 1


def over_batch(function: Callable[[int, int, int], object], batch: int, parts: int) -> None:
    """Call ``function(part, first, last)`` for all parts of a batch, on all cores."""
    run_parallel(lambda i: function(i, batch * i // parts, batch * (i + 1) // parts), parts)
