"""What runs in a worker process: it calls a Python function on the elements of blocks that it is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from dataflow.block import Block
from dataflow.block_bytes import Bytes, Form, Packed, unpack
from dataflow.errors import DataflowError
from dataflow.expr.user_function import UserFunction
from dataflow.runtime.threads import watch
from dataflow.spec import Structure

HEAD = 64
"""Bytes before a block in a shared segment: the number of the row that is worked on, -1 before the first."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Noting(UserFunction):
    """Notes before each call which row it is for, so that the parent knows should the process die."""

    note: Callable[[int], object] = int

    def call(self, block: Block, row: int) -> Structure:
        self.note(row)
        return super().call(block, row)


def memory(segment: SharedMemory) -> Bytes:
    """Return a view of the segment, which must not outlive it."""
    assert segment.buf is not None
    return np.frombuffer(segment.buf, np.uint8)


def serve(connection: Connection, patience: float) -> None:
    """Answer requests until there is none for so many seconds, or the parent is gone."""
    watch(_end_with_parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    load = functools.lru_cache(64)(_load)
    with contextlib.suppress(EOFError, ConnectionError):  # nobody is left to talk to
        connection.send(("ready",))
        while connection.poll(patience):
            task, name, form, size = connection.recv()
            try:
                function = load(task)
            except Exception as error:
                connection.send(("refused", f"{type(error).__name__}: {error}"))
                continue
            if name is None:
                connection.send(("loaded",))
            else:
                _answer(connection, function, name, form, size)
        connection.send(("bye",))


def _end_with_parent() -> None:
    """End this process, in whatever it is busy with, when the parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _load(task: bytes) -> _Noting:
    """Return the function that the parent has named."""
    module, qualname, input_spec, output_spec = ForkingPickler.loads(task)
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    return _Noting(found, input_spec, output_spec, "python")


def _answer(connection: Connection, function: _Noting, name: str, form: Form, size: int) -> None:
    """Run the function on the block in the segment, and put the result there, or into a larger one."""
    segment = SharedMemory(name)
    try:

        def note(row: int) -> None:
            memory(segment)[:8].view(np.int64)[0] = row

        # a copy, because functions may keep an element, and the segment is written to again
        data = memory(segment)[HEAD : HEAD + size].copy()
        try:
            result = Packed(dataclasses.replace(function, note=note).run(unpack(form, data)))
        except DataflowError as error:
            connection.send(("error", _described(error)))
            return
        if HEAD + result.size > segment.size:
            connection.send(("room", result.size))
            name = connection.recv()
            segment.close()
            segment = SharedMemory(name)
        result.write(memory(segment)[HEAD:])
    finally:
        segment.close()
    connection.send(("result", result.form, result.size))


def _described(error: DataflowError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "location": error.location,
        "row": error.row,
        "traceback": "".join(traceback.format_exception(error.__cause__ or error)),
    }
