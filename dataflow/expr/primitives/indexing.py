"""Parts of tensors by position: slices, gather, take_along_axis, and what ``x[key]`` means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError, TraceError
from dataflow.expr.tensor import METHODS, NUMPY_FUNCTIONS, Primitive, Tensor, as_tensor, broadcast_shapes
from dataflow.spec import TensorSpec
from dataflow.strings import Coded, Strings

Key: TypeAlias = tuple[Any, ...]
"""Integers, slices and None, one for each of the first axes of an element."""


def rearranged(x: Any, move: Callable[[Any], Any]) -> Any:
    """Apply a function that only moves values: to numbers, or to the positions of text."""
    if not isinstance(x, Strings):
        return move(np.asarray(x))
    if isinstance(x, Coded):
        return Coded(move(x.codes), x.dictionary)
    positions = move(np.arange(len(x.values)).reshape(x.shape))
    return Strings(x.reshape((-1,)).take(np.ravel(positions)).values, np.shape(positions))


def normalize_axis(axis: int, rank: int) -> int:
    """Return the axis counted from the front.

    Raises:
        SpecError: There is no such axis.
    """
    if not -rank <= axis < rank:
        raise SpecError(f"axis {axis} is out of range for rank {rank}")
    return int(axis) % rank


def _index_infer(x: Tensor, *, key: Key) -> TensorSpec:
    shape: list[int | None] = []
    axis = 0
    for part in key:
        if part is None:
            shape.append(1)
            continue
        if axis >= x.ndim:
            raise SpecError(f"too many indices for {x.spec}")
        size = x.shape[axis]
        axis += 1
        if isinstance(part, int):
            if size is not None and not -size <= part < size:
                raise SpecError(f"index {part} is out of range for size {size} of {x.spec}")
        else:
            shape.append(None if size is None else len(range(*part.indices(size))))
    return TensorSpec([*shape, *x.shape[axis:]], x.dtype)


index = Primitive(
    "index",
    _index_infer,
    # the Ellipsis makes a view even of one number
    lambda lead, x, *, key: rearranged(x, lambda values: values[(*(slice(None),) * lead, *key, ...)]),
    lambda: [
        ((np.arange(6.0).reshape(2, 3),), {"key": (slice(None), 1)}),
        ((np.arange(4),), {"key": (None, slice(1, 3))}),
        ((np.arange(4),), {"key": (slice(None, None, -2),)}),
        ((np.array(["a", "b", "c"], object),), {"key": (slice(None, None, -1), None)}),
    ],
    total=True,
)
"""Basic indexing."""


def _require_ids(name: str, ids: Tensor) -> None:
    if ids.dtype.kind not in "iu":
        raise SpecError(f"{name} takes integer positions, not {ids.spec}", hint="use .astype(np.int64)")


def check_ids(lead: int, ids: Any, size: int) -> Any:
    """Return the positions as an array.

    Raises:
        InvalidArgumentError: One is not in ``[0, size)``.
    """
    ids = np.asarray(ids)
    bits = 8 * ids.dtype.itemsize
    limit = size if ids.dtype.kind == "u" else min(size, 1 << (bits - 1))
    if not ids.size or int(ids.view(f"u{ids.dtype.itemsize}").max()) < limit:
        return ids
    place = np.argwhere((ids < 0) | (ids >= size))[0]
    error = InvalidArgumentError(
        f"id {ids[tuple(place)]} is out of range for size {size}",
        hint=f"ids go from 0 to {size - 1}; negative ones do not count from the end: clip, or map them first",
    )
    error.row = int(place[0]) if lead else None
    raise error


def _gather_infer(x: Tensor, ids: Tensor, *, axis: int) -> TensorSpec:
    _require_ids("gather", ids)
    if not 0 <= axis < x.ndim:
        raise SpecError(f"gather along axis {axis} of {x.spec}, which has {x.ndim} axes")
    return TensorSpec((*x.shape[:axis], *ids.shape, *x.shape[axis + 1 :]), x.dtype)


def _gather(lead: int, x: Any, ids: Any, *, axis: int) -> Any:
    ids = check_ids(lead, ids, x.shape[axis + lead])
    if not lead:
        return rearranged(x, lambda values: np.take(values, ids, axis, mode="clip"))

    def take(values: Any) -> Any:
        front = np.moveaxis(values, axis + 1, 1)
        if len(values) > 1 and values.strides[0] == 0:  # one array for all elements
            found = np.take(front[0], ids, 0, mode="clip")
        else:
            rows = np.arange(len(values)).reshape((-1, *(1,) * (ids.ndim - 1)))
            found = front[rows, ids]
        before, count = range(1, 1 + axis), ids.ndim - 1
        moved = [count + i for i in before]
        rest = range(1 + count + axis, found.ndim)
        return found.transpose((0, *moved, *range(1, 1 + count), *rest))

    return rearranged(x, take)


gather = Primitive(
    "gather",
    _gather_infer,
    _gather,
    lambda: [
        ((np.arange(6.0).reshape(3, 2), np.array([2, 0, 2])), {"axis": 0}),
        ((np.arange(6.0).reshape(3, 2), np.array([[1], [0]])), {"axis": 1}),
        ((np.arange(24.0).reshape(2, 3, 4), np.array([[1, 0], [2, 2]])), {"axis": 1}),
        ((np.array(["a", "b"], object), np.array(1, np.int32)), {"axis": 0}),
    ],
)
"""Slices of x at integer positions; its axis is replaced by the axes of the positions."""


def _take_along_axis_infer(x: Tensor, ids: Tensor, *, axis: int) -> TensorSpec:
    _require_ids("np.take_along_axis", ids)
    if x.ndim != ids.ndim:
        raise SpecError(f"np.take_along_axis needs equal ranks, and got {x.spec} and {ids.spec}")
    others = [tuple(1 if i == axis else n for i, n in enumerate(t.shape)) for t in (x, ids)]
    shape = broadcast_shapes(*others)
    return TensorSpec(tuple(ids.shape[i] if i == axis else n for i, n in enumerate(shape)), x.dtype)


def _take_along_axis(lead: int, x: Any, ids: Any, *, axis: int) -> Any:
    ids = check_ids(lead, ids, x.shape[axis + lead])
    return rearranged(x, lambda values: np.take_along_axis(values, ids, axis + lead))


take_along_axis = Primitive(
    "take_along_axis",
    _take_along_axis_infer,
    _take_along_axis,
    lambda: [
        ((np.arange(6.0).reshape(2, 3), np.array([[2, 0], [1, 1]])), {"axis": 1}),
        ((np.arange(6.0).reshape(2, 3), np.array([[1, 0, 0]])), {"axis": 0}),
    ],
)
"""For each line along the axis, its values at the positions of the same line of ids."""


def _known_ids(ids: Any, size: int | None) -> Any:
    """Return positions; known ones may count from the end, as in NumPy, of a known size."""
    if isinstance(ids, Tensor):
        return ids
    values = np.asarray(ids)
    values = values.astype(np.int64) if values.size == 0 else values
    if size is None or values.dtype.kind not in "iu":
        return values
    bad = (values < -size) | (values >= size)
    if bad.any():
        raise SpecError(f"index {values[bad].ravel()[0]} is out of range for size {size}")
    return np.where(values < 0, values + size, values)


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """Take slices at integer positions; without an axis, values of the flat tensor.

    Known positions may be negative; those of a tensor must not.
    """
    x = as_tensor(a).reshape(-1) if axis is None else as_tensor(a)
    axis = normalize_axis(axis or 0, x.ndim)
    if isinstance(indices, int | np.integer):
        return get_item(x, (slice(None),) * axis + (indices,))
    return gather(x, _known_ids(indices, x.shape[axis]), axis=axis)


def _along(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    x, ids = as_tensor(arr), indices
    if axis is None:
        x, ids, axis = x.reshape(-1), as_tensor(ids).reshape(-1), 0
    axis = normalize_axis(axis, x.ndim)
    return take_along_axis(x, _known_ids(ids, x.shape[axis]), axis=axis)


def _is_positions(part: Any) -> bool:
    return isinstance(part, Tensor | np.ndarray | list)


def _check_part(part: Any) -> None:
    kind = part.dtype.kind if isinstance(part, Tensor | np.ndarray) else ""
    if kind == "b" or isinstance(part, bool | np.bool_):
        raise TraceError(
            "a symbolic tensor cannot be indexed by a condition: the size of the result is not known",
            hint="use np.where to choose by a condition, or Dataset.filter to drop elements",
        )
    if isinstance(part, slice):
        ends = [part.start, part.stop, part.step]
        if all(end is None or isinstance(end, int | np.integer) for end in ends):
            return
        raise TraceError(f"slices of symbolic tensors need known ends, not {part!r}", hint="use np.take")
    plain = part is None or part is Ellipsis or isinstance(part, int | np.integer)
    if not plain and not _is_positions(part):
        raise TraceError(
            "symbolic tensors are indexed by numbers, slices, None, ... and integer tensors, "
            f"not by a {type(part).__name__}",
            hint="use np.where to choose by a condition, np.take to choose by position",
        )


def _plain(part: Any) -> Any:
    if isinstance(part, slice):
        return slice(*(None if end is None else int(end) for end in (part.start, part.stop, part.step)))
    return int(part) if isinstance(part, np.integer) else part


def get_item(x: Tensor, key: Any) -> Any:
    """Index with integers, slices, None and Ellipsis, and at one axis with a tensor of integers.

    The tensor's axes come where the axis was, as in NumPy.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    for part in parts:
        _check_part(part)
    parts = [_plain(part) for part in parts]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if dots:
        fill = x.ndim - sum(part is not None and part is not Ellipsis for part in parts)
        parts[dots[0] : dots[0] + 1] = [slice(None)] * fill
    places = [i for i, part in enumerate(parts) if _is_positions(part)]
    if not places:
        return index(x, key=tuple(parts))
    at = places[0]
    if len(dots) > 1 or len(places) > 1 or any(isinstance(part, int) for part in parts):
        raise TraceError(
            "symbolic tensors are indexed by one tensor of positions, beside slices, None and ...",
            hint="use np.take_along_axis(x, ids[:, None], axis=1) for one value of each row",
        )
    ids = parts[at]
    others = (*parts[:at], slice(None), *parts[at + 1 :])
    rest = x if all(part == slice(None) for part in others) else index(x, key=others)
    return gather(rest, _known_ids(ids, rest.shape[at]), axis=at)


METHODS.update(__getitem__=get_item, take=take)
NUMPY_FUNCTIONS.update({np.take: take, np.take_along_axis: _along})
