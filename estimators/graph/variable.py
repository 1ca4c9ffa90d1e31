"""Variables: named arrays that training changes. In a graph they are leaves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import postorder
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.origin import user_line
from dataflow.spec import TensorSpec, as_dtype, dtype_name

Array: TypeAlias = npt.NDArray[Any]
Initializer: TypeAlias = Callable[[tuple[int, ...], np.dtype[Any], np.random.Generator], Array]


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Start at zero."""
    return np.zeros(shape, dtype)


def constant(value: float) -> Initializer:
    """Start at a constant."""

    def initialize(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
        return np.full(shape, value, dtype)

    return initialize


def _no_value(*_: Any, **__: Any) -> Any:
    raise InvalidArgumentError("a variable has no value outside of a program")


VARIABLE = Primitive("variable", lambda variable: variable.spec, _no_value, list)


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """A named array.

    Args:
        name: Its name in checkpoints, unique in a model.
        shape: All sizes known.
        dtype: NumPy dtype.
        initializer: Makes the first value.
        trainable: Whether optimizers change it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = dataclasses.field(default_factory=lambda: np.dtype(np.float32))
    initializer: Initializer = zeros
    trainable: bool = True
    line: str = dataclasses.field(default_factory=user_line)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", as_dtype(self.dtype))

    @property
    def spec(self) -> TensorSpec:
        """Shape and dtype."""
        return TensorSpec(self.shape, self.dtype)

    @functools.cached_property
    def tensor(self) -> Tensor:
        """The leaf that stands for the value."""
        return Tensor(Call(VARIABLE, (), {"variable": self}, self.line), self.spec)

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, shape={self.shape}, dtype={dtype_name(self.dtype)})"


def variables_of(outputs: Iterable[Tensor]) -> list[Variable]:
    """Return the variables that the outputs depend on, by name.

    Raises:
        InvalidArgumentError: Two of them have one name.
    """
    found = [c.attributes["variable"] for c in postorder(outputs) if c.primitive is VARIABLE]
    by_name: dict[str, Variable] = {}
    for variable in found:
        other = by_name.setdefault(variable.name, variable)
        if other is not variable:
            raise InvalidArgumentError(
                f"two variables are called {variable.name!r}: made at {other.line} and at {variable.line}",
                hint="give each layer a name of its own",
            )
    return [by_name[name] for name in sorted(by_name)]
