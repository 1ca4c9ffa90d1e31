"""The compiled tier of user functions: the function and the loop over elements in one kernel."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core.errors import NumbaError, NumbaWarning
from numba.extending import overload

Loop = Callable[[tuple[Any, ...], tuple[Any, ...]], None]


def _gather(columns: tuple[Any, ...], i: int) -> tuple[Any, ...]:
    return tuple(column[i] for column in columns)


@overload(_gather)
def _gather_typed(columns: Any, i: Any) -> Any:
    if len(columns) == 1:
        return lambda columns, i: (columns[0][i],)
    return lambda columns, i: (columns[0][i], *_gather(columns[1:], i))


def _scatter(columns: tuple[Any, ...], i: int, values: tuple[Any, ...]) -> None:
    for column, value in zip(columns, values, strict=True):
        column[i] = value


@overload(_scatter)
def _scatter_typed(columns: Any, i: Any, values: Any) -> Any:
    if len(columns) != len(values):
        raise NumbaError("the function returns tuples of different lengths")
    if len(columns) == 1:

        def last(columns: Any, i: Any, values: Any) -> None:
            columns[0][i] = values[0]

        return last

    def more(columns: Any, i: Any, values: Any) -> None:
        columns[0][i] = values[0]
        _scatter(columns[1:], i, values[1:])

    return more


def compile_loop(
    function: Callable[..., Any], columns: tuple[Any, ...], dtypes: tuple[Any, ...]
) -> Loop | None:
    """Return a loop that fills result columns, or None if Numba cannot compile the function.

    Args:
        function: Takes one scalar per column; returns a scalar, or a tuple of scalars.
        columns: Example columns ``[n]``; only their dtypes count.
        dtypes: Dtype of each result.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)
        one = numba.njit(nogil=True)(function)

        def scalar(columns: Any, results: Any) -> None:
            for i in range(len(columns[0])):
                results[0][i] = one(*_gather(columns, i))

        def several(columns: Any, results: Any) -> None:
            for i in range(len(columns[0])):
                _scatter(results, i, one(*_gather(columns, i)))

        for shape in (scalar, several):
            loop = numba.njit(nogil=True)(shape)
            try:
                loop(
                    tuple(np.ascontiguousarray(c[:1]) for c in columns), tuple(np.empty(1, d) for d in dtypes)
                )
            except Exception:
                continue
            return loop  # type: ignore[no-any-return]
    return None
