"""Folding a dataset into one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow import kernels
from dataflow.block import Block
from dataflow.errors import SpecError
from dataflow.expr.tensor import spec_of_value
from dataflow.expr.trace import pack_lists
from dataflow.spec import (
    Structure,
    assert_same_structure,
    component_names,
    dtype_name,
    flatten,
    is_namedtuple,
    is_text,
    map_structure,
    pack,
)

FIRST_ELEMENTS = 1024
"""So many elements are folded in Python before it pays to compile the function."""

Read = Callable[[int], Block | None]


class Fold:
    """Computes ``state = function(state, element)``.

    Args:
        element_spec: Structure of TensorSpec of an element.
        initial_state: Structure of values; they give the dtypes of the state.
        function: Returns the new state for a state and an element.
    """

    def __init__(
        self, element_spec: Structure, initial_state: Structure, function: Callable[..., Any]
    ) -> None:
        self._spec = element_spec
        self._function = function
        self.state = map_structure(
            lambda value: value if isinstance(value, str | bytes) else np.asarray(value)[()], initial_state
        )
        self._dtypes = [spec_of_value(value).dtype for value in flatten(self.state)]

    def all(self, read: Read) -> Structure:
        """Return the state after all elements that ``read(elements)`` gives.

        Raises:
            SpecError: The state changes its structure or a dtype.
        """
        block = read(FIRST_ELEMENTS)
        while block is not None and block.length < FIRST_ELEMENTS:
            self._in_python(block)
            block = read(FIRST_ELEMENTS)
        loop = None if block is None else self._compiled(block)
        while block is not None:
            if loop is None or any(not _is_vector(column) for column in block.columns):
                self._in_python(block)
            else:
                columns = tuple(np.ascontiguousarray(column) for column in block.columns)
                self.state = self._typed(loop(columns, self.state))
            block = read(1 << 62)
        return self.state

    def _in_python(self, block: Block) -> None:
        for row in range(block.length):
            new = pack_lists(self._function(self.state, pack(self._spec, block.row(row))))
            assert_same_structure(self.state, new)
            names = component_names(self.state)
            for name, want, value in zip(names, self._dtypes, flatten(new), strict=True):
                got = spec_of_value(value).dtype
                weak = type(value) in (bool, int, float) and np.can_cast(got, want, "same_kind")
                if got != want and not weak:
                    raise SpecError(
                        f"the state {name or 'value'!r} of reduce was {dtype_name(want)} "
                        f"and became {dtype_name(got)}",
                        hint="give an initial state of that dtype, or convert with .astype",
                    )
            self.state = self._typed(new)

    def _typed(self, state: Structure) -> Structure:
        leaves = zip(flatten(state), self._dtypes, strict=True)
        return pack(state, [v if is_text(dtype) else np.asarray(v, dtype)[()] for v, dtype in leaves])

    def _compiled(self, block: Block) -> Callable[..., Any] | None:
        """Return the compiled fold of scalars or plain tuples of scalars, if Numba can do it."""
        plain = all(_is_scalar_or_tuple(structure) for structure in (self._spec, self.state))
        scalars = all(isinstance(value, np.generic) for value in flatten(self.state))
        if not plain or not scalars or any(not _is_vector(column) for column in block.columns):
            return None
        unpacked = not isinstance(self._spec, tuple)
        loop: Callable[..., Any] | None = kernels.loops.compile_fold(
            self._function, block.columns, self.state, unpacked=unpacked
        )
        return loop


def _is_scalar_or_tuple(structure: Structure) -> bool:
    if isinstance(structure, tuple) and not is_namedtuple(structure):
        return not any(isinstance(part, tuple | dict) for part in structure)
    return not isinstance(structure, tuple | dict)


def _is_vector(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "biufc"
