"""Dividing, shifting, padding and repeating: split, roll, pad, tile, repeat, broadcast_to, flip."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, TraceError
from dataflow.expr.primitives.indexing import index, normalize_axis, rearranged
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, require_numeric
from dataflow.spec import Shape, TensorSpec

Widths: TypeAlias = tuple[tuple[int, int], ...]


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,)


def _split_infer(x: Tensor, *, stops: tuple[int | None, ...], axis: int) -> tuple[TensorSpec, ...]:
    size = x.shape[axis]
    parts = zip((0, *stops[:-1]), stops, strict=True)
    sizes = [None if size is None else len(range(size)[start:stop]) for start, stop in parts]
    return tuple(TensorSpec((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in sizes)


def _split(lead: int, x: Any, *, stops: tuple[int | None, ...], axis: int) -> tuple[Any, ...]:
    parts = zip((0, *stops[:-1]), stops, strict=True)
    keys = [_along(axis + lead, slice(start, stop)) for start, stop in parts]
    return tuple(rearranged(x, operator.itemgetter(key)) for key in keys)


split = Primitive(
    "split",
    _split_infer,
    _split,
    lambda: [
        ((np.arange(6.0).reshape(2, 3),), {"stops": (1, None), "axis": 1}),
        ((np.array(["a", "b", "c"], object),), {"stops": (2, 2, None), "axis": 0}),
    ],
)
"""Consecutive parts along an axis, each to its stop, the last to the end (None)."""


def _parts(ary: Any, indices_or_sections: Any, axis: int, *, equal: bool) -> list[Any]:
    x = as_tensor(ary)
    axis = normalize_axis(axis, x.ndim)
    if not isinstance(indices_or_sections, int | np.integer):
        stops = tuple(int(i) for i in indices_or_sections)
        return list(split(x, stops=(*stops, None), axis=axis))
    count, size = int(indices_or_sections), x.shape[axis]
    if count <= 0:
        raise InvalidArgumentError(f"np.split into {count} parts")
    if size is None:
        raise SpecError(
            f"np.split of {x.spec} into {count} parts: the size of axis {axis} is not known",
            hint="give the positions to split at",
        )
    if equal and size % count:
        raise SpecError(
            f"np.split of {x.spec}: axis {axis} of size {size} has no {count} equal parts",
            hint="use np.array_split, or give the positions to split at",
        )
    ends = np.cumsum([size // count + (i < size % count) for i in range(count)])
    return list(split(x, stops=(*map(int, ends[:-1]), None), axis=axis))


roll = Primitive(
    "roll",
    lambda x, *, shift, axis: x.spec,
    lambda lead, x, *, shift, axis: rearranged(
        x, lambda values: np.roll(values, shift, tuple(a + lead for a in axis))
    ),
    lambda: [((np.arange(6.0).reshape(2, 3),), {"shift": (1, -1), "axis": (0, 1)})],
)
"""Values shifted along axes; what leaves at one end comes in at the other."""


def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    x = as_tensor(a)
    if axis is None:
        return roll(x.reshape(-1), shift=(int(shift),), axis=(0,)).reshape(x.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    return roll(
        x,
        shift=tuple(int(s) for s in shifts.flat),
        axis=tuple(normalize_axis(int(i), x.ndim) for i in axes.flat),
    )


def _pad_infer(x: Tensor, *, widths: Widths, value: float) -> TensorSpec:
    require_numeric("np.pad", x)
    shape = [None if n is None else n + sum(w) for n, w in zip(x.shape, widths, strict=True)]
    return TensorSpec(shape, x.dtype)


pad = Primitive(
    "pad",
    _pad_infer,
    lambda lead, x, *, widths, value: np.pad(x, ((0, 0),) * lead + widths, constant_values=value),
    lambda: [((np.arange(6.0).reshape(2, 3),), {"widths": ((1, 0), (0, 2)), "value": -1.0})],
)
"""A border of one value around x."""


def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    x = as_tensor(array)
    if mode != "constant" or not isinstance(constant_values, bool | int | float | np.generic):
        raise TraceError(
            "np.pad fills symbolic tensors with one constant value only", hint="use np.concatenate for others"
        )
    if isinstance(pad_width, dict):
        by_axis = {normalize_axis(axis, x.ndim): width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(i, 0), 2) for i in range(x.ndim)]
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if (widths < 0).any():
        raise InvalidArgumentError(f"np.pad takes widths of at least 0, not {widths.tolist()}")
    return pad(x, widths=tuple((int(a), int(b)) for a, b in widths), value=constant_values)


def _copies_infer(x: Tensor, *, copies: tuple[int, ...]) -> TensorSpec:
    if any(n < 0 for n in copies):
        raise InvalidArgumentError(f"copies of {x.spec} must not be negative, and are {copies}")
    return TensorSpec([None if n is None else n * c for n, c in zip(x.shape, copies, strict=True)], x.dtype)


tile = Primitive(
    "tile",
    _copies_infer,
    lambda lead, x, *, copies: rearranged(x, lambda values: np.tile(values, (1,) * lead + copies)),
    lambda: [((np.arange(6.0).reshape(2, 3),), {"copies": (2, 3)})],
)
"""The whole tensor again and again, so many times along each axis."""


def _repeat(lead: int, x: Any, *, copies: tuple[int, ...]) -> Any:
    def repeated(values: Any) -> Any:
        for axis, count in enumerate(copies):
            values = np.repeat(values, count, axis + lead) if count != 1 else values
        return values

    return rearranged(x, repeated)


repeat = Primitive(
    "repeat",
    _copies_infer,
    _repeat,
    lambda: [((np.arange(6.0).reshape(2, 3),), {"copies": (1, 2)})],
)
"""Each value so many times in a row, along each axis."""


def _tiled(A: Any, reps: Any) -> Any:
    x = as_tensor(A)
    copies = tuple(int(n) for n in np.atleast_1d(reps))
    if len(copies) > x.ndim:
        x = index(x, key=(None,) * (len(copies) - x.ndim))
    return tile(x, copies=(1,) * (x.ndim - len(copies)) + copies)


def _repeated(a: Any, repeats: Any, axis: int | None = None) -> Any:
    if not isinstance(repeats, int | np.integer):
        raise TraceError(
            "np.repeat of a symbolic tensor takes one number of repeats",
            hint="use np.take(x, np.repeat(np.arange(n), repeats), axis) where all sizes are known",
        )
    x = as_tensor(a).reshape(-1) if axis is None else as_tensor(a)
    axis = normalize_axis(axis or 0, x.ndim)
    return repeat(x, copies=tuple(int(repeats) if i == axis else 1 for i in range(x.ndim)))


def _broadcast_infer(x: Tensor, *, shape: Shape) -> TensorSpec:
    extra = len(shape) - x.ndim
    pairs = list(zip(x.shape, shape[max(extra, 0) :], strict=False))
    known = None not in shape[: max(extra, 0)] and all(n is None for n, s in pairs if s is None)
    if extra < 0 or not all(n in (1, s, None) for n, s in pairs) or not known:
        raise SpecError(
            f"np.broadcast_to of {x.spec} to {shape}",
            hint="add zeros of the other tensor to it where a size is not known: x + np.zeros_like(y)",
        )
    return TensorSpec(shape, x.dtype)


def _broadcast(lead: int, x: Any, *, shape: Shape) -> Any:
    extra = len(shape) - (np.ndim(x) - lead)

    def spread(values: Any) -> Any:
        own = values.shape[lead:]
        full = [own[i - extra] if n is None else n for i, n in enumerate(shape)]
        wide = values.reshape((*values.shape[:lead], *(1,) * extra, *own))
        return np.broadcast_to(wide, (*values.shape[:lead], *full))

    return rearranged(x, spread)


broadcast_to = Primitive(
    "broadcast_to",
    _broadcast_infer,
    _broadcast,
    lambda: [((np.arange(3.0),), {"shape": (2, 3)}), ((np.ones((2, 1)),), {"shape": (2, 3)})],
)
"""The tensor repeated to a shape, by the rules of broadcasting; None keeps an unknown size."""


def _broadcast_to(array: Any, shape: Any) -> Any:
    sizes = shape if isinstance(shape, Sequence) else (shape,)
    return broadcast_to(array, shape=tuple(None if n is None else int(n) for n in sizes))


def _flip(m: Any, axis: Any = None) -> Any:
    x = as_tensor(m)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    turned = {normalize_axis(a, x.ndim) for a in axes}
    return index(x, key=tuple(slice(None, None, -1 if i in turned else None) for i in range(x.ndim)))


METHODS["repeat"] = _repeated
NUMPY_FUNCTIONS.update({
    np.split: lambda ary, indices_or_sections, axis=0: _parts(ary, indices_or_sections, axis, equal=True),
    np.array_split: lambda ary, indices_or_sections, axis=0: _parts(
        ary, indices_or_sections, axis, equal=False
    ),
    np.roll: _roll, np.pad: _pad, np.tile: _tiled, np.repeat: _repeated, np.broadcast_to: _broadcast_to,
    np.flip: _flip, np.fliplr: lambda m: _flip(m, 1), np.flipud: lambda m: _flip(m, 0),
})  # fmt: skip
