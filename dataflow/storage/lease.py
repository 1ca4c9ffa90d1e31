"""One writer at a time in a directory: a lock of the system, or a lease where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any

from dataflow.errors import AlreadyExistsError, DataLossError, FailedPreconditionError, NotFoundError
from dataflow.storage import files
from dataflow.storage.runs import read_json, write_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "_writing.lock"
BEAT_SECONDS = 15
"""A lease is renewed so often."""
STALE_SECONDS = 120
"""A lease that was not renewed for so long is nobody's."""

_held: set[str] = set()
"""Tokens of the leases of this process: a number of a process may come again after a restart."""


class Lease:
    """The right to write to a directory: a small file that says who, and when it was last renewed.

    Storage without conditional writes lets two take a lease within the same moment: one of them sees at
    the next `check` that it is not its own.

    Args:
        path: Of the file; local or a URL.

    Raises:
        AlreadyExistsError: Another writer has it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._token = secrets.token_hex(8)
        found = self._read()
        if found is not None and _is_alive(found):
            raise _in_use(path, found)
        self._write()
        _held.add(self._token)
        self.check()

    def _read(self) -> dict[str, Any] | None:
        try:
            found = read_json(self._path)
        except (NotFoundError, DataLossError):
            return None
        return found if isinstance(found, dict) and found.keys() >= {"token", "beat"} else None

    def _write(self) -> None:
        self._beat = time.monotonic()
        write_json(self._path, _owner(self._token))

    def beat(self) -> None:
        """Renew it from time to time; cheap enough to call often."""
        if time.monotonic() - self._beat > BEAT_SECONDS:
            self.check()
            self._write()

    def check(self) -> None:
        """Make sure that it is still ours.

        Raises:
            FailedPreconditionError: Another writer took it, as it was not renewed for long.
        """
        found = self._read()
        if found is None or found["token"] != self._token:
            raise FailedPreconditionError(
                f"another program took over writing: {self._path} is not ours any more",
                hint=f"elements must come at least every {STALE_SECONDS} seconds; let the other one finish",
            )

    def release(self) -> None:
        """Give it back."""
        found = self._read()
        if found is not None and found["token"] == self._token:
            files.remove(self._path)
        _held.discard(self._token)


class Lock(Lease):
    """The same by a lock of the system, which ends with the process, however that ends.

    Args:
        path: Of the file; local.

    Raises:
        AlreadyExistsError: Another writer has it.
        NotImplementedError: The file system has no locks.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        while True:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._lock()
                if os.path.exists(path) and os.path.samestat(os.fstat(self._handle), os.stat(path)):
                    break  # else its last owner removed it meanwhile
            except BaseException:
                os.close(self._handle)
                raise
            os.close(self._handle)
        os.ftruncate(self._handle, 0)
        os.write(self._handle, json.dumps(_owner("")).encode())

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(self._path, self._read() or {}) from None
        except OSError as error:
            raise NotImplementedError from error

    def beat(self) -> None:
        """Nothing is to be done."""

    def check(self) -> None:
        """Nobody can take it."""

    def release(self) -> None:
        """Give it back."""
        files.remove(self._path)
        os.close(self._handle)


def _owner(token: str) -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "beat": time.time(), "token": token}


def _in_use(path: str, found: dict[str, Any]) -> AlreadyExistsError:
    who = f"process {found.get('pid', '?')} on {found.get('host', '?')}"
    return AlreadyExistsError(
        f"{files.parent(path)} is being written to by {who}",
        hint=f"let it end; if it is gone, remove {path}, or wait {STALE_SECONDS} seconds",
    )


def _is_alive(found: dict[str, Any]) -> bool:
    """Tell whether the owner of a lease may still be at work."""
    if time.time() - float(found["beat"]) > STALE_SECONDS:
        return False
    if found.get("host") != socket.gethostname():
        return True
    pid = int(found.get("pid", 0))
    if pid == os.getpid():
        return found["token"] in _held
    return _runs(pid)


def _runs(pid: int) -> bool:
    if fcntl is None:
        return True  # os.kill would end it there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def hold(directory: str) -> Iterator[Lease]:
    """Be the only writer of a directory.

    Raises:
        AlreadyExistsError: There is another one.
    """
    path = files.join(directory, LOCK)
    lease: Lease | None = None
    if fcntl is not None and not files.is_url(path):
        with contextlib.suppress(NotImplementedError):
            lease = Lock(path)
    lease = lease or Lease(path)
    try:
        yield lease
    finally:
        lease.release()
