"""What a model's directory remembers of its training: ``history.jsonl``, with a line of JSON for a step.

Training keeps the losses there that it logs, up to the newest checkpoint. See `evaluations` for those.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from dataflow.errors import DataLossError
from dataflow.storage import files
from estimators.evaluation import evaluations

HISTORY = "history.jsonl"
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
        evaluations.forget_after(model_dir, step)

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


def _number(value: Any) -> float | None:
    """Return a number that JSON has."""
    number = float(value)
    return number if math.isfinite(number) else None
