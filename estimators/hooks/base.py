"""The protocol of hooks and of listeners to checkpoints, in tf.estimator's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any, ClassVar, TypeVar

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.graph.timing import StepTimes
from estimators.hooks.fetches import Fetches
from estimators.hooks.run_session import Coordinator, RunSession


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How a step is to run.

    Args:
        trace_level: `RunOptions.FULL_TRACE` notes when each call of the step began and ended; that step is
            a little slower.
    """

    NO_TRACE: ClassVar[int] = 0
    FULL_TRACE: ClassVar[int] = 3
    trace_level: int = NO_TRACE


@dataclasses.dataclass(frozen=True, eq=False)
class SessionRunArgs:
    """What a hook wants to know of the next step.

    Args:
        fetches: A tensor of the model, or a nested dict, tuple or list of tensors.
        feed_dict: Must be empty: nothing is fed here.
        options: How the step is to run.

    Raises:
        InvalidArgumentError: Something is to be fed.
    """

    fetches: Fetches
    feed_dict: Any = None
    options: RunOptions | None = None

    def __post_init__(self) -> None:
        if self.feed_dict:
            raise InvalidArgumentError(
                "a hook feeds values to tensors, which is not possible here",
                hint="put what changes from step to step into the dataset",
            )


@dataclasses.dataclass(eq=False)
class SessionRunContext:
    """One step, as the hooks see it; all of them get the same object.

    Attributes:
        original_args: What the step computes anyway.
        session: Gives the values of variables.
    """

    original_args: SessionRunArgs
    session: RunSession = dataclasses.field(default_factory=lambda: RunSession({}))
    _stop_requested: bool = dataclasses.field(default=False, init=False)

    @property
    def stop_requested(self) -> bool:
        """Whether a hook has asked to stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """End the run after this step, as the end of the input would.

        >>> context = SessionRunContext(SessionRunArgs(None))
        >>> context.request_stop()
        >>> context.stop_requested
        True
        """
        self._stop_requested = True


@dataclasses.dataclass(frozen=True, eq=False)
class SessionRunValues:
    """What a step has computed for a hook.

    Attributes:
        results: NumPy values in the structure of the hook's fetches; None if it asked for nothing.
            Variables have the values that they had before the step.
        options: What the hook asked for.
        run_metadata: When the calls of the step began and ended, if a hook asked for a trace.
    """

    results: Any
    options: RunOptions | None = None
    run_metadata: StepTimes | None = None


class SessionRunHook:
    """Does something around the steps of a run. A subclass overrides what it needs.

    The order of calls, each to all hooks in their order: `begin` once the model is built;
    `after_create_session` once its variables have values; then for each batch `before_run`, the step,
    `after_run`; at last `end`, unless the run ended by an exception or a signal. A checkpoint that is due
    after a step is written before the hooks' `after_run`, and the last one before `end`. The first
    `before_run` comes before the input is opened, because it decides what is computed while reading; the
    checkpoint of the first step is written after it.

    ``session.run(tensor)`` gives the value of what is computed from variables alone, as it is then. What
    needs a batch is asked for in `before_run`.

    >>> class Losses(SessionRunHook):
    ...     def begin(self):
    ...         self.seen = []
    ...     def before_run(self, run_context):
    ...         return SessionRunArgs(run_context.original_args.fetches["loss"])
    ...     def after_run(self, run_context, run_values):
    ...         self.seen.append(float(run_values.results))
    ...         if self.seen[-1] < 0.5:
    ...             run_context.request_stop()
    """

    def begin(self) -> None:
        """Prepare; tensors and variables may still be made."""

    def after_create_session(self, session: RunSession, coord: Coordinator) -> None:
        """Look on when variables have got their values; after ``coord.request_stop()`` no step is done."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Return what is wanted of the next step; None: nothing."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Use what the step has computed."""

    def end(self, session: RunSession) -> None:
        """Finish after the last step."""


class CheckpointSaverListener:
    """Does something around each checkpoint that training writes. A subclass overrides what it needs.

    >>> class StopAtNight(CheckpointSaverListener):
    ...     def after_save(self, session, global_step_value):
    ...         return time.localtime().tm_hour >= 22
    """

    def begin(self) -> None:
        """Prepare; called before the hooks' `begin`."""

    def before_save(self, session: RunSession, global_step_value: int) -> None:
        """Act before the checkpoint of a step is written."""

    def after_save(self, session: RunSession, global_step_value: int) -> bool | None:
        """Act after it is written; True ends training after this step."""
        return None

    def end(self, session: RunSession, global_step_value: int) -> None:
        """Finish after the last checkpoint, unless training ended by an exception or a signal."""

    def next_save(self, global_step_value: int) -> int | None:
        """Return the next step, later than this one, after which a checkpoint is wanted; None: no wish."""
        return None

    def kept_steps(self) -> Collection[int]:
        """Return steps whose checkpoints must not be removed, however many newer ones there are."""
        return ()


_Kind = TypeVar("_Kind")


def checked(name: str, values: Iterable[_Kind] | None, kind: type[_Kind]) -> tuple[_Kind, ...]:
    """Return hooks or listeners as a tuple.

    Raises:
        SpecError: It is no list, or something in it is no such object.
    """
    if values is None:
        return ()
    if isinstance(values, kind) or not isinstance(values, Iterable):
        raise SpecError(f"{name} must be a list of {kind.__name__} objects, not {values!r}")
    found = tuple(values)
    for value in found:
        if not isinstance(value, kind):
            raise SpecError(
                f"{name} must hold {kind.__name__} objects, and holds {value!r}",
                hint=f"derive its class from estimators.{kind.__name__}, and give an object, not the class",
            )
    return found
