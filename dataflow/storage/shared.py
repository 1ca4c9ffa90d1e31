"""Small results that processes of one user on one machine need at the same time, made by one of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from dataflow.storage.files import atomic_writer, read_bytes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def made_once(key: object, make: Callable[[], Any]) -> Any:
    """Return what `make` returns, as JSON; one process makes it, and the others wait for that.

    It lies in a directory of the system's temporary one that only this user can enter. Where there cannot
    be one, each process makes it.

    Args:
        key: All that the result depends on; its repr is its name.
        make: Returns what JSON can hold.
    """
    directory = _directory()
    if directory is None or fcntl is None:
        return make()
    path = os.path.join(directory, hashlib.sha256(repr(key).encode()).hexdigest()[:32])
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(_locked(f"{path}.lock"))
            return json.loads(read_bytes(f"{path}.json"))
        except (OSError, ValueError):
            value = make()
        with contextlib.suppress(OSError), atomic_writer(f"{path}.json") as file:
            file.write(json.dumps(value).encode())
    return value


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the end of the process ends it too
        yield


def _directory() -> str | None:
    """Return the directory, None if it cannot be had, or is not this user's alone."""
    user = os.getuid() if hasattr(os, "getuid") else None
    if user is None:
        return None
    path = os.path.join(tempfile.gettempdir(), f"dataflow-{user}")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
    except OSError:
        return None
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077
    return path if own else None
