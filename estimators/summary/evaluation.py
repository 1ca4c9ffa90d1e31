"""The events of evaluations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from estimators.progress import log
from estimators.summary import events
from estimators.summary.event_file import event_file


def write_evaluation(directory: str, step: int, results: Mapping[str, Any], checkpoint_path: str) -> None:
    """Write the metrics of an evaluation, and which checkpoint it was of, as one event.

    A directory that may only be read is left as it is, with a warning in the log.
    """
    values = []
    for name in sorted(results):
        value = np.asarray(results[name])
        if name != "global_step" and value.size == 1:
            values.append(events.scalar(name, value.item()))
    if checkpoint_path:
        values.append(events.text("checkpoint_path", np.array(checkpoint_path, object)))
    file = event_file(directory, os.getpid())
    try:
        file.add(step, events.summary(values))
        file.flush()
    except OSError as error:
        log.warning("The evaluation is not written for TensorBoard: %s", error)
