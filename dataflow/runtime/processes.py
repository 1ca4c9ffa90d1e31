"""The one place that starts processes: workers that call Python functions beside this one.

Workers are spawned, never forked, so nothing that this process holds is copied. Only the parent makes and
removes shared memory, so a worker that dies leaves none behind. Workers end by themselves when nothing is
asked of them for a while, and when the parent is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from dataflow import errors
from dataflow.block import Block, Column
from dataflow.block_bytes import Packed, unpack
from dataflow.errors import DataflowError, FailedPreconditionError, InvalidArgumentError, UserFunctionError
from dataflow.expr.user_function import UserFunction
from dataflow.runtime.process_worker import HEAD, memory, serve
from dataflow.runtime.threads import PATIENCE_SECONDS, Workers
from dataflow.spec import has_objects

IDLE_SECONDS = 30.0
"""How long a worker waits for something to do before it ends."""
_CONTEXT = multiprocessing.get_context("spawn")
_idle: deque[_Worker] = deque()
"""Workers that no pool uses, kept for the next one: to start one takes about a second."""
_IN_THREADS = 'run it in threads, with Options(python_workers="threads")'


class WorkerTracebackError(Exception):
    """The traceback of an error in a worker process, as text: the cause of the error that is raised here."""


class _GoneError(Exception):
    """A worker has ended; `retired` if it had nothing to do and said so."""

    def __init__(self, retired: bool) -> None:
        super().__init__()
        self.retired = retired


class ProcessWorkers(Workers):
    """A pool of threads of which each can have a Python function run in a process of its own.

    Args:
        count: How many calls may run at a time.
        function: A function of tier ``python`` that is defined at the top level of a module.

    Raises:
        InvalidArgumentError: Worker processes cannot import the function.
        FailedPreconditionError: They cannot be started.
    """

    def __init__(self, count: int, function: UserFunction) -> None:
        self._name = function.name
        self._task = _task(function)
        self._stopped_at: float | None = None
        self._workers = deque(_take() for _ in range(count))
        super().__init__(count)
        try:
            self._ask(lambda worker: worker.ask((self._task, None, None, 0), self._is_overdue))
        except BaseException:
            self.stop()
            raise

    def compute(self, block: Block) -> list[Column]:
        """Return what the function makes of the elements, one column for each component.

        Raises:
            DataflowError: What the function raised, with ``row`` set.
            UserFunctionError: The function has ended the worker, with ``row`` set.
            FailedPreconditionError: There is not enough shared memory.
        """
        packed = Packed(block)
        columns: list[Column] = self._ask(lambda w: w.compute(self._task, packed, self._is_overdue))
        return columns

    def stop(self) -> None:
        """Wait for the calls that run, kill those that take too long, and free the shared memory."""
        self._stopped_at = time.monotonic()
        super().stop()
        for worker in self._workers:
            worker.free()
        _idle.extend(self._workers)
        self._workers.clear()

    def _is_overdue(self) -> bool:
        return self._stopped_at is not None and time.monotonic() - self._stopped_at > PATIENCE_SECONDS

    def _ask(self, request: Callable[[_Worker], Any]) -> Any:
        """Make a request to a worker that is free; one that had retired meanwhile is replaced."""
        while True:
            try:
                worker = self._workers.pop()
            except IndexError:
                worker = _Worker()
            try:
                return request(worker)
            except _GoneError as gone:
                if not gone.retired:
                    raise worker.obituary(self._name) from None
            finally:
                if worker.is_busy:  # gone, or interrupted in the middle
                    worker.kill()
                else:
                    self._workers.append(worker)


class _Worker:
    """A process, the connection to it, and the shared memory in which blocks go there and back."""

    def __init__(self) -> None:
        self.is_busy = False
        """Whether a request was sent, and its last reply has not come."""
        self._is_ready = False
        self._segment: SharedMemory | None = None
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=serve, args=(theirs, IDLE_SECONDS), name="dataflow-python", daemon=True
        )
        try:
            self._process.start()
        except (AssertionError, OSError) as error:  # an assertion of multiprocessing
            raise FailedPreconditionError(
                f"a worker process cannot be started here: {error}", hint=_IN_THREADS
            ) from error
        finally:
            theirs.close()

    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.is_alive()

    def ask(self, request: Any, is_overdue: Callable[[], bool]) -> Any:
        """Send a request, and return the reply.

        Raises:
            _GoneError: The process has ended, or was killed because the reply was overdue.
            InvalidArgumentError: The worker cannot import the function.
            DataflowError: What the function raised.
        """
        self.is_busy = True
        with contextlib.suppress(OSError):  # it may be gone, and have left a message
            self._connection.send(request)
        try:
            while True:
                while not wait([self._connection, self._process.sentinel], timeout=0.5):
                    if is_overdue():
                        self._process.kill()
                if not self._connection.poll():
                    raise _GoneError(retired=False)
                kind, *reply = self._connection.recv()
                if kind == "bye":
                    raise _GoneError(retired=True)
                self.is_busy = kind in ("ready", "room")
                if kind == "refused":
                    raise _not_importable(reply[0])
                if kind == "error":
                    raise _rebuilt(**reply[0])
                if kind != "ready":
                    return kind, *reply
                self._is_ready = True
        except (EOFError, ConnectionError):
            raise _GoneError(retired=False) from None

    def compute(self, task: bytes, packed: Packed, is_overdue: Callable[[], bool]) -> list[Column]:
        """Send a block, and return the columns of the result."""
        segment = self._room(packed.size)
        memory(segment)[:8].view(np.int64)[0] = -1
        packed.write(memory(segment)[HEAD:])
        kind, *reply = self.ask((task, segment.name, packed.form, packed.size), is_overdue)
        if kind == "room":
            segment = self._room(reply[0])
            kind, *reply = self.ask(segment.name, is_overdue)
        form, size = reply
        return list(unpack(form, memory(segment)[HEAD : HEAD + size].copy()).columns)

    def _room(self, size: int) -> SharedMemory:
        """Return a segment with room for so many bytes."""
        if self._segment is None or self._segment.size < HEAD + size:
            self.free()
            self._segment = _segment(max(HEAD + size + size // 4, 1 << 16))
        return self._segment

    def free(self) -> None:
        """Give the shared memory back."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()
            segment.unlink()

    def obituary(self, function: str) -> DataflowError:
        """Return the error that says how the process has ended, with the row that it worked on."""
        self._process.join(PATIENCE_SECONDS)
        self._process.kill()  # one that has only closed its connection
        self._process.join(1.0)
        code = self._process.exitcode
        how = f"exit code {code}" if code is not None else "an exit code that this program has not kept"
        if code is not None and code < 0:
            how += f" ({signal.Signals(-code).name})"
        if not self._is_ready:
            return FailedPreconditionError(
                f"a worker process for {function} ended with {how} before it was ready",
                hint='a script that starts processes runs its work below `if __name__ == "__main__":`, '
                "because workers import it too",
            )
        killed = code is not None and code == -getattr(signal, "SIGKILL", 0)
        hint = "the system may have run out of memory: let fewer calls run at a time" if killed else None
        error = UserFunctionError(f"{function} ended its worker process with {how}", hint=hint)
        if self._segment is not None:
            row = int(memory(self._segment)[:8].view(np.int64)[0])
            error.row = row if row >= 0 else None
        return error

    def kill(self) -> None:
        """End the process at once, and free everything."""
        self.free()
        self._process.kill()
        self.let_go()

    def let_go(self) -> None:
        """Let the process end as soon as it has nothing to do."""
        self._connection.close()

    def join(self) -> None:
        """Wait a moment for the process to end."""
        self._process.join(1.0)


