"""Variables: named arrays that training changes. In a graph they are leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.errors import InvalidArgumentError
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import Call, Primitive, Tensor
from dataflow.origin import user_line
from dataflow.spec import TensorSpec, as_dtype, dtype_name
from estimators.initializers import Array, Initializer, constant, zeros

__all__ = ["VARIABLE", "Array", "Initializer", "Variable", "constant", "variables_of", "zeros"]


def _no_value(*_: Any, **__: Any) -> Any:
    raise InvalidArgumentError("a variable has no value outside of a program")


VARIABLE = Primitive("variable", lambda variable: variable.spec, _no_value, list)


class Variable(Tensor):
    """A named array that training changes: in a graph, a leaf.

    Args:
        name: Its name in checkpoints, unique in a model.
        shape: All sizes known.
        dtype: NumPy dtype.
        initializer: Makes the first value.
        trainable: Whether optimizers change it.
        regularizer: Makes, of the variable, what `losses.get_regularization_loss` adds up.
    """

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        dtype: npt.DTypeLike = np.float32,
        initializer: Initializer = zeros,
        trainable: bool = True,
        regularizer: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(
            Call(VARIABLE, (), {"variable": self}, user_line()), TensorSpec(tuple(shape), as_dtype(dtype))
        )
        self.name = name
        self.initializer = initializer
        self.trainable = trainable
        self.regularizer = regularizer
        self.members: tuple[Variable, ...] = ()
        """The variables that it is stacked of; checkpoints hold them in its place."""
        self.whole: Variable | None = None
        """The variable that is stacked of it and others."""

    @property
    def line(self) -> str:
        """Where it was made."""
        return self.call.line

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, with all sizes known."""
        return tuple(int(size) for size in self.shape)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Variable({self.name!r}, shape={self.shape}, dtype={dtype_name(self.dtype)})"

    def __format__(self, format_spec: str) -> str:
        return format(repr(self), format_spec)


def stacked(name: str, members: Sequence[Variable]) -> Variable:
    """Return a variable whose rows are those of several variables, one below the other.

    A model that looks into many tables at once uses one instead. The members keep their names and first
    values in checkpoints, and so do the slots that optimizers keep for them; nothing else uses them.

    Args:
        name: Of the whole; no checkpoint has it.
        members: Of one dtype and with rows of one shape.

    Raises:
        InvalidArgumentError: The members differ.

    >>> stacked("tables", [Variable("a", (3, 2)), Variable("b", (4, 2))])
    Variable('tables', shape=(7, 2), dtype=float32)
    """
    first = members[0]
    for member in members:
        if member.sizes[1:] != first.sizes[1:] or member.dtype != first.dtype:
            raise InvalidArgumentError(f"{first!r} and {member!r} cannot be stacked: their rows differ")
    shape = (sum(member.sizes[0] for member in members), *first.sizes[1:])
    whole = Variable(name, shape, first.dtype, first.initializer, first.trainable)
    whole.members = tuple(members)
    for member in members:
        member.whole = whole
    return whole


def members_of(variables: Iterable[Variable]) -> list[Variable]:
    """Return the variables that checkpoints hold: members instead of what is stacked of them, each once."""
    return list(dict.fromkeys(member for v in variables for member in v.members or (v,)))


def wholes_of(variables: Sequence[Variable], used: Sequence[Variable]) -> list[Variable]:
    """Return variables, with what is stacked of them in place of members where that is used.

    Raises:
        InvalidArgumentError: Only some of the members are there.
    """
    known, found = set(map(id, used)), []
    for variable in variables:
        whole = variable.whole
        if whole is None or id(whole) not in known:
            found.append(variable)
            continue
        missing = [member.name for member in whole.members if all(member is not v for v in variables)]
        if missing:
            raise InvalidArgumentError(
                f"{variable!r} is looked up together with others, which are not to be trained: {missing}",
                hint="train all of them, or make columns with trainable=False",
            )
        found.append(whole)
    return list(dict.fromkeys(found))


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


def rows_of_wholes(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors that use rows of what is stacked in place of its members."""
    rows: dict[Tensor, Tensor] = {}
    for variable in variables_of(outputs):
        if variable.whole is not None:
            numbers = [id(member) for member in variable.whole.members]
            before = variable.whole.members[: numbers.index(id(variable))]
            start = sum(member.sizes[0] for member in before)
            rows[variable] = variable.whole[start : start + variable.sizes[0]]
    return Function((), tuple(outputs)).substitute(rows) if rows else tuple(outputs)
