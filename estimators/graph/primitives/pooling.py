"""Maxima and means over windows of images NHWC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators import kernels
from estimators.graph.primitives.helpers import per_element
from estimators.graph.primitives.windows import Axis, axes, chunks, counts, over_batch, padded, pair, plain
from estimators.graph.registry import KERNELS, RULES, Kernel, output

_UNIT = 100_000
"""Values that a core goes through in about a twentieth of a millisecond."""


def _windows(
    name: str, x: Tensor, *, pool_size: Any, strides: Any, padding: str = "valid"
) -> tuple[int | None, ...]:
    """Return the shape of the result, after checks."""
    if x.ndim != 4 or x.dtype not in (np.float32, np.float64):
        raise SpecError(
            f"{name} takes float32 or float64 images [batch, height, width, channels], not {x.spec}",
            hint="use .astype(np.float32) or x[..., None]",
        )
    try:
        windows = counts(x.shape[1:3], pair("pool_size", pool_size), strides, padding)
    except SpecError as error:
        raise SpecError(f"{error.message}: {name} of images {x.spec}", hint=error.hint) from None
    return (x.shape[0], *windows, x.shape[3])


def _axes_of(x: Any, *, pool_size: Any, strides: Any, padding: str = "valid") -> tuple[Axis, Axis]:
    return axes(x.shape[1:3], pair("pool_size", pool_size), strides, padding)


def _cell_dtype(pool_size: Any) -> type[np.integer[Any]]:
    """Return the dtype for numbers of cells."""
    height, width = pair("pool_size", pool_size)
    return np.uint8 if height * width <= 256 else np.int32


def _max_pool_infer(x: Tensor, **attributes: Any) -> tuple[TensorSpec, TensorSpec]:
    shape = _windows("max_pool2d", x, **attributes)
    return TensorSpec(shape, x.dtype), TensorSpec(shape, _cell_dtype(attributes["pool_size"]))


def _cells(rows: Axis, columns: Axis) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the number of each cell of a window, and where it is in padded images, for all windows."""
    return [
        (i * columns.taps + j, (slice(None), rows.at(i), columns.at(j)))
        for i, j in np.ndindex(rows.taps, columns.taps)
    ]


def _inside(x: Any, rows: Axis, columns: Axis) -> Any:
    """Return ones where padded images have cells, ``[1, height, width, 1]``."""
    return padded(np.ones((1, *x.shape[1:3], 1), x.dtype), rows, columns)


def _cropped(out: Any, rows: Axis, columns: Axis) -> Any:
    top, left = rows.before, columns.before
    return out[:, top : top + rows.size, left : left + columns.size].copy()


