"""How `train_and_evaluate` trains, evaluates and exports: `TrainSpec` and `EvalSpec`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from dataflow.errors import InvalidArgumentError, SpecError
from estimators.evaluation.best import checked_count
from estimators.export.exporters import Exporter
from estimators.hooks.base import CheckpointSaverListener, SessionRunHook, checked
from estimators.inputs.input_fn import InputFn


@dataclasses.dataclass(frozen=True, eq=False)
class TrainSpec:
    """How `train_and_evaluate` trains.

    Args:
        input_fn: As for `Estimator.train`.
        max_steps: Global step to stop at; None: at the end of the input.
        hooks: Called around each step.
        saving_listeners: Called around each checkpoint, before the evaluation.

    Raises:
        InvalidArgumentError: `max_steps` is below 1.
        SpecError: Something is of another type.

    >>> from dataflow import Dataset
    >>> data = Dataset.range(8).map(lambda x: ({"x": x}, x)).repeat().batch(4)
    >>> TrainSpec(data, max_steps=100).max_steps
    100
    """

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[SessionRunHook] | None = None
    saving_listeners: Sequence[CheckpointSaverListener] | None = None

    def __post_init__(self) -> None:
        _check_input(self.input_fn)
        if self.max_steps is not None:
            object.__setattr__(self, "max_steps", checked_count("max_steps", self.max_steps))
        object.__setattr__(self, "hooks", checked("hooks", self.hooks, SessionRunHook))
        listeners = checked("saving_listeners", self.saving_listeners, CheckpointSaverListener)
        object.__setattr__(self, "saving_listeners", listeners)


@dataclasses.dataclass(frozen=True, eq=False)
class EvalSpec:
    """How and when `train_and_evaluate` evaluates and exports.

    Without `every_steps` and `every_epochs`, an evaluation may follow each checkpoint but the one at the
    start of training: it follows the first one, and then those that come at least `throttle_secs` after the
    last evaluation began. One follows the end of training in any case.

    Args:
        input_fn: As for `Estimator.evaluate`. Called once, like the model function: the model, its
            program and its input are kept for the next evaluation.
        steps: Batches to use; None: all.
        name: Results go to ``eval_<name>``; needed to tell several EvalSpecs apart.
        hooks: Called around each batch.
        exporters: One, or several with different names, called in order after each evaluation.
        start_delay_secs: Has no meaning here: evaluation does not wait for another process.
        throttle_secs: Seconds between the beginnings of two evaluations.
        every_steps: Evaluate when the global step is a multiple, whatever `throttle_secs`; a checkpoint
            is written there.
        every_epochs: Evaluate so often by passes over the training input: over what `repeat` repeats.

    Raises:
        InvalidArgumentError: A number is out of range, exporters have no names or equal ones, or both
            `every_steps` and `every_epochs` are given.
        SpecError: Something is of another type.

    >>> from dataflow import Dataset
    >>> data = Dataset.range(8).map(lambda x: ({"x": x}, x)).batch(4)
    >>> EvalSpec(data, steps=None, every_steps=500).throttle_secs
    600
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[SessionRunHook] | None = None
    exporters: Exporter | Iterable[Exporter] | None = None
    start_delay_secs: float = 120
    throttle_secs: float = 600
    every_steps: int | None = dataclasses.field(default=None, kw_only=True)
    every_epochs: int | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_input(self.input_fn)
        for key in ("steps", "every_steps", "every_epochs"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, checked_count(key, getattr(self, key)))
        if self.every_steps is not None and self.every_epochs is not None:
            raise InvalidArgumentError("give every_steps or every_epochs, not both")
        if not isinstance(self.name, str | None):
            raise SpecError(f"name must be a string, not {self.name!r}")
        for key in ("start_delay_secs", "throttle_secs"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise InvalidArgumentError(f"{key} must be a number of at least 0, not {value!r}")
        object.__setattr__(self, "hooks", checked("hooks", self.hooks, SessionRunHook))
        object.__setattr__(self, "exporters", checked_exporters(self.exporters))


def checked_exporters(exporters: Exporter | Iterable[Exporter] | None) -> tuple[Exporter, ...]:
    """Return exporters as a tuple, each with a name of its own."""
    if exporters is not None and not isinstance(exporters, Exporter | Iterable):
        raise SpecError(f"exporters must be an Exporter, or a list of them, not {exporters!r}")
    found = (exporters,) if isinstance(exporters, Exporter) else tuple(exporters or ())
    for exporter in found:
        if not isinstance(exporter, Exporter):
            raise SpecError(f"exporters must hold Exporter objects, and hold {exporter!r}")
    names = [exporter.name for exporter in found]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise InvalidArgumentError(f"exporters must have different names, and have {names}")
    return found


def _check_input(input_fn: Any) -> None:
    if input_fn is None or isinstance(input_fn, str | int | float):
        raise SpecError(
            f"input_fn must be a function, a Dataset, or rows in memory, not {input_fn!r}",
            hint="lambda: Dataset.from_tensor_slices((features, labels)).batch(128)",
        )
