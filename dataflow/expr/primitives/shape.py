"""Primitives that move values without changing them: reshape, stack, index, transpose, matmul."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dataflow.block import Column, concat_columns
from dataflow.errors import SpecError, TraceError
from dataflow.expr.tensor import (
    METHODS,
    NUMPY_FUNCTIONS,
    UFUNCS,
    Primitive,
    Tensor,
    as_tensor,
    broadcast_shapes,
    require_numeric,
)
from dataflow.spec import Shape, TensorSpec, dtype_name, is_text
from dataflow.strings import Strings


def _move(x: Any, order: Sequence[int]) -> Any:
    """Transpose numbers, or text by way of its positions."""
    if not isinstance(x, Strings):
        return np.transpose(x, order)
    positions = np.arange(len(x.values)).reshape(x.shape).transpose(order)
    return Strings(x.reshape((-1,)).take(positions.ravel()).values, positions.shape)


def _reshape_infer(x: Tensor, *, shape: Shape) -> TensorSpec:
    sizes = list(shape)
    if sizes.count(-1) > 1:
        raise SpecError(f"shape {shape} has more than one -1")
    if None not in x.shape:
        total, known = math.prod(x.shape), math.prod(s for s in sizes if s != -1)  # type: ignore[arg-type,misc]
        if (known == 0 and total) or (total % known if known else 0) or (-1 not in sizes and known != total):
            raise SpecError(f"cannot reshape {x.spec} to {shape}")
        sizes = [total // max(known, 1) if s == -1 else s for s in sizes]
    return TensorSpec(sizes, x.dtype)


reshape = Primitive(
    "reshape",
    _reshape_infer,
    lambda lead, x, *, shape: (x if isinstance(x, Strings) else np.asarray(x)).reshape(
        (*x.shape[:lead], *_known(x, lead, shape))
    ),
    lambda: [((np.arange(6.0).reshape(2, 3),), {"shape": (3, 2)}), ((np.arange(4),), {"shape": (-1, 2)})],
)


def _known(x: Any, lead: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Resolve -1 by hand: with no rows NumPy cannot."""
    total, known = math.prod(np.shape(x)[lead:]), math.prod(s for s in shape if s != -1)
    return tuple(total // max(known, 1) if s == -1 else s for s in shape)


def _common_dtype(inputs: Sequence[Tensor]) -> np.dtype[Any]:
    """Return the dtype of the joined values.

    Raises:
        SpecError: Some are text and some are numbers.
    """
    dtypes = {tensor.dtype for tensor in inputs}
    if len({is_text(dtype) for dtype in dtypes}) > 1:
        names = " and ".join(sorted(dtype_name(dtype) for dtype in dtypes))
        raise SpecError(
            f"a list becomes one tensor, and this one holds {names}", hint="return a tuple or a dict of them"
        )
    return np.result_type(*dtypes) if len(dtypes) > 1 else inputs[0].dtype


def _stack_infer(*inputs: Tensor, axis: int) -> TensorSpec:
    dtype = _common_dtype(inputs)
    if len({t.ndim for t in inputs}) > 1:
        raise SpecError(f"np.stack needs equal shapes, and got {[t.shape for t in inputs]}")
    shape = list(broadcast_shapes(*(t.shape for t in inputs)))
    shape.insert(axis if axis >= 0 else len(shape) + 1 + axis, len(inputs))
    return TensorSpec(shape, dtype)


def _stack(lead: int, *values: Any, axis: int) -> Any:
    rank = np.ndim(values[0]) - lead
    position = lead + (axis if axis >= 0 else rank + 1 + axis)
    if not isinstance(values[0], Strings):
        return np.stack(values, axis=position)
    flat = concat_columns([value.reshape((-1,)) for value in values])
    joined = flat.reshape((len(values), *values[0].shape))  # type: ignore[union-attr]
    return _move(joined, (*range(1, position + 1), 0, *range(position + 1, len(joined.shape))))


stack = Primitive(
    "stack",
    _stack_infer,
    _stack,
    lambda: [((np.arange(3.0), np.arange(3.0) + 5), {"axis": a}) for a in (0, 1, -1)],
)


def _concat_infer(*inputs: Tensor, axis: int) -> TensorSpec:
    if len({t.ndim for t in inputs}) > 1 or not inputs[0].ndim:
        raise SpecError(
            f"np.concatenate needs equal ranks of at least 1, and got {[t.shape for t in inputs]}"
        )
    axis %= inputs[0].ndim
    rest = broadcast_shapes(*((*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs))
    sizes = [t.shape[axis] for t in inputs]
    total = None if None in sizes else sum(sizes)  # type: ignore[arg-type]
    dtype = _common_dtype(inputs)
    return TensorSpec((*rest[:axis], total, *rest[axis:]), dtype)


def _concatenate(lead: int, *values: Any, axis: int) -> Any:
    position = axis % (np.ndim(values[0]) - lead) + lead
    if not isinstance(values[0], Strings):
        return np.concatenate(values, axis=position)
    front = [_move(v, (position, *(i for i in range(v.ndim) if i != position))) for v in values]
    joined: Column = concat_columns(front)
    return _move(joined, [*range(1, position + 1), 0, *range(position + 1, len(front[0].shape))])


concatenate = Primitive(
    "concatenate",
    _concat_infer,
    _concatenate,
    lambda: [
        ((np.arange(4.0).reshape(2, 2), np.ones((2, 3))), {"axis": 1}),
        ((np.arange(2), np.arange(3)), {"axis": 0}),
    ],
)


def _transpose_infer(x: Tensor, *, order: tuple[int, ...]) -> TensorSpec:
    if sorted(order) != list(range(x.ndim)):
        raise SpecError(f"axes {order} are not a permutation of the {x.ndim} axes of {x.spec}")
    return TensorSpec([x.shape[i] for i in order], x.dtype)


transpose = Primitive(
    "transpose",
    _transpose_infer,
    lambda lead, x, *, order: _move(x, (*range(lead), *(i + lead for i in order))),
    lambda: [((np.arange(6.0).reshape(2, 3),), {"order": (1, 0)})],
)

Key = tuple[Any, ...]


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
                raise SpecError(f"index {part} is out of range for size {size}")
        else:
            shape.append(None if size is None and part != slice(None) else _slice_size(part, size))
    return TensorSpec([*shape, *x.shape[axis:]], x.dtype)


def _slice_size(part: slice, size: int | None) -> int | None:
    return None if size is None else len(range(*part.indices(size)))


def _index(lead: int, x: Any, *, key: Key) -> Any:
    full = (slice(None),) * lead + key
    if not isinstance(x, Strings):
        return x[full]
    positions = np.arange(len(x.values)).reshape(x.shape)[full]
    return Strings(x.reshape((-1,)).take(np.ravel(positions)).values, np.shape(positions))


index = Primitive(
    "index",
    _index_infer,
    _index,
    lambda: [
        ((np.arange(6.0).reshape(2, 3),), {"key": (slice(None), 1)}),
        ((np.arange(4),), {"key": (None, slice(1, 3))}),
    ],
)


def _matmul_infer(a: Tensor, b: Tensor) -> TensorSpec:
    require_numeric("np.matmul", a, b)
    if a.ndim != 2 or b.ndim != 2:
        raise SpecError(f"matmul takes matrices, and got {a.spec} and {b.spec}", hint="reshape them first")
    if None not in (a.shape[1], b.shape[0]) and a.shape[1] != b.shape[0]:
        raise SpecError(
            f"matmul of {a.shape} and {b.shape}: {a.shape[1]} columns do not meet {b.shape[0]} rows"
        )
    return TensorSpec((a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype))


matmul = Primitive(
    "matmul",
    _matmul_infer,
    lambda _, a, b: np.matmul(a, b),
    lambda: [((np.arange(6.0).reshape(2, 3), np.ones((3, 2))), {})],
)


def _as_key(key: Any) -> Key:
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if isinstance(part, Tensor) or not (
            part is None or part is Ellipsis or isinstance(part, int | slice | np.integer)
        ):
            raise TraceError(
                f"symbolic tensors are indexed by numbers, slices, None and ..., not {type(part).__name__}",
                hint="use np.where to choose by a condition",
            )
    return tuple(int(p) if isinstance(p, np.integer) else p for p in parts)


def get_item(x: Tensor, key: Any) -> Any:
    """Index with integers, slices, None and Ellipsis."""
    parts = _as_key(key)
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        fill = x.ndim - sum(p is not None and p is not Ellipsis for p in parts)
        parts = (*parts[:at], *(slice(None),) * fill, *parts[at + 1 :])
    return index(x, key=parts)


def _reshape(x: Any, *shape: Any) -> Any:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    return reshape(x, shape=tuple(int(s) for s in sizes))


def _transpose(x: Any, *axes: Any) -> Any:
    order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
    rank = as_tensor(x).ndim
    return transpose(
        x,
        order=tuple(a % rank for a in order) if order and order[0] is not None else tuple(range(rank))[::-1],
    )


def _expand_dims(x: Any, axis: int) -> Any:
    rank = as_tensor(x).ndim
    return index(x, key=(slice(None),) * (axis % (rank + 1)) + (None,))


def _squeeze(x: Any, axis: int | None = None) -> Any:
    shape = as_tensor(x).shape
    drop = {axis % len(shape)} if axis is not None else {i for i, size in enumerate(shape) if size == 1}
    return index(x, key=tuple(0 if i in drop else slice(None) for i in range(len(shape))))


def _matmul(a: Any, b: Any) -> Any:
    """Matrix product with NumPy's rule for vectors."""
    left, right = as_tensor(a), as_tensor(b)
    squeeze_left, squeeze_right = left.ndim == 1, right.ndim == 1
    product = matmul(left[None] if squeeze_left else left, right[:, None] if squeeze_right else right)
    product = product[:, 0] if squeeze_right else product
    return product[0] if squeeze_left else product


METHODS.update(
    __getitem__=get_item,
    reshape=_reshape,
    transpose=_transpose,
    squeeze=_squeeze,
    ravel=lambda x: _reshape(x, -1),
)
METHODS["flatten"] = METHODS["ravel"]
UFUNCS["matmul"] = _matmul
NUMPY_FUNCTIONS.update({
    np.stack: lambda arrays, axis=0: stack(*arrays, axis=axis),
    np.concatenate: lambda arrays, axis=0: concatenate(*arrays, axis=axis),
    np.hstack: lambda arrays: concatenate(*arrays, axis=0 if as_tensor(arrays[0]).ndim == 1 else 1),
    np.reshape: lambda a, shape: _reshape(a, shape),
    np.transpose: lambda a, axes=None: _transpose(a, *(axes or ())),
    np.expand_dims: _expand_dims, np.squeeze: _squeeze, np.ravel: METHODS["ravel"],
    np.dot: _matmul,
    np.shape: lambda a: as_tensor(a).shape, np.ndim: lambda a: as_tensor(a).ndim,
})  # fmt: skip
