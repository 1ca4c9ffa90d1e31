"""How records of optimizers' steps are made: a NumPy form for one element, and a kernel in place.

A step takes ``(variable, gradient, *slots, learning_rate)``, some also the global step, and returns the new
variable and slots. The rate and the global step are scalars; powers of decay rates are taken in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Primitive, Tensor
from dataflow.spec import TensorSpec
from estimators.graph.registry import FRESH, KERNELS, Kernel


def step_primitive(
    name: str,
    compute: Callable[..., tuple[Any, ...]],
    fill: Callable[..., None],
    samples: Sequence[tuple[int, dict[str, Any]]],
    *,
    scalars: int = 1,
) -> Primitive:
    """Return the record of a step, and register its kernel.

    Args:
        name: Of the primitive.
        compute: The NumPy form, for one element; scalars are Python floats.
        fill: ``fill(arrays, gradient, *scalars, **attributes)`` changes flat arrays in place.
        samples: Pairs of how many slots there are, and attributes.
        scalars: How many inputs follow the slots.
    """

    def infer(variable: Tensor, *rest: Tensor, **_: Any) -> tuple[TensorSpec, ...]:
        for part in rest[:-scalars]:
            known = zip(part.shape, variable.shape, strict=False)
            if part.ndim != variable.ndim or any(a != b for a, b in known if a is not None and b is not None):
                raise SpecError(f"{name} of {variable.spec} takes arrays of this shape, not {part.spec}")
        return (variable.spec, *(part.spec for part in rest[1:-scalars]))

    def one(*values: Any, **attributes: Any) -> tuple[Any, ...]:
        numbers = map(float, values[-scalars:])
        return compute(*values[:-scalars], *numbers, **attributes)

    def examples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        rng = np.random.default_rng(0)
        found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        for slots, attributes in samples:
            for shape in ((2, 3), ()):
                signed = [np.asarray(rng.uniform(-0.5, 0.5, shape)) for _ in range(2)]
                positive = [np.asarray(rng.uniform(0.3, 0.9, shape)) for _ in range(slots)]
                found.append(((*signed, *positive, *(0.1, np.int64(3))[:scalars]), attributes))
        return found

    KERNELS[name], FRESH[name] = _in_place(fill, scalars), _fresh(fill, scalars)
    return Primitive(name, infer, _each(one), examples)


def _each(compute: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Let a function of one element, with several results, serve a leading axis of elements too."""

    def full(lead: int, *values: Any, **attributes: Any) -> Any:
        if not lead:
            return compute(*values, **attributes)
        rows = [compute(*row, **attributes) for row in zip(*values, strict=True)]
        return tuple(map(np.stack, zip(*rows, strict=True)))

    return full


def _in_place(fill: Callable[..., None], scalars: int) -> Kernel:
    """Return the kernel of a step, from a function that changes flat arrays."""

    def run(
        out: tuple[Any, ...], _: Any, variable: Any, gradient: Any, *rest: Any, **attributes: Any
    ) -> None:
        old = (variable, *rest[:-scalars])
        if any(new is not was for new, was in zip(out, old, strict=True)):
            gradient = _started(out, old, gradient)
        flat = np.ascontiguousarray(gradient).reshape(-1)
        numbers = map(float, rest[-scalars:])
        fill([array.reshape(-1) for array in out], flat, *numbers, **attributes)

    return Kernel(run, in_place=True)


def _fresh(fill: Callable[..., None], scalars: int) -> Callable[..., tuple[Any, ...]]:
    """Return the step in new arrays, for rows whose number is not known beforehand."""

    def run(variable: Any, gradient: Any, *rest: Any, **attributes: Any) -> tuple[Any, ...]:
        new = tuple(np.array(value, order="C") for value in (variable, *rest[:-scalars]))
        flat = np.ascontiguousarray(gradient).reshape(-1)
        fill([array.reshape(-1) for array in new], flat, *map(float, rest[-scalars:]), **attributes)
        return new

    return run


def _started(out: Sequence[Any], old: Sequence[Any], gradient: Any) -> Any:
    """Copy old values into the arrays of the results; return the gradient, a copy if these overwrite it."""
    given = [*old, gradient]
    for place, value in enumerate(given):
        others = [new for i, new in enumerate(out) if i != place]
        if any(np.may_share_memory(value, other) for other in others):
            given[place] = np.array(value)
    for new, value in zip(out, given, strict=False):
        new[...] = value
    return given[-1]


def cast(variable: Any, *numbers: float) -> list[Any]:
    """Return numbers in the dtype of the variable."""
    return [variable.dtype.type(number) for number in numbers]


def positive(x: Any) -> Any:
    """Return max(x, 0) in the dtype of x; NaN stays."""
    return np.where(x < 0, x.dtype.type(0), x)
