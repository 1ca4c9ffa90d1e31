"""The values of the newest checkpoint, while they are still in memory."""

from __future__ import annotations

import dataclasses

from dataflow.storage import files
from estimators.values.checkpoint import SUFFIX, Checkpoint


@dataclasses.dataclass(frozen=True)
class LiveValues:
    """The arrays that training has saved at its end.

    Args:
        checkpoint: What was saved, and where.
        written: When the file was written.
    """

    checkpoint: Checkpoint
    written: float | None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> LiveValues:
        """Note that a checkpoint has just been written."""
        return cls(checkpoint, files.last_change(checkpoint.path + SUFFIX))

    def is_at(self, path: str) -> bool:
        """Tell whether the arrays are still what the file at that path holds."""
        known = self.checkpoint
        if path != known.path or self.written is None:
            return False
        try:
            return files.last_change(path + SUFFIX) == self.written
        except FileNotFoundError:
            return False
