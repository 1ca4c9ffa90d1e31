"""Calling the hooks of one run, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor
from estimators.graph.timing import StepTimes
from estimators.hooks.base import (
    RunOptions,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from estimators.hooks.fetches import filled, key_of, own, tensors_of
from estimators.hooks.run_session import RunSession


class HookCalls:
    """The hooks of a run, and what they asked of the current step.

    Args:
        hooks: In the order of calls.
        original_args: What each step computes anyway.
        session: The values of the run.
    """

    def __init__(
        self, hooks: Sequence[SessionRunHook], original_args: SessionRunArgs, session: RunSession
    ) -> None:
        self._hooks = hooks
        self._original_args = original_args
        self._session = session
        self._context: SessionRunContext | None = None
        self._args: list[SessionRunArgs] = []
        self._asked: list[Tensor] = []
        self.stop_requested = False

    def before_run(self) -> list[Tensor]:
        """Return the tensors that the hooks want of the next step, each once.

        The second of two calls before a step asks nobody again.
        """
        if self._context is None:
            self._context = SessionRunContext(self._original_args, self._session)
            self._args = [_args_of(hook, hook.before_run(self._context)) for hook in self._hooks]
            found = {key_of(tensor): tensor for args in self._args for tensor in tensors_of(args.fetches)}
            self._asked = list(found.values())
        return self._asked

    @property
    def traced(self) -> bool:
        """Whether a hook wants to know how long the calls of the next step take."""
        options = [args.options for args in self._args if args.options is not None]
        return any(option.trace_level != RunOptions.NO_TRACE for option in options)

    def after_run(self, results: Sequence[Any], times: StepTimes | None = None) -> None:
        """Give the hooks what they wanted: values of the tensors that `before_run` returned."""
        context, self._context = self._context, None
        assert context is not None
        values = {key_of(tensor): own(result) for tensor, result in zip(self._asked, results, strict=True)}
        for hook, args in zip(self._hooks, self._args, strict=True):
            hook.after_run(context, SessionRunValues(filled(args.fetches, values), args.options, times))
        self.stop_requested = self.stop_requested or context.stop_requested


_NOTHING = SessionRunArgs(None)


def _args_of(hook: SessionRunHook, args: SessionRunArgs | None) -> SessionRunArgs:
    if not isinstance(args, SessionRunArgs | None):
        raise SpecError(f"before_run of {hook!r} must return SessionRunArgs or None, and returned {args!r}")
    return _NOTHING if args is None else args
