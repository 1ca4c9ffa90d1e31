"""The compiled tier of user functions: the function and the loop over elements in one kernel."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError, NumbaWarning
from numba.extending import overload
from numba.np.numpy_support import as_dtype, from_dtype

_log = logging.getLogger("dataflow")

Loop = Callable[[tuple[Any, ...], tuple[Any, ...]], None]


def _gather(columns: tuple[Any, ...], i: int) -> tuple[Any, ...]:
    return tuple(column[i] for column in columns)


@overload(_gather)
def _gather_typed(columns: Any, i: Any) -> Any:
    # Numba wants the implementations to have the annotations of this function too
    def last(columns: Any, i: Any) -> Any:
        return (columns[0][i],)

    def more(columns: Any, i: Any) -> Any:
        return (columns[0][i], *_gather(columns[1:], i))

    return last if len(columns) == 1 else more


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


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A loop that fills result columns, and the dtype of each result."""

    run: Loop
    dtypes: tuple[np.dtype[Any], ...]


def compile_loop(function: Callable[..., Any], columns: tuple[Any, ...]) -> Compiled | None:
    """Compile the function and the loop over elements; None if Numba cannot.

    Args:
        function: Takes one scalar per column; returns a scalar, or a tuple of scalars.
        columns: Example columns ``[n]``; only their dtypes count.
    """
    # division by zero gives what NumPy scalars give in plain Python
    one = numba.njit(nogil=True, error_model="numpy")(function)

    def scalar(columns: Any, results: Any) -> None:
        for i in range(len(columns[0])):
            results[0][i] = one(*_gather(columns, i))

    def several(columns: Any, results: Any) -> None:
        for i in range(len(columns[0])):
            _scatter(results, i, one(*_gather(columns, i)))

    empty = tuple(np.empty(0, column.dtype) for column in columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)
        try:
            one.compile(tuple(from_dtype(column.dtype) for column in empty))
            returned = one.nopython_signatures[-1].return_type
            many = isinstance(returned, types.BaseTuple)
            dtypes = tuple(as_dtype(kind) for kind in (returned if many else (returned,)))
            loop = numba.njit(nogil=True)(several if many else scalar)
            loop(empty, tuple(np.empty(0, dtype) for dtype in dtypes))
        except Exception as error:  # Numba refuses in many ways; each means: run it in Python
            _log.debug("%r cannot be compiled: %s", function, error)
            return None
    return Compiled(loop, dtypes)


def compile_fold(
    function: Callable[..., Any], columns: tuple[Any, ...], state: Any, *, unpacked: bool
) -> Callable[[tuple[Any, ...], Any], Any] | None:
    """Compile ``state = function(state, element)`` over elements; None if Numba cannot, or dtypes change.

    Args:
        function: What the user wrote.
        columns: Example columns ``[n]``; only their dtypes count.
        state: A NumPy scalar or a tuple of them.
        unpacked: Whether an element is the value of the only column, not a tuple.
    """
    typeof: Any = numba.typeof
    one = numba.njit(nogil=True, error_model="numpy")(function)

    def scalars(columns: Any, state: Any) -> Any:
        for i in range(len(columns[0])):
            state = one(state, columns[0][i])
        return state

    def tuples(columns: Any, state: Any) -> Any:
        for i in range(len(columns[0])):
            state = one(state, _gather(columns, i))
        return state

    empty = tuple(np.empty(0, column.dtype) for column in columns)
    example = tuple(np.zeros((), column.dtype)[()] for column in columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)
        try:
            one.compile((typeof(state), typeof(example[0] if unpacked else example)))
            if one.nopython_signatures[-1].return_type != typeof(state):
                return None
            loop = numba.njit(nogil=True)(scalars if unpacked else tuples)
            loop(empty, state)
        except Exception as error:  # as in compile_loop
            _log.debug("%r cannot be compiled: %s", function, error)
            return None
    return cast("Callable[[tuple[Any, ...], Any], Any]", loop)
