"""A loss function of the user's in place of a head's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.losses import Reduction
from estimators.losses.inputs import fits

ARGUMENTS = ("labels", "logits", "features", "loss_reduction")
"""What it may ask for; the first two are needed."""


class LossFunction:
    """Calls a function with what it asks for, by name, and checks what it returns.

    Args:
        function: ``function(labels, logits)``, which may ask for `features` and `loss_reduction` too, and
            returns a loss for each example.

    Raises:
        SpecError: It is no function.
        InvalidArgumentError: It takes other arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise SpecError(f"loss_fn must be a function, not {function!r}")
        bound = function.keywords if isinstance(function, functools.partial) else {}
        several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        found = inspect.signature(function).parameters.values()
        asked = {p.name: p for p in found if p.name not in bound and p.kind not in several}
        for name, p in asked.items():
            if name not in ARGUMENTS and p.default is p.empty:
                raise InvalidArgumentError(
                    f"loss_fn has the argument {name!r}", hint=did_you_mean(name, ARGUMENTS)
                )
        for name in ARGUMENTS[:2]:
            if name not in asked:
                raise InvalidArgumentError(
                    f"loss_fn has no argument {name!r}", hint="def loss_fn(labels, logits): …"
                )
        self._function = function
        self._asked = [name for name in ARGUMENTS if name in asked and not _keeps_default(asked[name])]

    def __call__(
        self, labels: Tensor, logits: Tensor, features: Any, reduction: Reduction, size: int
    ) -> Tensor:
        """Return the losses, ``[batch, size]``.

        Raises:
            SpecError: The function returned no tensor of numbers.
            InvalidArgumentError: It has another shape.
        """
        given = {"labels": labels, "logits": logits, "features": features, "loss_reduction": str(reduction)}
        losses = self._function(**{name: given[name] for name in self._asked})
        if not isinstance(losses, Tensor) or losses.dtype.kind != "f":
            shown = losses.spec if isinstance(losses, Tensor) else repr(losses)
            raise SpecError(f"loss_fn must return a tensor of floating-point numbers, and returned {shown}")
        wanted = (*logits.shape[:-1], size)
        if not fits(losses.shape, wanted):
            raise InvalidArgumentError(
                f"loss_fn returned losses of shape {losses.shape}, and {wanted} is needed",
                hint="return a loss for each example, not reduced: [batch, 1], by keepdims=True or [:, None]",
            )
        return losses


def _keeps_default(parameter: inspect.Parameter) -> bool:
    """Tell whether an argument is left at its default, as TensorFlow leaves it."""
    return parameter.name == "loss_reduction" and parameter.default is not parameter.empty
