"""Calling the hooks of one run, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.tensor import Tensor, plain_value
from estimators.hooks.base import (
    Fetches,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


class HookCalls:
    """The hooks of a run, and what they asked of the current step.

    Args:
        hooks: In the order of calls.
        original_args: What each step computes anyway.
    """

    def __init__(self, hooks: Sequence[SessionRunHook], original_args: SessionRunArgs) -> None:
        self._hooks = hooks
        self._original_args = original_args
        self._context: SessionRunContext | None = None
        self._fetches: list[Fetches] = []
        self._asked: list[Tensor] = []
        self.stop_requested = False

    def before_run(self) -> list[Tensor]:
        """Return the tensors that the hooks want of the next step, each once.

        The second of two calls before a step asks nobody again.
        """
        if self._context is None:
            self._context = SessionRunContext(self._original_args)
            self._fetches = [_fetches_of(hook, hook.before_run(self._context)) for hook in self._hooks]
            found = {key_of(tensor): tensor for fetches in self._fetches for tensor in _tensors(fetches)}
            self._asked = list(found.values())
        return self._asked

    def after_run(self, results: Sequence[Any]) -> None:
        """Give the hooks what they wanted: values of the tensors that `before_run` returned."""
        context, self._context = self._context, None
        assert context is not None
        values = {key_of(tensor): _own(result) for tensor, result in zip(self._asked, results, strict=True)}
        for hook, fetches in zip(self._hooks, self._fetches, strict=True):
            hook.after_run(context, SessionRunValues(_filled(fetches, values)))
        self.stop_requested = self.stop_requested or context.stop_requested


def key_of(tensor: Tensor) -> tuple[int, int]:
    """Return what tells a tensor from others, while it exists."""
    return id(tensor.call), tensor.output


def _fetches_of(hook: SessionRunHook, args: SessionRunArgs | None) -> Fetches:
    if not isinstance(args, SessionRunArgs | None):
        raise SpecError(f"before_run of {hook!r} must return SessionRunArgs or None, and returned {args!r}")
    return None if args is None else args.fetches


def _tensors(fetches: Fetches) -> Iterator[Tensor]:
    if isinstance(fetches, Tensor):
        yield fetches
    elif isinstance(fetches, Mapping | tuple | list):
        for item in fetches.values() if isinstance(fetches, Mapping) else fetches:
            yield from _tensors(item)
    elif fetches is not None:
        raise SpecError(
            f"a hook fetches {fetches!r}",
            hint="fetches are tensors of the model, or dicts, tuples and lists of them; keep them in "
            "model_fn for the hook, or make the hook there (training_hooks of EstimatorSpec)",
        )


def _filled(fetches: Fetches, values: Mapping[tuple[int, int], Any]) -> Any:
    if fetches is None:
        return None
    if isinstance(fetches, Tensor):
        return values[key_of(fetches)]
    if isinstance(fetches, Mapping):
        return {key: _filled(item, values) for key, item in fetches.items()}
    items = [_filled(item, values) for item in fetches]
    if hasattr(fetches, "_fields"):
        return type(fetches)(*items)
    return type(fetches)(items)


def _own(value: Any) -> Any:
    """Return a value that later steps do not change."""
    return plain_value(np.array(value) if isinstance(value, np.ndarray) else value)
