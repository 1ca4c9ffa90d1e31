"""What layers share: a name, and variables made at the first call and shared by later ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from dataflow.expr.tensor import Tensor, as_tensor
from estimators.graph.scope import VariableStore, current_store, get_variable, layer_name, variable_scope
from estimators.graph.variable import Variable


class Layer(ABC):
    """A function of tensors with variables of its own.

    A subclass makes its variables in `build` with `add_variable`, and computes in `apply`. Calling a
    layer several times shares the variables; for layers with statistics, such as batch normalization,
    their updates then follow one another. In another model (the same model function called for another
    mode, say) a layer makes its variables anew.

    Args:
        name: Name of the layer in its scope; default the class's, with a number from the second on.
    """

    default_name: ClassVar[str]

    def __init__(self, *, name: str | None = None) -> None:
        self._given_name = name
        self.name: str | None = None
        self.variables: dict[str, Variable] = {}
        self._store: VariableStore | None = None

    def build(self, inputs: Any) -> None:
        """Make the variables; called once, inside of the layer's scope, with the first inputs."""

    @abstractmethod
    def apply(self, inputs: Any, **settings: Any) -> Any:
        """Return the result for some inputs."""

    def __call__(self, inputs: Any, **settings: Any) -> Any:
        """Apply the layer to a tensor (or to what the layer takes)."""
        inputs = inputs if isinstance(inputs, tuple | dict) else as_tensor(inputs)
        if self._store is not current_store():
            self._store, self.variables = current_store(), {}
            self.name = layer_name(self._given_name, self.default_name)
            with variable_scope(self.name):
                self.build(inputs)
        return self.apply(inputs, **settings)

    def add_variable(self, name: str, shape: Sequence[int], **settings: Any) -> Variable:
        """Make a variable of the layer; `settings` are those of `get_variable`."""
        variable = get_variable(name, shape, **settings)
        self.variables[name] = variable
        return variable

    def __getattr__(self, name: str) -> Variable:
        variables: dict[str, Variable] = self.__dict__.get("variables", {})
        if name in variables:
            return variables[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def trainable_variables(self) -> list[Tensor]:
        """The variables that optimizers change; none before the first call."""
        return [variable for variable in self.variables.values() if variable.trainable]
