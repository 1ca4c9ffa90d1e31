"""What a model's directory remembers of its runs: ``history.jsonl``, with a line of JSON for a step.

Training keeps the losses there that it logs, up to the newest checkpoint. Evaluations are in
``eval/history.jsonl``, or ``eval_<name>/history.jsonl``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.errors import DataLossError
from dataflow.storage import files
from estimators.progress import log

HISTORY = "history.jsonl"
EVAL = "eval"
STEP = "step"
Entry = dict[str, Any]


def read(directory: str) -> list[Entry]:
    """Return the entries of a directory, by step.

    Raises:
        DataLossError: The file is something else.
    """
    path = files.join(directory, HISTORY)
    if not files.exists(path):
        return []
    try:
        entries = [json.loads(line) for line in files.read_bytes(path).splitlines()]
        return sorted(entries, key=lambda entry: int(entry[STEP]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataLossError(f"{path} is no history of steps: {error}", hint="delete it") from error


def write(directory: str, entries: Sequence[Entry]) -> None:
    """Replace the entries of a directory."""
    files.make_directory(directory)
    text = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
    with files.atomic_writer(files.join(directory, HISTORY)) as file:
        file.write(text.encode())


class TrainingHistory:
    """The losses of a run, and of those that it goes on from.

    Args:
        model_dir: Where they are kept.
        step: The step to begin with; what is known of it and of later ones is forgotten.
    """

    def __init__(self, model_dir: str, step: int) -> None:
        self._model_dir = model_dir
        known = read(model_dir)
        self._entries = [entry for entry in known if entry[STEP] < step]
        self._changed = len(self._entries) < len(known)
        for directory in evaluation_directories(model_dir).values():
            found = read(directory)
            kept = [entry for entry in found if entry[STEP] <= step]
            if len(kept) < len(found):
                write(directory, kept)

    def add(self, step: int, loss: float) -> None:
        """Note the loss of a step, once."""
        if not self._entries or self._entries[-1][STEP] < step:
            self._entries.append({STEP: step, "loss": _number(loss)})
            self._changed = True

    def save(self) -> None:
        """Write what is new."""
        if self._changed:
            write(self._model_dir, self._entries)
            self._changed = False


def add_evaluation(model_dir: str, name: str | None, step: int, results: Mapping[str, Any]) -> None:
    """Keep the results of an evaluation, in place of earlier ones of the step.

    A directory that may only be read is left as it is, with a warning in the log.
    """
    directory = files.join(model_dir, f"{EVAL}_{name}" if name else EVAL)
    entry = {STEP: step, **{key: _number(value) for key, value in results.items() if key != "global_step"}}
    try:
        others = [other for other in read(directory) if other[STEP] != step]
        write(directory, sorted([*others, entry], key=lambda item: int(item[STEP])))
    except OSError as error:
        log.warning("The evaluation is not kept for plot_training: %s", error)


def evaluation_directories(model_dir: str) -> dict[str, str]:
    """Return the directories of evaluations by name; "" is the one without a name."""
    names = [n for n in files.list_directory(model_dir) if n == EVAL or n.startswith(f"{EVAL}_")]
    return {name[len(EVAL) + 1 :]: files.join(model_dir, name) for name in names}


def _number(value: Any) -> float | None:
    """Return a number that JSON has."""
    number = float(value)
    return number if math.isfinite(number) else None
