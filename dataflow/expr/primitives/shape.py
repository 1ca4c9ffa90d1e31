"""Primitives that move values without changing them: reshape, stack, concatenate, transpose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.block import Column, concat_columns
from dataflow.errors import SpecError
from dataflow.expr.primitives.indexing import index, normalize_axis, rearranged
from dataflow.expr.tensor import (
    METHODS,
    NUMPY_FUNCTIONS,
    Primitive,
    Tensor,
    as_tensor,
)
from dataflow.spec import Shape, TensorSpec, dtype_name, is_text
from dataflow.strings import Strings


def _move(x: Any, order: Sequence[int]) -> Any:
    """Transpose numbers or text."""
    return rearranged(x, lambda values: np.transpose(values, order))


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
    total=True,
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


def _same_shape(name: str, shapes: Sequence[Shape], inputs: Sequence[Tensor]) -> list[int | None]:
    """Return the shape that all have, as far as it is known.

    Raises:
        SpecError: Two of them differ.
    """
    result: list[int | None] = []
    for sizes in zip(*shapes, strict=True):
        known = set(sizes) - {None}
        if len(known) > 1:
            specs = ", ".join(str(tensor.spec) for tensor in inputs)
            raise SpecError(
                f"{name}: the shapes of {specs} do not fit",
                hint="all sizes but that of the joined axis must be equal",
            )
        result.append(known.pop() if known else None)
    return result


def _stack_infer(*inputs: Tensor, axis: int) -> TensorSpec:
    dtype = _common_dtype(inputs)
    if len({t.ndim for t in inputs}) > 1:
        raise SpecError(f"np.stack needs equal shapes, and got {[t.shape for t in inputs]}")
    shape = _same_shape("np.stack", [t.shape for t in inputs], inputs)
    shape.insert(normalize_axis(axis, len(shape) + 1), len(inputs))
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
    total=True,
)


def _concat_infer(*inputs: Tensor, axis: int) -> TensorSpec:
    if len({t.ndim for t in inputs}) > 1 or not inputs[0].ndim:
        raise SpecError(
            f"np.concatenate needs equal ranks of at least 1, and got {[t.shape for t in inputs]}"
        )
    axis = normalize_axis(axis, inputs[0].ndim)
    others = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs]
    rest = _same_shape(f"np.concatenate along axis {axis}", others, inputs)
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
    total=True,
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
    total=True,
)


def _reshape(x: Any, *shape: Any) -> Any:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    tensor = as_tensor(x)
    return reshape(tensor, shape=_with_unknown(tensor.shape, [None if s is None else int(s) for s in sizes]))


def _with_unknown(given: Shape, sizes: list[int | None]) -> tuple[int, ...]:
    """Return sizes for `reshape`, where None is the size of the only unknown axis of x."""
    if None not in sizes:
        return tuple(s for s in sizes if s is not None)
    if given.count(None) != 1 or sizes.count(None) != 1:
        raise SpecError(
            f"reshape of {given} to {tuple(sizes)}: only one size may be unknown", hint="give the others"
        )
    if -1 in sizes:
        rest = math.prod(s for s in sizes if s is not None and s != -1)
        total = math.prod(s for s in given if s is not None)
        if not rest or total % rest:
            raise SpecError(f"cannot reshape {given} to {tuple(sizes)}")
        sizes = [total // rest if s == -1 else s for s in sizes]
    return tuple(-1 if s is None else s for s in sizes)


def _transpose(x: Any, *axes: Any) -> Any:
    order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
    rank = as_tensor(x).ndim
    known = order and order[0] is not None
    return transpose(
        x, order=tuple(normalize_axis(a, rank) for a in order) if known else tuple(range(rank))[::-1]
    )


def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    rank = as_tensor(a).ndim
    order = list(range(rank))
    one, two = normalize_axis(axis1, rank), normalize_axis(axis2, rank)
    order[one], order[two] = two, one
    return transpose(a, order=tuple(order))


def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    rank = as_tensor(a).ndim
    old, new = (
        [normalize_axis(i, rank) for i in (axes if isinstance(axes, tuple | list) else [axes])]
        for axes in (source, destination)
    )
    order = [i for i in range(rank) if i not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return transpose(a, order=tuple(order))


def _expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    axes = [axis] if isinstance(axis, int) else axis
    rank = as_tensor(x).ndim + len(axes)
    new = {normalize_axis(a, rank) for a in axes}
    return index(x, key=tuple(None if i in new else slice(None) for i in range(rank)))


def _squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    tensor = as_tensor(x)
    if axis is None:
        drop = {i for i, size in enumerate(tensor.shape) if size == 1}
    else:
        drop = {normalize_axis(a, tensor.ndim) for a in ([axis] if isinstance(axis, int) else axis)}
    wrong = [i for i in drop if tensor.shape[i] not in (1, None)]
    if wrong:
        raise SpecError(f"np.squeeze of axis {wrong[0]} of {tensor.spec}, whose size is not 1")
    return index(tensor, key=tuple(0 if i in drop else slice(None) for i in range(tensor.ndim)))


def _concatenated(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        return concatenate(*(as_tensor(a).reshape(-1) for a in arrays), axis=0)
    return concatenate(*arrays, axis=axis)


def _at_least(rank: int) -> Callable[..., Any]:
    """Return ``np.atleast_1d`` and such: axes of size 1 come in front, up to two of them."""

    def widen(*arrays: Any) -> Any:
        tensors = [as_tensor(a) for a in arrays]
        wide = [index(t, key=(None,) * (rank - t.ndim)) if t.ndim < rank else t for t in tensors]
        return wide[0] if len(wide) == 1 else tuple(wide)

    return widen


METHODS.update(
    reshape=_reshape,
    transpose=_transpose,
    squeeze=_squeeze,
    swapaxes=_swapaxes,
    ravel=lambda x: _reshape(x, -1),
)
METHODS["flatten"] = METHODS["ravel"]
NUMPY_FUNCTIONS.update({
    np.stack: lambda arrays, axis=0: stack(*arrays, axis=axis),
    np.concatenate: _concatenated,
    np.hstack: lambda tup: concatenate(*tup, axis=0 if as_tensor(tup[0]).ndim == 1 else 1),
    np.vstack: lambda tup: concatenate(*map(_at_least(2), tup), axis=0),
    np.reshape: lambda a, shape: _reshape(a, shape),
    np.transpose: lambda a, axes=None: _transpose(a, *(axes or ())),
    np.matrix_transpose: lambda x: _swapaxes(x, -1, -2),
    np.swapaxes: _swapaxes, np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims, np.squeeze: _squeeze, np.ravel: METHODS["ravel"],
    np.atleast_1d: _at_least(1), np.atleast_2d: _at_least(2),
    np.shape: lambda a: as_tensor(a).shape, np.ndim: lambda a: as_tensor(a).ndim,
})  # fmt: skip