def _take() -> _Worker:
    """Return a worker that was kept, or a new one."""
    while True:
        try:
            worker = _idle.pop()
        except IndexError:
            return _Worker()
        if worker.is_alive():
            return worker


def _segment(size: int) -> SharedMemory:
    """Return a new segment whose memory is there, so that writing to it cannot fail."""
    segment = SharedMemory(f"dataflow_{os.getpid()}_{secrets.token_hex(4)}", create=True, size=size)
    try:
        if hasattr(os, "posix_fallocate"):
            # nothing public does this, and without it a write to memory that is not there ends the process
            os.posix_fallocate(segment._fd, 0, size)  # type: ignore[attr-defined]
    except OSError as error:
        segment.close()
        segment.unlink()
        raise FailedPreconditionError(
            f"there is no room for {size} bytes in shared memory: {error}",
            hint="make it larger (docker run --shm-size), or let fewer calls run at a time",
        ) from error
    return segment


def _task(function: UserFunction) -> bytes:
    """Return the name of the function and its specs, for workers."""
    module = str(getattr(function.function, "__module__", None))
    qualname = str(getattr(function.function, "__qualname__", ""))
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not function.function or (module == "__main__" and not _main_is_a_file()):
        raise _not_importable(f"{function.name} is not found as {module}.{qualname}")
    if has_objects((function.input_spec, function.output_spec)):
        raise InvalidArgumentError(
            f"{function.name} takes or returns Python objects, which do not cross to processes",
            hint=_IN_THREADS,
        )
    try:
        return bytes(ForkingPickler.dumps((module, qualname, function.input_spec, function.output_spec)))
    except Exception as error:  # of any kind: what pickle raises differs
        raise _not_importable(f"a class in the structure of its elements: {error}") from error


def _main_is_a_file() -> bool:
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return main.__spec__ is not None or (file is not None and os.path.isfile(file))


def _not_importable(reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"worker processes cannot import the function: {reason}",
        hint=f"define it at the top level of a module that can be imported, or {_IN_THREADS}",
    )


def _rebuilt(
    kind: str, message: str, hint: str | None, location: Any, row: int | None, traceback: str
) -> DataflowError:
    """Return the error that a worker has described."""
    known = getattr(errors, kind, UserFunctionError)
    error: DataflowError = known(message, hint=hint, location=location)
    error.row = row
    error.__cause__ = WorkerTracebackError(f"in a worker process:\n{traceback}")
    return error


@atexit.register
def _end_idle() -> None:
    """Let workers end in order, before multiprocessing terminates them."""
    for worker in _idle:
        worker.let_go()
    while _idle:
        _idle.pop().join()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # they belong to the process that has started them
