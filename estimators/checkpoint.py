"""Checkpoints: everything that a run needs to go on, in one file that appears complete or not at all.

``model.ckpt-<step>.safetensors`` holds the arrays, and in its metadata, as JSON, the step, the position
of the input and settings of the optimizer. The file ``checkpoint`` lists what is there, oldest first.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from dataflow.errors import DataLossError, InvalidArgumentError, NotFoundError, did_you_mean
from dataflow.storage import files
from estimators.graph.variable import Array, Variable

PREFIX = "model.ckpt-"
SUFFIX = ".safetensors"
INDEX = "checkpoint"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a step.

    Args:
        step: The global step.
        values: Arrays by variable name, `global_step` included.
        input_state: Position of the input if training was under way; None if it had ended.
    """

    step: int
    values: Mapping[str, Array]
    input_state: Mapping[str, Any] | None = None


def path_of(model_dir: str, step: int) -> str:
    """Return the path of a checkpoint, without its suffix, as `latest_checkpoint` gives it."""
    return files.join(model_dir, f"{PREFIX}{step}")


def step_of(path: str) -> int:
    """Return the step that a checkpoint's path names."""
    return int(path.rsplit("-", 1)[1])


def listed(model_dir: str) -> list[str]:
    """Return the names of the checkpoints in a directory, oldest first."""
    index = files.join(model_dir, INDEX)
    if not files.exists(index):
        return []
    try:
        content = json.loads(files.read_bytes(index))
        names: list[str] = content["all_model_checkpoint_paths"]
        return names if all(isinstance(name, str) for name in names) else []
    except (ValueError, KeyError, TypeError) as error:
        raise DataLossError(
            f"{index} is not a list of checkpoints: {error}", hint="use another model_dir, or delete the file"
        ) from error


def latest(model_dir: str) -> str | None:
    """Return the path of the newest checkpoint without suffix, or None."""
    names = listed(model_dir)
    return files.join(model_dir, names[-1]) if names else None


def save(model_dir: str, checkpoint: Checkpoint, keep_max: int | None) -> str:
    """Write a checkpoint, list it, remove those that are too many, and return its path without suffix."""
    files.make_directory(model_dir)
    path = path_of(model_dir, checkpoint.step)
    metadata = {
        "format": "np",
        "estimators": json.dumps(
            {"version": VERSION, "step": checkpoint.step, "input": checkpoint.input_state}, sort_keys=True
        ),
    }
    arrays = {name: np.ascontiguousarray(value) for name, value in checkpoint.values.items()}
    with files.atomic_writer(path + SUFFIX) as file:
        file.write(safetensors.numpy.save(arrays, metadata))
    name = f"{PREFIX}{checkpoint.step}"
    names = [other for other in listed(model_dir) if other != name] + [name]
    dropped = names[:-keep_max] if keep_max else []
    kept = names[len(dropped) :]
    index = {"model_checkpoint_path": name, "all_model_checkpoint_paths": kept}
    with files.atomic_writer(files.join(model_dir, INDEX)) as file:
        file.write(json.dumps(index, indent=1).encode())
    for old in dropped:
        files.remove(files.join(model_dir, old) + SUFFIX)
    return path


def load(path: str) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        NotFoundError: It is not there.
        DataLossError: It is truncated, corrupt, or something else.
    """
    name = path + SUFFIX
    data = files.read_bytes(name)
    try:
        values = safetensors.numpy.load(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        content = json.loads(header["__metadata__"]["estimators"])
        step, state, version = content["step"], content["input"], content["version"]
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataLossError(
            f"{name} is not a complete checkpoint: {error}",
            hint="delete it and its entry in the file 'checkpoint', or use another model_dir",
        ) from error
    if version != VERSION:
        raise DataLossError(f"{name} has version {version}, and this package reads {VERSION}")
    return Checkpoint(int(step), values, state)


def check_structure(checkpoint: Checkpoint, variables: Sequence[Variable], path: str) -> None:
    """Raise `InvalidArgumentError` unless the checkpoint holds the variables in their shapes and dtypes."""
    way_out = "use another model_dir for a changed model, or build the model as it was"
    for variable in variables:
        value = checkpoint.values.get(variable.name)
        if value is None:
            names = did_you_mean(variable.name, checkpoint.values)
            raise InvalidArgumentError(
                f"the checkpoint {path} has no variable {variable.name!r}, which the model needs with shape "
                f"{variable.shape}; {names}",
                hint=way_out,
            )
        if value.shape != variable.shape or value.dtype != variable.dtype:
            raise InvalidArgumentError(
                f"variable {variable.name!r} has shape {value.shape} ({value.dtype}) in the checkpoint {path}, "
                f"and {variable.shape} ({variable.dtype}) in the model",
                hint=way_out,
            )


def value_of(path: str, name: str) -> Array:
    """Return one variable of a checkpoint.

    Raises:
        NotFoundError: It has no such variable.
    """
    values = load(path).values
    if name not in values:
        raise NotFoundError(f"the checkpoint {path} has no variable {name!r}", hint=did_you_mean(name, sorted(values)))
    return values[name]
