"""The values that a run begins with: those of a checkpoint, or first ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflow.errors import InvalidArgumentError, did_you_mean
from estimators.graph.program import initial_values
from estimators.graph.variable import Array
from estimators.model import Model
from estimators.progress import log
from estimators.specs import ModeKeys, Scaffold
from estimators.values import checkpoint as checkpoints
from estimators.values.checkpoint import TRAINING, Checkpoint
from estimators.values.warm_start import WarmStartSettings, warm_start


def restored_values(model: Model, found: Checkpoint) -> dict[str, Array]:
    """Return the arrays of a checkpoint by variable name.

    To train, the checkpoint must hold just the model's variables; else those that are used.

    Raises:
        InvalidArgumentError: The model is another one.
    """
    log.info("Restoring parameters from %s", found.path)
    training = model.spec.mode == ModeKeys.TRAIN
    used = {variable.name for variable in model.used_variables}
    variables = [v for v in model.variables if training or v.name in used or v.name in found.values]
    checkpoints.check_structure(found, variables)
    if training:
        checkpoints.check_all_used(found, variables)
    elif unused := [n for n in checkpoints.unused(found, variables) if not n.startswith(TRAINING)]:
        said = (
            log.warning if model.spec.mode == ModeKeys.EVAL else log.info
        )  # a discriminator predicts nothing
        said("The model does not use these variables of the checkpoint: %s", ", ".join(unused))
    shared = model.spec.mode == ModeKeys.EVAL  # which changes nothing, and ends before training goes on
    values = {variable.name: found.values[variable.name] for variable in variables}
    return {name: v if shared and v.flags.writeable else np.array(v) for name, v in values.items()}


def first_values(model: Model, seed: int | None, settings: WarmStartSettings | None) -> dict[str, Array]:
    """Return the first value of each variable: of its initializer, of a warm start, of the scaffold.

    Raises:
        InvalidArgumentError: The warm start or the scaffold gives something else than the model needs.
    """
    variables = model.variables
    values = initial_values(variables, seed)
    if settings is not None:
        warm_start(values, variables, settings, seed)
    return _initialized(values, model.spec.scaffold)


def _initialized(values: dict[str, Array], scaffold: Scaffold | None) -> dict[str, Array]:
    if scaffold is None or scaffold.init_fn is None:
        return values
    given = dict(values)
    returned: Any = scaffold.init_fn(given)
    if returned is not None and not hasattr(returned, "keys"):
        raise InvalidArgumentError(f"init_fn must return None or a dict of arrays, not {returned!r}")
    replacements = {**given, **(returned or {})}
    result = {}
    for name, value in replacements.items():
        if name not in values:
            raise InvalidArgumentError(
                f"init_fn gives a value for {name!r}, which the model has not",
                hint=did_you_mean(name, values),
            )
        array, old = np.array(value), values[name]
        if array.shape != old.shape or array.dtype != old.dtype:
            raise InvalidArgumentError(
                f"init_fn gives {name!r} the shape {array.shape} ({array.dtype}), and the model has "
                f"{old.shape} ({old.dtype})"
            )
        result[name] = array
    return {name: result.get(name, value) for name, value in values.items()}
