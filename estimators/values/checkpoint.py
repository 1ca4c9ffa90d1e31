"""Checkpoints: everything that a run needs to go on, in one file that appears complete or not at all.

``model.ckpt-<step>.safetensors`` holds the arrays, and in its metadata, as JSON, the step, the position
of the input and a checksum. The file ``checkpoint`` lists what is there, oldest first.
"""

from __future__ import annotations

import dataclasses
import glob
import json
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
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
GLOBAL_STEP = "global_step"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a step.

    Args:
        step: The global step.
        values: Arrays by variable name, `global_step` included.
        input_state: Position of the input if training was under way; None if it had ended.
        settings: Numbers that are kept for readers only, such as the learning rate.
        path: Where it was read, without suffix.
    """

    step: int
    values: Mapping[str, Array]
    input_state: Mapping[str, Any] | None = None
    settings: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    path: str = ""

    @property
    def arrays(self) -> dict[str, Array]:
        """Values and settings by name."""
        return {**self.values, **self.settings}


def path_of(model_dir: str, step: int) -> str:
    """Return the path of a checkpoint, without its suffix, as `latest_checkpoint` gives it."""
    return files.join(model_dir, f"{PREFIX}{step}")


def listed(model_dir: str) -> list[str]:
    """Return the names of the checkpoints in a directory, oldest first.

    Where there is no list (the process ended while it wrote its first checkpoint, say) the files count.

    Raises:
        DataLossError: The list is something else.
    """
    index = files.join(model_dir, INDEX)
    if not files.exists(index):
        return _found(model_dir)
    try:
        names = json.loads(files.read_bytes(index))["all_model_checkpoint_paths"]
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise TypeError(f"all_model_checkpoint_paths is {names!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise DataLossError(
            f"{index} is not a list of checkpoints: {error}",
            hint="delete it (the newest checkpoint file counts then), or use another model_dir",
        ) from error
    return names


def _found(model_dir: str) -> list[str]:
    """Return the names of the checkpoint files by step."""
    numbers = []
    for path in _matches(model_dir, f"{PREFIX}*{SUFFIX}"):
        number = re.fullmatch(rf"{re.escape(PREFIX)}(\d+){re.escape(SUFFIX)}", re.split(r"[/\\]", path)[-1])
        numbers += [int(number.group(1))] if number else []
    return [f"{PREFIX}{number}" for number in sorted(numbers)]


def _matches(model_dir: str, pattern: str) -> list[str]:
    return files.list_matches(files.join(glob.escape(model_dir), pattern))


def latest(model_dir: str) -> str | None:
    """Return the path of the newest checkpoint without suffix, or None."""
    names = listed(model_dir)
    return files.join(model_dir, names[-1]) if names else None


def remove_leftovers(model_dir: str) -> None:
    """Remove what a process left that was killed while it wrote."""
    for pattern in (f"{PREFIX}*{SUFFIX}.*.tmp", f"{INDEX}.*.tmp", "*.json.*.tmp", "*.jsonl.*.tmp"):
        for path in _matches(model_dir, pattern):
            files.remove(path)


def save(
    model_dir: str, checkpoint: Checkpoint, keep_max: int | None, kept_steps: Collection[int] = ()
) -> str:
    """Write a checkpoint, list it, remove those that are too many, and return its path without suffix.

    Those of `kept_steps` are not removed, and count beside the newest.
    """
    files.make_directory(model_dir)
    names = listed(model_dir)
    path = path_of(model_dir, checkpoint.step)
    arrays = {name: np.asarray(value, order="C") for name, value in checkpoint.arrays.items()}
    content = {
        "version": VERSION,
        "step": checkpoint.step,
        "input": checkpoint.input_state,
        "settings": sorted(checkpoint.settings),
        "crc32": _checksum(arrays),
    }
    metadata = {"format": "np", "estimators": json.dumps(content, sort_keys=True)}
    with files.atomic_writer(path + SUFFIX) as file:
        file.write(safetensors.numpy.save(arrays, metadata))
    name = f"{PREFIX}{checkpoint.step}"
    names = [other for other in names if other != name] + [name]
    kept = {f"{PREFIX}{step}" for step in kept_steps}
    _list(model_dir, names, [n for n in names[:-keep_max] if n not in kept] if keep_max else [])
    return path


def _list(model_dir: str, names: Sequence[str], dropped: Sequence[str]) -> None:
    """Replace the list, whose last name counts as the newest, then remove the files of dropped names."""
    names = [name for name in names if name not in dropped]
    index = {"model_checkpoint_path": names[-1], "all_model_checkpoint_paths": names}
    with files.atomic_writer(files.join(model_dir, INDEX)) as file:
        file.write(json.dumps(index, indent=1).encode())
    for old in dropped:
        files.remove(files.join(model_dir, old) + SUFFIX)


def go_back(model_dir: str, step: int) -> str | None:
    """Make the checkpoint of a step the newest, remove later ones, and return its path without suffix.

    Returns None, and does nothing, if there is no such checkpoint.
    """
    names, name = listed(model_dir), f"{PREFIX}{step}"
    if name not in names or not files.exists(path_of(model_dir, step) + SUFFIX):
        return None
    later = [other for other in names if int(other.removeprefix(PREFIX)) > step]
    _list(model_dir, [other for other in names if other != name] + [name], later)
    return path_of(model_dir, step)


def step_of(path: str) -> int:
    """Return the step of a checkpoint's path, as `latest` gives it."""
    return int(path.rpartition(PREFIX)[2])


