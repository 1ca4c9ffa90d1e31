"""What LSTM and GRU over whole sequences share: the loop over time is inside, so graphs stay small.

Gates and states are as in Keras. What only the gradient needs is returned too, time-major. Where
`lengths` (int64 ``[batch]``) are given, a sequence that has ended keeps its state and gives zeros.
With ``backwards=True`` steps go from the last position to the first, and outputs are in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators.graph.registry import RULES

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

zero_state = Primitive(
    "zero_state",
    lambda like, *, units: TensorSpec((like.shape[0], units), like.dtype),
    lambda lead, like, *, units: np.zeros((*like.shape[: lead + 1], units), like.dtype),
    lambda: [((np.ones((2, 3)),), {"units": 4})],
)
"""Zeros ``[batch, units]`` for a batch as large as `like`: where recurrent networks start."""

RULES["zero_state"] = lambda call, g: (None,)


def blockwise(compute: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Let a function of one element with several results serve a leading axis of elements too."""

    def full(lead: int, *values: Any, **attributes: Any) -> Any:
        if not lead:
            return compute(*values, **attributes)
        results = [compute(*element, **attributes) for element in zip(*values, strict=True)]
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))

    return full


def steps(batch: int, time: int, lengths: Any, backwards: bool) -> Iterator[tuple[int, int, Any]]:
    """Yield the number of each step, its position in time, and what has not ended: bool ``[batch, 1]``."""
    for step in range(time):
        at = time - 1 - step if backwards else step
        yield step, at, np.ones((batch, 1), np.bool_) if lengths is None else (at < lengths)[:, None]


def given_slopes(rest: Sequence[Any], given: tuple[bool, ...], missing: Any) -> tuple[list[Any], Any]:
    """Return the slopes of results, with `missing` for those that are not there, and the lengths or None."""
    slopes = iter(rest)
    found = [next(slopes) if there else missing for there in given]
    return found, next(slopes, None)


def plus_one(size: int | None) -> int | None:
    """Return how many states there are for so many steps."""
    return None if size is None else size + 1


def check_inputs(
    name: str,
    gates: int,
    projected: Tensor,
    recurrent: Tensor,
    states: Sequence[Tensor],
    rest: Sequence[Tensor],
) -> tuple[int | None, int | None, int]:
    """Return batch, time and units of a sequence; `rest` holds the lengths, or nothing.

    Raises:
        SpecError: Shapes or dtypes do not fit.
    """
    shape = projected.shape
    units = recurrent.shape[0] if recurrent.ndim == 2 else None
    if units is None or recurrent.shape[1] != gates * units or shape[2:] not in ((gates * units,), (None,)):
        raise SpecError(
            f"{name} takes [batch, time, {gates} x units] and [units, {gates} x units], "
            f"not {projected.spec} and {recurrent.spec}"
        )
    batch = shape[0]
    for state in states:
        fits = state.ndim == 2 and state.shape[1] in (None, units)
        if not fits or (None not in (batch, state.shape[0]) and batch != state.shape[0]):
            raise SpecError(f"a state of {name} must be {(batch, units)}, not {state.spec}")
        batch = state.shape[0] if batch is None else batch
    dtypes = {tensor.dtype for tensor in (projected, recurrent, *states)}
    if len(dtypes) > 1 or projected.dtype not in _FLOATS:
        raise SpecError(
            f"{name} takes float32 or float64, the same for all, not {sorted(map(str, dtypes))}",
            hint="convert inputs and states with .astype(np.float32)",
        )
    if len(rest) > 1 or any(t.ndim != 1 or t.dtype != np.dtype(np.int64) for t in rest):
        raise SpecError(f"lengths of {name} must be int64 [batch], not {[t.spec for t in rest]}")
    return batch, shape[1], units


def check_batch(name: str, batch: int, *values: Any) -> None:
    """Raise `InvalidArgumentError` where states or lengths are of another batch than the sequences."""
    for value in values:
        if len(value) != batch:
            raise InvalidArgumentError(
                f"{name} got {batch} sequences, and states or lengths for {len(value)}",
                hint="give one state and one length for each sequence of the batch",
            )


def kernel_lengths(lengths: Any = None) -> Any:
    """Return lengths as kernels take them: an empty array where all sequences are full."""
    return np.empty(0, np.int64) if lengths is None else np.ascontiguousarray(lengths)
