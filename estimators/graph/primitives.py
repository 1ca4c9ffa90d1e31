"""Primitives that models need beside those of pipelines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Primitive, Tensor, broadcast_shapes
from dataflow.spec import TensorSpec
from dataflow.strings import Strings
from estimators import kernels


def _per_element(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Let a kernel for one element serve a leading axis of elements too."""

    def full(lead: int, *values: Any, **attributes: Any) -> Any:
        if not lead:
            return compute(*values, **attributes)
        parts = []
        for i in range(len(values[0])):
            rows = [
                v.slice(i, i + 1).reshape(v.shape[1:]) if isinstance(v, Strings) else v[i] for v in values
            ]
            parts.append(compute(*rows, **attributes))
        if parts and isinstance(parts[0], Strings):
            text = np.stack([part.to_numpy() for part in parts])
            return Strings.from_numpy(text, parts[0].dtype)
        return np.stack(parts)

    return full


def _float_like(*inputs: Tensor) -> TensorSpec:
    for tensor in inputs:
        if tensor.dtype.kind != "f":
            raise SpecError(
                f"floating-point numbers are needed, not {tensor.spec}", hint="use .astype(np.float32)"
            )
    return TensorSpec(broadcast_shapes(*(t.shape for t in inputs)), inputs[0].dtype)


# Classification ------------------------------------------------------------------------------------


def _sigmoid(_: int, x: Any) -> Any:
    exp = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + exp), exp / (1 + exp)).astype(x.dtype, copy=False)


sigmoid = Primitive(
    "sigmoid", _float_like, _sigmoid, lambda: [((np.array([-2.0, 0.0, 90.0]),), {})], elementwise=True
)
"""1 / (1 + e^-x), without overflow."""


def _cross_entropy(_: int, logits: Any, labels: Any) -> Any:
    return np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))


sigmoid_cross_entropy = Primitive(
    "sigmoid_cross_entropy",
    _float_like,
    _cross_entropy,
    lambda: [((np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.0, 0.5])), {})],
    elementwise=True,
)
"""max(z, 0) - z y + ln(1 + e^-|z|), the negative log likelihood of a Bernoulli label y."""


def _check_range(_: int, values: Any, *, low: float, high: float, what: str) -> Any:
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        raise InvalidArgumentError(
            f"{what} must be between {low:g} and {high:g}, and one is {np.asarray(values)[bad].ravel()[0]:g}",
            hint="check the label column, or give a label_vocabulary",
        )
    return values


check_range = Primitive(
    "check_range",
    lambda values, *, low, high, what: values.spec,
    _check_range,
    lambda: [((np.array([0.0, 1.0]),), {"low": 0.0, "high": 1.0, "what": "labels"})],
    elementwise=True,
)
"""Pass numbers on, and raise if one is out of range or NaN."""


def _take(values: Any, positions: Any) -> Any:
    """Values ``[n]`` at positions of any shape."""
    return values.take(np.ravel(positions)).reshape(np.shape(positions))


def _repeat_rows(like: Any, values: Any) -> Any:
    return _take(values, np.tile(np.arange(len(values)), (len(like), 1)))


repeat_rows = Primitive(
    "repeat_rows",
    lambda like, values: TensorSpec((like.shape[0], values.shape[0]), values.dtype),
    _per_element(_repeat_rows),
    lambda: [((np.ones(3), np.array([0, 1])), {}), ((np.ones(2), np.array(["a", "b"], object)), {})],
)
"""The same values for each example, ``[batch, n]``."""

choose = Primitive(
    "choose",
    lambda ids, values: TensorSpec(ids.shape, values.dtype),
    _per_element(lambda ids, values: _take(values, ids)),
    lambda: [((np.array([[1], [0]]), np.array(["a", "b"], object)), {})],
)
"""Values by position."""


# Shapes that are known when a batch is there -------------------------------------------------------


def _sum_to(lead: int, value: Any, like: Any) -> Any:
    shape, target = value.shape, like.shape
    if shape == target:
        return value
    extra = len(shape) - len(target)
    axes = [*range(lead, lead + extra)]
    axes += [i + extra for i in range(lead, len(target)) if target[i] == 1 and shape[i + extra] != 1]
    return np.add.reduce(value, axis=tuple(axes)).reshape(target)


sum_to = Primitive(
    "sum_to",
    lambda value, like: TensorSpec(like.shape, value.dtype),
    _sum_to,
    lambda: [((np.ones((2, 3)), np.ones((1, 3))), {}), ((np.ones((2, 3)), np.float64(1)), {})],
)
"""Sum over the axes along which `like` was broadcast to the shape of the value."""


