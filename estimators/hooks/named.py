"""The few tensors that have names: what a step gives anyway, and variables."""

from __future__ import annotations

from typing import TypeAlias

from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.expr.tensor import Tensor
from estimators.graph.scope import get_global_step
from estimators.graph.variable import Variable
from estimators.hooks.base import SessionRunContext

Named: TypeAlias = Tensor | str


def named_tensor(given: Named, run_context: SessionRunContext) -> Tensor:
    """Return a tensor, or what a name stands for: "loss", a variable, a prediction in `predict`.

    Raises:
        InvalidArgumentError: Nothing has that name.
        SpecError: It is neither tensor nor name.
    """
    if isinstance(given, Tensor):
        return given
    if not isinstance(given, str):
        raise SpecError(f"a hook takes tensors of the model, not {given!r}")
    step = get_global_step()
    known: dict[str, Tensor] = {**run_context.session.variables, step.name: step}
    known.update(run_context.original_args.fetches)
    name = given.removesuffix(":0")
    if name not in known:
        raise InvalidArgumentError(
            f"no tensor is called {given!r}: only {', '.join(sorted(known))} have names here",
            hint=f"give the hook the tensor itself: make it in model_fn (training_hooks); "
            f"{did_you_mean(name, known)}",
        )
    return known[name]


def tag_of(given: Named) -> str:
    """Return what a tensor is called in a log line that gives no name for it."""
    if isinstance(given, Variable):
        return given.name
    return given if isinstance(given, str) else repr(given)
