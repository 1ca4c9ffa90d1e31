"""`FileWriter`: events of one's own, such as those of hooks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from estimators.summary import collect, events
from estimators.summary.event_file import EventFile


class FileWriter:
    """Writes values into a directory that TensorBoard shows.

    On a local disk each is there at once; elsewhere after `flush`.

    Args:
        logdir: A directory; what is in it stays.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> writer = FileWriter(folder)
    >>> writer.add_scalar("speed", 3.5, global_step=1)
    >>> writer.close()
    >>> len(os.listdir(folder))
    1
    """

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        self._file = EventFile(os.fspath(logdir))

    def add_scalar(self, tag: str, value: float, global_step: int = 0) -> None:
        """Write a number."""
        self.add_values([events.scalar(tag, value)], global_step)

    def add_histogram(self, tag: str, values: Any, global_step: int = 0) -> None:
        """Write how an array of numbers is distributed."""
        self.add_values(collect.encoded_histogram(tag, values), global_step)

    def add_text(self, tag: str, value: str, global_step: int = 0) -> None:
        """Write text; TensorBoard reads it as Markdown."""
        self.add_values([events.text(tag, np.array(value, object))], global_step)

    def add_values(self, values: Iterable[bytes], global_step: int) -> None:
        """Write values as `estimators.summary.events` makes them, as one event; none if there are none."""
        found = list(values)
        if found:
            self._file.add(int(global_step), events.summary(found))

    def add_session_log(self, status: int, global_step: int, checkpoint_path: str = "") -> None:
        """Write that a run begins (then later steps of earlier runs are forgotten), or of a checkpoint."""
        self._file.add(int(global_step), events.session_log(status, checkpoint_path))

    def add_graph(self, graph_def: bytes) -> None:
        """Write a graph: TensorFlow's GraphDef, as bytes."""
        self._file.add(0, events.graph(graph_def))

    def flush(self) -> None:
        """Put what was written where others see it."""
        self._file.flush()

    def close(self) -> None:
        """Write what is left."""
        self._file.flush()