def _expand_like(lead: int, value: Any, like: Any) -> Any:
    shape, target = value.shape, like.shape
    if shape == target:
        return value
    ones = (1,) * (len(target) - len(shape))
    result = np.empty(target, value.dtype)
    result[...] = value.reshape((*shape[:lead], *ones, *shape[lead:]))
    return result


expand_like = Primitive(
    "expand_like",
    lambda value, like: TensorSpec(like.shape, value.dtype),
    _expand_like,
    lambda: [((np.ones((1, 3)), np.ones((2, 3))), {}), ((np.ones(3), np.ones((2, 3))), {})],
)
"""Broadcast to the shape of `like`."""


def _size_of(lead: int, value: Any, *, dtype: str) -> Any:
    shape = np.shape(value)
    size = np.dtype(dtype).type(math.prod(shape[lead:]))
    return np.full(shape[0], size) if lead else size


size_of = Primitive(
    "size_of",
    lambda value, *, dtype: TensorSpec((), dtype),
    _size_of,
    lambda: [((np.ones((2, 3)),), {"dtype": "float32"})],
)
"""The number of values."""


# Tables --------------------------------------------------------------------------------------------


def _gather_sum_infer(table: Tensor, ids: Tensor) -> TensorSpec:
    if table.ndim != 2 or ids.ndim != 2 or ids.dtype != np.dtype(np.int64):
        raise SpecError(
            f"gather_sum takes a table [rows, units] and int64 ids [batch, n], not {table.spec}, {ids.spec}"
        )
    return TensorSpec((ids.shape[0], table.shape[1]), table.dtype)


def _gather_sum(table: Any, ids: Any) -> Any:
    try:
        return kernels.sparse.gather_sum(np.ascontiguousarray(table), np.ascontiguousarray(ids))
    except IndexError:
        raise InvalidArgumentError(
            f"id {np.max(ids)} is beyond the last of the {len(table)} rows of a table"
        ) from None


gather_sum = Primitive(
    "gather_sum",
    _gather_sum_infer,
    _per_element(_gather_sum),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([[0, 2], [1, -1]])), {})],
)
"""For each row of `ids`, the sum of these rows of the table; negative ids add nothing.

Raises:
    InvalidArgumentError: An id is beyond the table.
"""


def _unique_rows_infer(ids: Tensor, values: Tensor) -> tuple[TensorSpec, TensorSpec]:
    return TensorSpec((None,), np.int64), TensorSpec((None, values.shape[1]), values.dtype)


def _unique_rows(lead: int, ids: Any, values: Any) -> Any:
    if lead:
        raise SpecError("unique_rows gives each batch a length of its own, and runs on one batch at a time")
    return kernels.sparse.unique_rows(np.ascontiguousarray(ids), np.ascontiguousarray(values))


unique_rows = Primitive(
    "unique_rows",
    _unique_rows_infer,
    _unique_rows,
    lambda: [((np.array([[0, 2], [2, -1]]), np.array([[1.0], [2.0]])), {})],
)
"""The different ids, ascending, and for each the sum of `values` over the rows of `ids` that have it."""

take_rows = Primitive(
    "take_rows",
    lambda table, rows: TensorSpec((rows.shape[0], *table.shape[1:]), table.dtype),
    _per_element(lambda table, rows: np.take(table, rows, axis=0)),
    lambda: [((np.arange(6.0).reshape(3, 2), np.array([2, 0])), {})],
)
"""Rows of a table by number."""


# Optimizers ----------------------------------------------------------------------------------------


def _ftrl(
    _: int,
    variable: Any,
    gradient: Any,
    accumulator: Any,
    linear: Any,
    *,
    learning_rate: float,
    learning_rate_power: float,
    l1: float,
    l2: float,
    shrinkage: float,
) -> Any:
    v, n, z = (np.empty(variable.shape, variable.dtype) for _ in range(3))
    kernels.updates.ftrl(
        variable.ravel(), gradient.ravel(), accumulator.ravel(), linear.ravel(),
        v.ravel(), n.ravel(), z.ravel(),
        learning_rate, learning_rate_power, l1, l2, shrinkage,
    )  # fmt: skip
    return v, n, z


def _ftrl_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    arrays = (np.array([1.0, -2.0]), np.array([0.5, 0.0]), np.array([0.1, 0.1]), np.array([0.0, 0.3]))
    root = {"learning_rate": 0.1, "learning_rate_power": -0.5, "l1": 0.0, "l2": 0.2, "shrinkage": 0.3}
    return [(arrays, root), (arrays, {**root, "learning_rate_power": -0.3, "l1": 0.1})]


ftrl = Primitive(
    "ftrl", lambda variable, *_, **__: (variable.spec,) * 3, _ftrl, _ftrl_samples, elementwise=True
)
"""New values of a variable, its `accumulator` and its `linear`: see `estimators.optimizers.Ftrl`."""