def is_under_way(path: str) -> bool:
    """Tell whether a checkpoint was taken in the middle of its input; only its head is read."""
    with files.open_binary(path + SUFFIX) as file:
        length = int.from_bytes(file.read(8), "little")
        content = json.loads(json.loads(file.read(length))["__metadata__"]["estimators"])
    return content["input"] is not None


def _checksum(arrays: Mapping[str, Array]) -> int:
    """CRC-32 over names, dtypes, shapes and bytes, by name."""
    crc = 0
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


def load(path: str) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: As `latest` gives it; the suffix may be there.

    Raises:
        NotFoundError: It is not there.
        DataLossError: It is truncated, corrupt, or something else.
    """
    path = path.removesuffix(SUFFIX)
    name = path + SUFFIX
    try:
        data = files.read_bytes(name)
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no checkpoint {name}",
            hint="check the path; if the file was removed, remove its entry in the file 'checkpoint' too",
        ) from error
    hint = "delete it and its entry in the file 'checkpoint', or use another model_dir"
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:8], "little")
        content = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["estimators"])
        if content["version"] != VERSION:
            raise DataLossError(
                f"{name} has version {content['version']}, and {VERSION} is read here", hint=hint
            )
        if content["crc32"] != _checksum(arrays):
            raise ValueError("its checksum is wrong")
        settings = {key: arrays.pop(key) for key in content["settings"]}
        step, state = content["step"], content["input"]
        if int(arrays[GLOBAL_STEP]) != step:
            raise ValueError(f"it says step {step}, and holds {arrays[GLOBAL_STEP]}")
    except DataLossError:
        raise
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataLossError(f"{name} is not a complete checkpoint: {error}", hint=hint) from error
    return Checkpoint(step, arrays, state, settings, path)


TRAINING = "training/"
"""Names of what optimizers keep begin so."""
WAY_OUT = "use another model_dir for a changed model, or build the model as it was"


def check_structure(checkpoint: Checkpoint, variables: Sequence[Variable]) -> None:
    """Raise `InvalidArgumentError` unless the checkpoint holds the variables in their shapes and dtypes."""
    for variable in variables:
        value = checkpoint.values.get(variable.name)
        if value is None:
            names = did_you_mean(variable.name, sorted(checkpoint.values))
            raise InvalidArgumentError(
                f"the checkpoint {checkpoint.path} has no variable {variable.name!r}, which the model has "
                f"with shape {variable.shape}; {names}",
                hint=_way_out(variable.name),
            )
        if value.shape != variable.shape or value.dtype != variable.dtype:
            raise InvalidArgumentError(
                f"variable {variable.name!r} has shape {value.shape} ({value.dtype}) in the checkpoint "
                f"{checkpoint.path}, and {variable.shape} ({variable.dtype}) in the model",
                hint=_way_out(variable.name, value.dtype, variable.dtype)
                if value.shape == variable.shape
                else WAY_OUT,
            )


def check_all_used(checkpoint: Checkpoint, variables: Sequence[Variable]) -> None:
    """Raise `InvalidArgumentError` if the checkpoint holds variables that the model has not."""
    for name in unused(checkpoint, variables):
        raise InvalidArgumentError(
            f"the checkpoint {checkpoint.path} has the variable {name!r} with shape "
            f"{checkpoint.values[name].shape}, which the model has not",
            hint=_way_out(name),
        )


def _way_out(name: str, saved: np.dtype[Any] | None = None, wanted: np.dtype[Any] | None = None) -> str:
    """Return what to do about a variable that differs."""
    if saved != wanted and {saved, wanted} == {np.dtype(np.float32), np.dtype(np.float64)}:
        given = (
            f"the features are probably {wanted}, and layers take the dtype of what they are given: "
            f".astype(np.{saved}) in map, or from_tensor_slices of {saved} arrays"
        )
        return f"{given} (Python's floats are float64)" if wanted == np.float64 else given
    if name.startswith(TRAINING):
        return (
            "the optimizer is another one than that which was saved: to go on with it, use another model_dir "
            "with warm_start_from=<the old one>, which takes the variables without the optimizer's"
        )
    return WAY_OUT


def unused(checkpoint: Checkpoint, variables: Sequence[Variable]) -> list[str]:
    """Return the names of the checkpoint's variables that the model has not."""
    known = {GLOBAL_STEP, *(variable.name for variable in variables)}
    return [name for name in sorted(checkpoint.values) if name not in known]
