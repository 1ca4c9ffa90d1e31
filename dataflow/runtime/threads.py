"""The one place that starts threads: work ahead of the consumer, in order, bounded, and stop."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from dataflow.errors import FailedPreconditionError

__all__ = [
    "Background", "Future", "Lock", "PerThread", "Workers", "close_aside", "run_parallel", "running", "watch",
]  # fmt: skip

T = TypeVar("T")

Lock = threading.Lock
_PREFIX = "dataflow-"
PATIENCE_SECONDS = 10.0
"""How long a step that is running is waited for when its consumer stops."""
_running: weakref.WeakSet[Background[Any]] = weakref.WeakSet()


class Background(Generic[T]):
    """Calls `step` again and again in a thread and hands its results over in order.

    Args:
        step: Returns the next item, and whether it is the last one. Must not raise.
        capacity: How many items may wait to be taken.
        weight: Returns the bytes of an item.
        max_weight: How many bytes may wait, beside the newest item.
    """

    def __init__(
        self,
        step: Callable[[], tuple[T, bool]],
        capacity: int,
        weight: Callable[[T], int] = lambda _: 0,
        max_weight: int = 0,
    ) -> None:
        self._step = step
        self._items: queue.Queue[T] = queue.Queue(capacity)
        self._weight = weight
        self._max_weight = max_weight
        self._room = threading.Condition()
        self._waiting = 0
        self._stopped = threading.Event()
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name=f"{_PREFIX}prefetch", daemon=True)
        _running.add(self)
        self._thread.start()

    def _run(self) -> None:
        last = False
        while not last and not self._stopped.is_set():
            item, last = self._step()
            with self._room:
                while self._waiting > self._max_weight and not self._stopped.is_set():
                    self._room.wait(0.1)
                self._waiting += self._weight(item)
            while not self._stopped.is_set():
                try:
                    self._items.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue

    def get(self) -> T:
        """Wait for the next item.

        Raises:
            FailedPreconditionError: Another thread called `stop` meanwhile.
        """
        while True:
            try:
                item = self._items.get(timeout=0.1)
                with self._room:
                    self._waiting -= self._weight(item)
                    self._room.notify()
                return item
            except queue.Empty:
                if self._stopped.is_set():
                    raise FailedPreconditionError(
                        "the iterator was closed while an element was waited for",
                        hint="close it in the thread that reads, or let that one end first",
                    ) from None

    @property
    def waiting(self) -> int:
        """How many items wait to be taken."""
        return self._items.qsize()

    @property
    def waiting_bytes(self) -> int:
        """Their bytes."""
        return self._waiting

    def stop(self, patience: float | None = None) -> bool:
        """Stop after the step that is running, and wait for it, `PATIENCE_SECONDS` unless told.

        A step that takes longer, such as a generator that waits for ever, is left behind with a warning:
        then the result is False, and what the step uses must not be used again.
        """
        self._stopped.set()
        with contextlib.suppress(queue.Empty):  # makes room, so that a thread that waits for it goes on
            while True:
                self._items.get_nowait()
        limit = PATIENCE_SECONDS if patience is None else patience
        self._thread.join(0 if self._given_up else limit)
        if self._thread.is_alive() and not self._given_up:
            self._given_up = True
            warnings.warn(
                f"a read-ahead thread waits for its input since {limit:.0f} seconds, and is left behind",
                RuntimeWarning,
                stacklevel=2,
            )
        return not self._thread.is_alive()


def watch(step: Callable[[], None]) -> None:
    """Call `step` once in a thread that is left behind, waiting or not, when the program ends."""
    threading.Thread(target=step, name=f"{_PREFIX}watch", daemon=True).start()


class PerThread(Generic[T]):
    """A value for each thread, made where it is first asked for.

    Args:
        make: Makes a value.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._local = threading.local()
        self.all: list[T] = []
        """The values of all threads."""

    def get(self) -> T:
        """Return the value of the thread that asks."""
        try:
            value: T = self._local.value
        except AttributeError:
            value = self._local.value = self._make()
            self.all.append(value)
        return value


def close_aside(close: Callable[[], None]) -> None:
    """Call `close`, which waits for threads, for an iterator that was garbage.

    Collection may happen in one of the very threads that `close` waits for: then it runs beside it.
    """
    if threading.current_thread().name.startswith(_PREFIX):
        threading.Thread(target=close, name=f"{_PREFIX}close", daemon=True).start()
    else:
        close()


def running() -> list[str]:
    """Return the names of the threads that work for pipelines now."""
    return sorted(t.name for t in threading.enumerate() if t.name.startswith(_PREFIX))


@atexit.register
def _stop_all() -> None:
    """Let no thread run into the interpreter's shutdown."""
    deadline = time.monotonic() + PATIENCE_SECONDS  # for all together; they are daemons
    for background in list(_running):
        background.stop(max(0.0, deadline - time.monotonic()))


class Workers:
    """A pool for independent pieces of work; the caller keeps the order."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"{_PREFIX}map")

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``function(*args)`` in a thread."""
        return self._pool.submit(function, *args)

    def stop(self) -> None:
        """Drop what has not begun, and wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Job:
    """Calls of a function with 0, 1, 2…, shared by the threads that come to help."""

    def __init__(self, function: Callable[[int], object], count: int) -> None:
        self._function = function
        self._count = count
        self._next = itertools.count().__next__  # atomic, as all calls of built-in code
        self._ended = itertools.count(1).__next__
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def work(self) -> None:
        """Do calls until none is left."""
        while (number := self._next()) < self._count:
            try:
                if self._error is None:
                    self._function(number)
            except BaseException as error:
                self._error = error
            if self._ended() == self._count:
                self._done.release()

    def wait(self) -> None:
        """Wait for the calls of other threads, and raise what one raised."""
        self._done.acquire()
        if self._error is not None:
            raise self._error


_jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
_helpers: list[threading.Thread] = []
_starting = threading.Lock()


def _help() -> None:
    while True:
        _jobs.get().work()


def _forget_helpers() -> None:
    """A process that was forked has none of its parent's threads."""
    global _jobs, _starting
    _jobs, _starting = queue.SimpleQueue(), threading.Lock()
    _helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


def cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_parallel(function: Callable[[int], object], count: int) -> None:
    """Call ``function(0) … function(count - 1)``, in this thread and on the other cores, in no certain order.

    The calls should release the interpreter lock and take at least some 20 microseconds each. Results must
    not depend on who does what: write them to different places.

    Raises:
        BaseException: What one of the calls raised; calls that had not begun are left out.
    """
    wanted = min(count, cores()) - 1
    if wanted < 1:
        for number in range(count):
            function(number)
        return
    with _starting:
        while len(_helpers) < wanted:
            thread = threading.Thread(target=_help, name=f"compute-{len(_helpers)}", daemon=True)
            _helpers.append(thread)
            thread.start()
    job = _Job(function, count)
    for _ in range(wanted):
        _jobs.put(job)
    job.work()
    job.wait()
