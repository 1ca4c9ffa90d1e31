"""Directories with a number as name, each written as a whole: versions, the largest the newest."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import time
import zlib
from collections.abc import Iterator

from dataflow.errors import AlreadyExistsError
from dataflow.storage import files, remote

_NUMBER = re.compile(r"[0-9]{10}")
_TEMPORARY = re.compile(r"temp-[0-9]+-([0-9a-f]{8})-([0-9]+)")
_OURS: set[str] = set()
"""Temporary directories that this process is writing."""


def numbered(base: str, holding: str) -> list[str]:
    """Return the names of the directories of ten digits that are complete, oldest first.

    Args:
        base: Their parent.
        holding: A file that complete ones have.
    """
    names = [name for name in files.list_directory(base) if _NUMBER.fullmatch(name)]
    return [name for name in names if files.exists(files.join(base, name, holding))]


@contextlib.contextmanager
def new_directory(base: str) -> Iterator[tuple[str, str]]:
    """Write a directory that becomes visible complete, or not at all.

    Local ones are written beside, flushed and renamed. In other storages the file that complete ones have, by
    `numbered`, must be written last.

    Args:
        base: The parent, which is made.

    Yields:
        The directory to write into, and the path that it has then: the seconds since 1970, or one more than
        the newest.
    """
    files.make_directory(base)
    if files.is_url(base):
        path = files.join(base, _next_number(base))
        yield path, path
        return
    _remove_leftovers(base)
    number = _next_number(base)
    temporary = os.path.join(base, f"temp-{number}-{_host()}-{os.getpid()}")
    while temporary in _OURS:  # by another thread
        number = str(int(number) + 1)
        temporary = os.path.join(base, f"temp-{number}-{_host()}-{os.getpid()}")
    _OURS.add(temporary)
    try:
        os.mkdir(temporary)
        yield temporary, os.path.join(base, number)
        for place, _, _ in os.walk(temporary):
            files.sync_directory(place)
        try:
            os.rename(temporary, os.path.join(base, number))
        except OSError as error:
            raise AlreadyExistsError(
                f"{os.path.join(base, number)} was written by another process meanwhile", hint="export again"
            ) from error
        files.sync_directory(base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        _OURS.discard(temporary)


def _next_number(base: str) -> str:
    taken = [int(name) for name in files.list_directory(base) if _NUMBER.fullmatch(name)]
    return str(max([int(time.time()), *(number + 1 for number in taken)]))


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _remove_leftovers(base: str) -> None:
    """Remove what processes of this machine left that were killed while they wrote."""
    for name in files.list_directory(base):
        found = _TEMPORARY.fullmatch(name)
        path = os.path.join(base, name)
        if found and found[1] == _host() and path not in _OURS and not _runs(int(found[2])):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    """Tell whether another process of this number runs."""
    if process == os.getpid():
        return False
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def remove_oldest(base: str, holding: str, keep: int) -> list[str]:
    """Remove all complete directories but the newest, and return the names of those removed.

    A local one disappears in one step.
    """
    names = numbered(base, holding)
    removed = names[: max(0, len(names) - keep)]
    for name in removed:
        path = files.join(base, name)
        if files.is_url(path):
            remote.call(path, lambda system, target: system.rm(target, recursive=True))
            continue
        hidden = os.path.join(base, f"temp-{name}-{_host()}-{os.getpid()}")
        os.rename(path, hidden)
        shutil.rmtree(hidden, ignore_errors=True)
    return removed
