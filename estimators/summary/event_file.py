"""Files of events, as TensorBoard finds them: ``events.out.tfevents.<seconds>.<host>.<process>.<number>``.

Records are framed as in TFRecord files. On a local disk each event is appended at once, so what was
written is there even if the process is killed. Other storages cannot append: there the events since the
last `flush` become a file of their own.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import socket
import struct
import time

import numpy as np

from dataflow import kernels
from dataflow.storage import files
from estimators.summary import events

PREFIX = "events.out.tfevents."
_POLYNOMIAL = 0x82F63B78
_LARGE = 1 << 17
"""So many bytes are worth the kernel."""
_NUMBERS = itertools.count()


class EventFile:
    """Writes events of a directory, into a file that sorts behind those that are there.

    Args:
        directory: Where; it is made with the first event.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = ""
        self._remote = files.is_url(directory)
        self._waiting: list[bytes] = []

    def add(self, step: int, content: bytes) -> None:
        """Write an event; `content` is one of the fields of `events`."""
        data = b""
        if self._path and not self._remote and not files.exists(self._path):
            self._path = ""  # somebody has removed it
        if not self._path:
            self._path = self._new_path()
            data = record(events.event(time.time(), 0, events.version()))
        data += record(events.event(time.time(), step, content))
        if self._remote:
            self._waiting.append(data)
        else:
            files.append(self._path, data)

    def flush(self) -> None:
        """Put what was written where others see it."""
        if self._waiting:
            with files.atomic_writer(self._path) as file:
                file.write(b"".join(self._waiting))
            self._waiting, self._path = [], ""

    def _new_path(self) -> str:
        files.make_directory(self._directory)
        known = [
            int(found.group(1))
            for name in files.list_directory(self._directory)
            if (found := re.match(rf"{re.escape(PREFIX)}(\d+)", name))
        ]
        seconds = max([int(time.time()), *(number + 1 for number in known)])
        name = f"{PREFIX}{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        return files.join(self._directory, name)


@functools.cache
def event_file(directory: str, process: int) -> EventFile:
    """Return the file of a directory that this process adds evaluations to."""
    return EventFile(directory)


def record(data: bytes) -> bytes:
    """Return a record of a TFRecord file: length, its checksum, the data, and theirs.

    >>> record(b"hello").hex()[:24]
    '0500000000000000eab2043e'
    """
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", _masked(head)) + data + struct.pack("<I", _masked(data))


def _masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli); of few bytes without the kernel, which takes time to load.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) >= _LARGE:
        return int(kernels.records.crc32c(np.frombuffer(data, np.uint8)))
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
