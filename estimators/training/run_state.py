"""How far a call of `train_and_evaluate` has come: ``train_and_evaluate.json`` in the model's directory.

The checkpoint alone does not tell whether the last evaluation and the last exports have been made, nor where
training began.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

from dataflow.errors import DataLossError
from dataflow.storage import files

FILE = "train_and_evaluate.json"
Phase = Literal["training", "ending", "finished"]


@dataclasses.dataclass(frozen=True)
class RunState:
    """A call that is under way, or the last one that has finished.

    Args:
        phase: In phase ``ending`` training is over; evaluations and exports may be missing.
        start_step: The global step at which training began.
        step: The global step of the end, once it is known.
        settings: What decided when to stop, as JSON.
    """

    phase: Phase
    start_step: int
    step: int | None = None
    settings: dict[str, Any] | None = None

    def write(self, model_dir: str) -> RunState:
        """Replace what is in the directory; return this."""
        files.make_directory(model_dir)
        with files.atomic_writer(files.join(model_dir, FILE)) as file:
            file.write(json.dumps(dataclasses.asdict(self), indent=1).encode())
        return self


def read(model_dir: str) -> RunState | None:
    """Return what is in the directory; None if there is nothing.

    Raises:
        DataLossError: It is something else.
    """
    path = files.join(model_dir, FILE)
    if not files.exists(path):
        return None
    try:
        found = RunState(**json.loads(files.read_bytes(path)))
        if found.phase not in ("training", "ending", "finished") or not isinstance(found.start_step, int):
            raise ValueError(f"phase {found.phase!r}, start_step {found.start_step!r}")
    except (ValueError, TypeError) as error:
        raise DataLossError(
            f"{path} is not the state of a run: {error}",
            hint="delete it: training then goes on from the newest checkpoint",
        ) from error
    return found
