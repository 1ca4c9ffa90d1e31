"""`Described`: objects that tell what they were made with."""

from __future__ import annotations

import inspect
from typing import Any, Self

SHOWN = 4
"""Most items of a list that a repr shows."""


class Described:
    """What has a readable repr, and `get_params` as in scikit-learn.

    >>> from estimators.optimizers import Ftrl
    >>> Ftrl(0.2, beta=0.1)
    Ftrl(learning_rate=0.2, beta=0.1)
    >>> Ftrl(0.2).get_params()["l1_regularization_strength"]
    0.0
    """

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments; wrong ones are for `__init__` to refuse."""
        self = super().__new__(cls)
        try:
            bound = _signature(cls).bind_partial(*args, **kwargs)
        except TypeError:
            self._arguments = {}
        else:
            self._arguments = _flat(_signature(cls), bound.arguments)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that it was made with, defaults included.

        Args:
            deep: Whether those of arguments that have `get_params` come too, as ``name__argument``.
        """
        parameters = _signature(type(self)).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        params = {**_flat(_signature(type(self)), defaults), **self._arguments}
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    params.update({f"{name}__{inner}": v for inner, v in value.get_params().items()})
        return params

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self._changed().items())
        return f"{type(self).__name__}({shown})"

    def _changed(self) -> dict[str, Any]:
        """Return the arguments that are not as by default."""
        parameters = _signature(type(self)).parameters
        defaults = {name: parameter.default for name, parameter in parameters.items()}
        return {
            name: value
            for name, value in self._arguments.items()
            if type(value) is not type(defaults.get(name)) or repr(value) != repr(defaults[name])
        }


def _signature(cls: type) -> inspect.Signature:
    """Return what the class is made with, without `self`."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())  # type: ignore[misc]
    return inspect.Signature(parameters[1:])


def _flat(signature: inspect.Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments by name, those of ``**settings`` too."""
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD and isinstance(value, dict):
            found.update(value)
        elif kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            found[name] = value if value is not inspect.Parameter.empty else None
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        parts = [_shown(item) for item in value[:SHOWN]]
        parts += [f"… {len(value)} in all"] if len(value) > SHOWN else []
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{', '.join(parts)}]" if isinstance(value, list) else f"({', '.join(parts)}{comma})"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__).split("<locals>.")[-1]
    return repr(value)
