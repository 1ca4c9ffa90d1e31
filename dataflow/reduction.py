"""Folding a dataset into one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import spec_of_value
from dataflow.expr.trace import pack_lists
from dataflow.spec import (
    Structure,
    assert_same_structure,
    component_names,
    dtype_name,
    flatten,
    is_text,
    map_structure,
    pack,
)


def fold(elements: Iterable[Structure], initial_state: Structure, function: Callable[..., Any]) -> Structure:
    """Return the state after ``state = function(state, element)`` for all elements.

    Raises:
        SpecError: The state changes its structure or a dtype.
    """
    state = map_structure(
        lambda value: value if isinstance(value, str | bytes) else np.asarray(value)[()], initial_state
    )
    dtypes = [spec_of_value(value).dtype for value in flatten(state)]
    for element in elements:
        new = pack_lists(function(state, element))
        assert_same_structure(state, new)
        for name, want, value in zip(component_names(state), dtypes, flatten(new), strict=True):
            got = spec_of_value(value).dtype
            if got != want and not isinstance(value, bool | int | float):
                raise SpecError(
                    f"the state {name or 'value'!r} of reduce was {dtype_name(want)} and became {dtype_name(got)}",
                    hint="give an initial state of that dtype, or convert with .astype",
                )
        leaves = zip(flatten(new), dtypes, strict=True)
        state = pack(new, [v if is_text(dtype) else np.asarray(v, dtype)[()] for v, dtype in leaves])
    return state
