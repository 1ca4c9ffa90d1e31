"""What a training step changes: new values of variables, by optimizers and by layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.expr.function import Function, postorder
from dataflow.expr.tensor import Primitive, Tensor
from estimators.graph.registry import RULES
from estimators.graph.variable import Variable


@dataclasses.dataclass(frozen=True, eq=False)
class Update:
    """A new value of a variable, or of some of its rows.

    Args:
        variable: What changes.
        value: The new value; with `rows`, of these rows ``[n, ...]``.
        rows: int64 ``[n]``, different from each other; None: the whole variable.

    Raises:
        SpecError: The value has another shape or dtype than the variable, or its rows.
    """

    variable: Variable
    value: Tensor
    rows: Tensor | None = None

    def __post_init__(self) -> None:
        wanted, shape = self.variable.shape, self.value.shape
        if self.rows is not None:
            wanted, shape = wanted[1:], shape[1:]
        fits = len(wanted) == len(shape) and all(b in (a, None) for a, b in zip(wanted, shape, strict=True))
        if not fits or self.value.dtype != self.variable.dtype:
            raise SpecError(f"{self.variable!r} cannot become a value of {self.value.spec}")


WITH_UPDATES = Primitive(
    "with_updates", lambda x, *, updates: x.spec, lambda _, x, *, updates: x, list, elementwise=True
)
RULES["with_updates"] = lambda call, g: (g,)


def with_updates(x: Tensor, updates: Sequence[Update]) -> Tensor:
    """Return `x`; training anything that is computed from the result makes the updates too.

    This is how a layer keeps statistics, such as moving averages: no collection, only the graph.
    """
    result: Tensor = WITH_UPDATES(x, updates=tuple(updates))
    return result


def layer_updates(outputs: Iterable[Tensor]) -> tuple[Update, ...]:
    """Return the updates of the layers that the outputs are computed from, inputs first."""
    calls = [call for call in postorder(outputs) if call.primitive is WITH_UPDATES]
    return tuple(update for call in calls for update in call.attributes["updates"])


@dataclasses.dataclass(frozen=True, eq=False)
class TrainOp:
    """What one training step changes. The loop counts the global step.

    Attributes:
        updates: Of optimizers. All new values are computed from the old ones, then set together.
        layer_updates: Of layers. Where two concern one variable (a layer applied twice), the second
            starts from the result of the first.
        hyperparameters: Settings that are kept with the model for readers.
    """

    updates: tuple[Update, ...]
    layer_updates: tuple[Update, ...] = ()
    hyperparameters: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def all_updates(self) -> tuple[Update, ...]:
        """Return one update per variable."""
        found: dict[str, Update] = {}
        for update in self.layer_updates:
            before = found.get(update.variable.name)
            if before is not None and before is not update:
                if update.rows is not None or before.rows is not None:
                    raise InvalidArgumentError(f"rows of {update.variable!r} are updated by two layers")
                (value,) = Function((), (update.value,)).substitute({update.variable: before.value})
                update = Update(update.variable, value)
            found[update.variable.name] = update
        return (*self.updates, *found.values())


def group(*train_ops: TrainOp) -> TrainOp:
    """Return one training step that does what several do, all from the same old values.

    Raises:
        SpecError: Something else than a train op is given.
        InvalidArgumentError: Two optimizers change one variable.

    >>> from estimators.graph.scope import VariableStore, get_variable
    >>> from estimators.optimizers import SGD
    >>> with VariableStore():
    ...     a, b = get_variable("a"), get_variable("b")
    ...     one = SGD(0.1).minimize((a - b) ** 2, var_list=[a])
    ...     other = SGD(0.1).minimize(-((a - b) ** 2), var_list=[b])
    >>> [update.variable.name for update in group(one, other).updates]
    ['a', 'b']
    """
    names: dict[str, Any] = {}
    layers: dict[int, Update] = {}
    settings: dict[str, float] = {}
    for op in train_ops:
        if not isinstance(op, TrainOp):
            raise SpecError(f"group takes train ops, not {op!r}", hint="give what optimizer.minimize returns")
        for update in op.updates:
            if update.variable.name in names:
                raise InvalidArgumentError(
                    f"{update.variable!r} is changed by two optimizers in one step",
                    hint="give each minimize the variables of its own: minimize(loss, var_list=…)",
                )
            names[update.variable.name] = update
        layers.update((id(update), update) for update in op.layer_updates)
        settings.update(_renamed(op.hyperparameters, settings))
    return TrainOp(tuple(names.values()), tuple(layers.values()), settings)


def _renamed(new: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Return settings under names that are free: ``training/Adam/…``, then ``training/Adam_1/…``."""
    if all(known.get(name, value) == value for name, value in new.items()):
        return dict(new)
    number = 1
    while True:
        renamed = {}
        for name, value in new.items():
            training, optimizer, setting = name.split("/", 2)
            renamed[f"{training}/{optimizer}_{number}/{setting}"] = value
        if all(known.get(name, value) == value for name, value in renamed.items()):
            return renamed
        number += 1