def _max_pool(x: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(x, **attributes)
    images, real = padded(x, rows, columns), _inside(x, rows, columns) > 0
    best = np.full((len(x), rows.count, columns.count, x.shape[3]), -np.inf, x.dtype)
    which = np.zeros(best.shape, _cell_dtype(attributes["pool_size"]))
    empty = np.ones(best.shape, bool)
    for cell, place in _cells(rows, columns):
        new = images[place]
        better = real[place] & (empty | ~(new <= best) & ~np.isnan(best))
        best, which[better], empty = np.where(better, new, best), cell, empty & ~real[place]
    return best, which


def _max_pool_backward(g: Any, which: Any, like: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(like, **attributes)
    out = padded(np.zeros_like(like), rows, columns)
    for cell, place in _cells(rows, columns):
        out[place] += np.where(which == cell, g, g.dtype.type(0))
    return _cropped(out, rows, columns)


def _max_pool_chosen(x: Any, which: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(x, **attributes)
    images = padded(x, rows, columns)
    out = np.zeros(which.shape, x.dtype)
    for cell, place in _cells(rows, columns):
        np.copyto(out, images[place], where=which == cell)
    return out


def _average_pool(x: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(x, **attributes)
    images, real = padded(x, rows, columns), _inside(x, rows, columns)
    parts = [(images[place], real[place]) for _, place in _cells(rows, columns)]
    out = np.zeros((len(x), rows.count, columns.count, x.shape[3]), x.dtype)
    for values, _ in parts:
        out += values
    return out / sum(inside for _, inside in parts)


def _average_pool_backward(g: Any, like: Any, **attributes: Any) -> Any:
    rows, columns = _axes_of(like, **attributes)
    real = _inside(like, rows, columns)
    out = padded(np.zeros_like(like), rows, columns)
    share = g / sum(real[place] for _, place in _cells(rows, columns))
    for _, place in _cells(rows, columns):
        out[place] += share
    return _cropped(out, rows, columns)


_X = np.sin(np.arange(60.0) ** 2).reshape(1, 6, 5, 2)
_SETTINGS: list[tuple[tuple[int, int], dict[str, Any]]] = [
    ((2, 2), {"pool_size": (3, 2), "strides": (2, 2), "padding": "valid"}),
    ((3, 2), {"pool_size": (3, 2), "strides": (2, 3), "padding": "same"}),
]


def _g(shape: tuple[int, int]) -> Any:
    return np.cos(np.arange(shape[0] * shape[1] * 2.0)).reshape(1, *shape, 2)


def _samples(
    inputs: Callable[[Any], tuple[Any, ...]],
) -> Callable[[], list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    return lambda: [(inputs(shape), attributes) for shape, attributes in _SETTINGS]


max_pool2d = Primitive("max_pool2d", _max_pool_infer, per_element(_max_pool), _samples(lambda _: (_X,)))
"""The largest value of each window of images ``[batch, height, width, channels]``, and its cell's number.

Attributes: `pool_size` and `strides`, two ints each, and `padding`, "same" or "valid", as in TensorFlow; what
"same" adds around the images never counts. The first of equal values is chosen, and NaN before all numbers,
so that it is not hidden; TensorFlow leaves NaN out on some devices. Numbers of cells (uint8, or int32 for
windows of more than 256 cells) count row by row in the window.
"""

max_pool2d_backward = Primitive(
    "max_pool2d_backward",
    lambda g, which, like, **_: like.spec,
    per_element(_max_pool_backward),
    _samples(lambda shape: (_g(shape), (_g(shape) > 0).astype(np.uint8) * 2, _X)),
)
"""Gradient of max_pool2d: from that of the values, the numbers of cells, and the images' shape."""

max_pool2d_chosen = Primitive(
    "max_pool2d_chosen",
    lambda x, which, **_: TensorSpec(which.shape, x.dtype),
    per_element(_max_pool_chosen),
    _samples(lambda shape: (_X, (_g(shape) > 0).astype(np.uint8) * 2)),
)
"""The values of images at the cells that max_pool2d chose in others."""

average_pool2d = Primitive(
    "average_pool2d",
    lambda x, **attributes: TensorSpec(_windows("average_pool2d", x, **attributes), x.dtype),
    per_element(_average_pool),
    _samples(lambda _: (_X,)),
)
"""The mean of each window of images ``[batch, height, width, channels]``; see `max_pool2d`."""

average_pool2d_backward = Primitive(
    "average_pool2d_backward",
    lambda g, like, **_: like.spec,
    per_element(_average_pool_backward),
    _samples(lambda shape: (_g(shape), _X)),
)
"""Gradient of average_pool2d: from that of its result, and the images' shape."""

# Kernels -------------------------------------------------------------------------------------------


def _run(name: str, inputs: int, *, vectors: bool = False) -> Kernel:
    """Return the kernel of a name in `kernels.pooling`: so many inputs, and perhaps one like the result."""

    def run(out: Any, scratch: Any, *values: Any, **attributes: Any) -> None:
        image = values[-1]
        arrays = [plain(value) for value in values[:inputs]]
        rows, columns = _axes_of(image, **attributes)
        grid = np.array(
            [rows.taps, columns.taps, rows.stride, columns.stride, rows.before, columns.before], np.int64
        )
        function = getattr(kernels.pooling, name)
        settings = (grid, kernels.pooling.lanes(image.dtype)) if vectors else (grid,)
        over_batch(
            lambda _, first, last: function(*arrays, first, last, *settings, *out),
            len(image), chunks(image.size, _UNIT),
        )  # fmt: skip

    return Kernel(run)


KERNELS["max_pool2d"] = _run("max_pool", 1, vectors=True)
KERNELS["max_pool2d_backward"] = _run("max_pool_backward", 2, vectors=True)
KERNELS["average_pool2d"] = _run("average_pool", 1)
KERNELS["average_pool2d_backward"] = _run("average_pool_backward", 1)

# Gradients -----------------------------------------------------------------------------------------


def _max_pool_rule(call: Call, g: Tensor, _: Tensor | None) -> Sequence[Tensor]:
    (x,) = call.inputs
    return (max_pool2d_backward(g, output(call, 1), x, **call.attributes),)


def _max_pool_backward_rule(call: Call, h: Tensor) -> Sequence[Tensor | None]:
    return max_pool2d_chosen(h, call.inputs[1], **call.attributes), None, None


def _max_pool_chosen_rule(call: Call, g: Tensor) -> Sequence[Tensor | None]:
    x, which = call.inputs
    return max_pool2d_backward(g, which, x, **call.attributes), None


RULES["max_pool2d"] = _max_pool_rule
RULES["max_pool2d_backward"] = _max_pool_backward_rule
RULES["max_pool2d_chosen"] = _max_pool_chosen_rule
RULES["average_pool2d"] = lambda call, g: (average_pool2d_backward(g, call.inputs[0], **call.attributes),)
RULES["average_pool2d_backward"] = lambda call, h: (average_pool2d(h, **call.attributes), None)
