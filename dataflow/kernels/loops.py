"""The compiled tier of user functions: the function and the loop over elements in one kernel."""

from __future__ import annotations

import dataclasses
import functools
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


ScanLoop = Callable[[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]], None]


def _reader(several: bool) -> Any:
    """Return a function that reads row i of columns: a tuple, or the only scalar."""
    if several:
        return numba.njit(lambda columns, i: _gather(columns, i))
    return numba.njit(lambda columns, i: columns[0][i])


def _writer(several: bool) -> Any:
    """Return a function that writes row i of columns: a tuple, or the only scalar."""

    def write_tuple(columns: Any, i: Any, values: Any) -> None:
        _scatter(columns, i, values)

    def write_scalar(columns: Any, i: Any, value: Any) -> None:
        columns[0][i] = value

    return numba.njit(write_tuple if several else write_scalar)


@dataclasses.dataclass(frozen=True)
class _Source:
    """A function, equal to those that compile to the same: each run of a line makes a new lambda."""

    function: Callable[..., Any] = dataclasses.field(compare=False)
    identity: Any


def _source_of(function: Any) -> _Source:
    bound = [cell.cell_contents for cell in function.__closure__ or ()]
    bound += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if not all(isinstance(value, bool | int | float | str | np.generic) for value in bound):
        return _Source(function, function)
    values = tuple((type(value), repr(value)) for value in bound)
    return _Source(function, (function.__code__, id(function.__globals__), values))


def compile_scan(
    function: Callable[..., Any],
    dtypes: tuple[tuple[np.dtype[Any], ...], ...],
    several: tuple[bool, bool, bool],
) -> ScanLoop | None:
    """Compile ``(state, element) -> (state, output)`` and the loop over elements; None if Numba cannot.

    The loop takes the state as columns of one row, which it changes, the elements' columns, and the
    columns of results, which it fills.

    Args:
        function: Takes and returns scalars, or flat tuples of scalars.
        dtypes: Those of the state, the elements and the results.
        several: For each of the three, whether it is a tuple.
    """
    return _compile_scan(_source_of(function), dtypes, several)


@functools.lru_cache(maxsize=32)
def _compile_scan(
    source: _Source,
    dtypes: tuple[tuple[np.dtype[Any], ...], ...],
    several: tuple[bool, bool, bool],
) -> ScanLoop | None:
    function = source.function
    one = numba.njit(nogil=True, error_model="numpy")(function)
    read_state, read_element = _reader(several[0]), _reader(several[1])
    write_state, write_output = _writer(several[0]), _writer(several[2])

    def run(carry: Any, columns: Any, results: Any) -> None:
        for i in range(len(columns[0])):
            state, output = one(read_state(carry, 0), read_element(columns, i))
            write_state(carry, 0, state)
            write_output(results, i, output)

    carry = tuple(np.zeros(1, dtype) for dtype in dtypes[0])
    empty = [tuple(np.empty(0, dtype) for dtype in part) for part in dtypes[1:]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaWarning)
        try:
            loop = numba.njit(nogil=True)(run)
            loop(carry, empty[0], empty[1])
        except Exception as error:  # Numba refuses in many ways; each means: run it in Python
            _log.debug("%r cannot be compiled: %s", function, error)
            return None
    return cast("ScanLoop", loop)
