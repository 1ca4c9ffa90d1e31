"""Limits of values and of gradients, with the formulas of tf.clip_by_*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.primitives.tables import RowGradient
from estimators.graph.sparse_gradient import SparseGradient, over_rows, refused


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Limit values to an interval. The gradient is 0 for values outside.

    Args:
        t: A tensor, an array, or the gradient of gathered rows, whose sums for each row are limited.
        clip_value_min: A number, or what broadcasts to the shape of `t`.
        clip_value_max: So, too.

    Raises:
        SpecError: For a gradient of rows, a limit is not one number, or 0 is not between the limits: the
            rows that are not there would have to change.

    >>> clip_by_value(np.array([-2.0, 0.5, 2.0]), -1.0, 1.0).tolist()
    [-1.0, 0.5, 1.0]
    """
    if isinstance(t, RowGradient):
        for limit, keeps_zero in ((clip_value_min, np.less_equal), (clip_value_max, np.greater_equal)):
            if np.shape(limit) != () or not (isinstance(limit, Tensor) or keeps_zero(limit, 0)):
                raise refused(f"clip_by_value with the limit {limit!r}")
        return over_rows(t, lambda sums: clip_by_value(sums, clip_value_min, clip_value_max))
    return np.maximum(np.minimum(_value(t), clip_value_max), clip_value_min)


def clip_by_norm(t: Any, clip_norm: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Return t · clip_norm / max(norm of t, clip_norm).

    Args:
        t: A tensor, an array, or the gradient of gathered rows, whose norm is that of the rows' sums.
        clip_norm: The largest Euclidean norm; a positive number or a scalar tensor.
        axes: Norms are taken along these; None: one norm of all values.

    Returns:
        What was given, clipped.

    Raises:
        InvalidArgumentError: `clip_norm` is not positive.
        SpecError: `axes` are given for a gradient of rows.

    >>> clip_by_norm(np.array([3.0, 4.0]), 1.0).tolist()
    [0.6, 0.8]
    """
    _check_norm(clip_norm)
    if isinstance(t, RowGradient):
        if axes is not None:
            raise SpecError("gradients of rows have one norm, and no axes", hint="leave axes out")
        return over_rows(t, lambda sums: clip_by_norm(sums, clip_norm))
    t = _value(t)
    kept = axes if axes is None or isinstance(axes, int) else tuple(axes)
    squares = np.sum(t * t, axis=kept, keepdims=True)
    positive = squares > 0
    norm = np.where(positive, np.sqrt(np.where(positive, squares, 1.0)), squares)
    return t * clip_norm / np.maximum(norm, clip_norm)


def global_norm(t_list: Sequence[Any]) -> Any:
    """Return the Euclidean norm of all values of several tensors: √(sum of squares).

    Args:
        t_list: Tensors, arrays and gradients of gathered rows, whose norm is that of the rows' sums (tf
            takes the rows of a batch as they come, so an id that occurs twice counts otherwise there).
            None is left out.

    Raises:
        InvalidArgumentError: There is no tensor in the list.

    >>> float(global_norm([np.array([3.0]), None, np.array([[4.0]])]))
    5.0
    """
    squares = [np.sum(np.square(_rows_and_values(t)[1])) for t in _checked(t_list) if t is not None]
    if not squares:
        raise InvalidArgumentError(
            "there is no norm of no tensors", hint="give at least one that is not None"
        )
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return np.sqrt(total)


def clip_by_global_norm(t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None) -> tuple[list[Any], Any]:
    """Scale several tensors by clip_norm / max(global norm, clip_norm) (Pascanu et al., 2012).

    Where the norm is infinite or NaN, all values become NaN, as in tf: training then stops with a message.

    Args:
        t_list: As `global_norm` takes it.
        clip_norm: The largest norm of all together; a positive number or a scalar tensor.
        use_norm: The norm, if it is known already.

    Returns:
        (the clipped tensors, with None where there was None; the global norm before).

    Raises:
        InvalidArgumentError: `clip_norm` is not positive, or there is no tensor in the list.

    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), np.array([4.0])], 1.0)
    >>> [part.round(4).tolist() for part in clipped], float(norm)
    ([[0.6], [0.8]], 5.0)
    """
    _check_norm(clip_norm)
    parts = [(t, *_rows_and_values(t)) for t in _checked(t_list)]
    norm = global_norm([values for _, _, values in parts]) if use_norm is None else _value(use_norm)
    scale = np.where(np.isfinite(norm), clip_norm / np.maximum(norm, clip_norm), np.nan)

    def scaled(t: Any, rows: Any, values: Any) -> Any:
        if t is None:
            return None
        result = values * scale.astype(values.dtype)
        return result if rows is None else SparseGradient(rows[:, None], result, t.table)

    return [scaled(*part) for part in parts], norm


def _value(t: Any) -> Any:
    return t if isinstance(t, Tensor) else np.asarray(t)


def _rows_and_values(t: Any) -> tuple[Any, Any]:
    """Return the rows of a gradient of rows, else None; and the values that a norm is of."""
    if isinstance(t, RowGradient):
        return t.summed()
    return None, None if t is None else _value(t)


def _checked(t_list: Sequence[Any]) -> list[Any]:
    if not isinstance(t_list, list | tuple):
        raise InvalidArgumentError(f"a list of tensors is needed, not {type(t_list).__name__}")
    return list(cast("Sequence[Any]", t_list))


def _check_norm(clip_norm: Any) -> None:
    if not isinstance(clip_norm, Tensor) and not np.all(np.asarray(clip_norm) > 0):
        raise InvalidArgumentError(f"clip_norm must be positive, not {clip_norm!r}")
