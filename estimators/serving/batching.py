"""`Batcher`: requests that wait together run as one batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflow.errors import DataLossError, InvalidArgumentError, SpecError
from dataflow.spec import TensorSpec
from estimators.graph.variable import Array
from estimators.serving.columns import Column, joined
from estimators.serving.errors import RequestError

FAST_SECONDS = 1e-3
"""A run that takes less is not worth a change of threads."""
TURNS = 2
"""In how many turns of the event loop more requests are gathered, if more come; a turn waits for nothing."""
_SMOOTHING = 0.2

Outputs = dict[str, Array]
Outcome = Outputs | Exception


class Job:
    """One request that waits, or runs.

    Args:
        columns: Its inputs by name.
        rows: How many it has.
        key: Jobs of equal keys may be joined.
    """

    __slots__ = ("columns", "future", "key", "rows", "timer")

    def __init__(self, columns: Mapping[str, Column], rows: int, key: Any) -> None:
        self.columns = columns
        self.rows = rows
        self.key = key
        self.future: asyncio.Future[Outputs] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Lane:
    """What the batchers of one model share: it runs one batch at a time."""

    def __init__(self) -> None:
        self.busy = False
        """Whether a batch runs in another thread."""
        self.batchers: list[Batcher] = []


class Batcher:
    """Runs requests of one signature, all those that wait at once as one batch.

    Nobody waits for others to come: while nothing else is there, a request runs at once, in the thread of
    the event loop if that takes well under a millisecond. What comes meanwhile is joined. Joined batches are
    filled up to powers of two with copies of their last row, so that few sizes are met. BLAS may round the
    products of batches of other sizes in another way: only a request that runs alone has the very bits that
    the model gives for it.

    Args:
        run: The model; called in one thread at a time.
        inputs: Specs by name.
        max_rows: Most rows to join; 1: join nothing.
        timeout_seconds: How long a request waits for its outputs.
        lane: That of the model.
        observe: Called with the rows of each batch that ran, and its requests.
    """

    def __init__(
        self,
        run: Callable[[dict[str, Any]], Outputs],
        inputs: Mapping[str, TensorSpec],
        max_rows: int,
        timeout_seconds: float,
        lane: Lane,
        observe: Callable[[int, int], None] = lambda rows, requests: None,
    ) -> None:
        self._run = run
        self._inputs = inputs
        self._keyed = any(None in spec.shape[1:] for spec in inputs.values())
        self._first = next(iter(inputs))
        self._max_rows = max_rows
        self._timeout = timeout_seconds
        self._observe = observe
        self._lane = lane
        lane.batchers.append(self)
        self._seconds: dict[int, float] = {}
        """How long runs took of late, by the bits of their rows."""
        self._pending: list[Job] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._seen = self._turns = 0
        self._alone = True
        """Whether no other request came in this turn of the event loop, or in the last in which one came."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._pending)

    async def __call__(self, columns: Mapping[str, Column]) -> Outputs:
        """Return the outputs for the columns of one request.

        Raises:
            RequestError: The model refuses them (400), or time is over (504).
        """
        rows = _rows(columns[self._first])
        key = tuple([c.shape[1:] for c in columns.values()]) if self._keyed else None
        job = Job(columns, rows, key)
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._loop = asyncio.get_running_loop()  # to ask each time costs a system call
        if self._alone and not self._lane.busy and not self._pending and self._is_fast(rows):
            self._alone = False
            loop.call_soon(self._calm)
            return _given(self._outcomes([job])[0])
        job.future = loop.create_future()
        self._pending.append(job)
        if self._lane.busy:
            job.timer = loop.call_later(self._timeout, _expire, job)
        elif not self._scheduled:
            self._scheduled = True
            self._seen = self._turns = 0
            loop.call_soon(self._gather, loop)
        return await job.future

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run what waits, after the requests that are being read in this turn of the event loop."""
        if len(self._pending) > self._seen and self._turns < TURNS:
            self._seen = len(self._pending)
            self._turns += 1
            loop.call_soon(self._gather, loop)
        else:
            self._flush()

    def _calm(self) -> None:
        self._alone = not self._pending

    def _is_fast(self, rows: int) -> bool:
        return self._seconds.get(rows.bit_length(), 1.0) < FAST_SECONDS

    def _flush(self) -> None:
        """Run all that wait and is fast; leave the rest to a thread."""
        self._scheduled = False
        self._alone = len(self._pending) <= 1
        while self._pending and not self._lane.busy:
            jobs = self._next()
            if not jobs:
                continue
            if self._is_fast(sum(job.rows for job in jobs)):
                _answer(jobs, self._outcomes(jobs))
                continue
            self._lane.busy = True
            loop = asyncio.get_running_loop()
            for job in jobs:
                job.timer = job.timer or loop.call_later(self._timeout, _expire, job)
            run = loop.run_in_executor(None, self._outcomes, jobs)
            run.add_done_callback(lambda done, jobs=jobs: self._done(jobs, done))  # type: ignore[misc]

    def _done(self, jobs: Sequence[Job], run: asyncio.Future[list[Outcome]]) -> None:
        self._lane.busy = False
        if not run.cancelled():
            _answer(jobs, run.result())
        for batcher in self._lane.batchers:
            batcher._flush()

    def _next(self) -> list[Job]:
        """Take the next jobs that may be joined from those that wait."""
        jobs: list[Job] = []
        rows, rest = 0, []
        for job in self._pending:
            assert job.future is not None
            if job.future.done():  # its time is over, or its client is gone
                continue
            if jobs and (rows + job.rows > self._max_rows or job.key != jobs[0].key):
                rest.append(job)
                continue
            jobs.append(job)
            rows += job.rows
        self._pending = rest
        return jobs

    def _outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what each job gets; one that the model refuses does not spoil the others."""
        try:
            outputs = self.run([job.columns for job in jobs])
        except Exception as error:
            if len(jobs) > 1:
                return [self._outcomes([job])[0] for job in jobs]
            return [error]
        self._observe(sum(job.rows for job in jobs), len(jobs))
        return list(outputs)

    def run(self, requests: Sequence[Mapping[str, Column]]) -> list[Outputs]:
        """Run requests as one batch, and return the outputs of each."""
        if self._max_rows == 1:
            columns = {name: joined([requests[0][name]], spec, None) for name, spec in self._inputs.items()}
            return [self._timed(columns, _rows(requests[0][self._first]))]
        sizes = [_rows(request[self._first]) for request in requests]
        rows = sum(sizes)
        size = rows if len(requests) == 1 else max(rows, min(1 << (rows - 1).bit_length(), self._max_rows))
        columns = {n: joined([r[n] for r in requests], spec, size) for n, spec in self._inputs.items()}
        outputs = self._timed(columns, rows)
        if len(requests) == 1:
            return [outputs]
        found, start = [], 0
        for taken in sizes:
            found.append({name: array[start : start + taken] for name, array in outputs.items()})
            start += taken
        return found

    def forget(self, rows: int) -> None:
        """Forget how long runs of so many rows took: the first ones make plans."""
        self._seconds.pop(rows.bit_length(), None)

    def _timed(self, columns: dict[str, Any], rows: int) -> Outputs:
        started = time.perf_counter()
        outputs = self._run(columns)
        seconds, bits = time.perf_counter() - started, rows.bit_length()
        old = self._seconds.get(bits)
        self._seconds[bits] = seconds if old is None else old + _SMOOTHING * (seconds - old)
        return outputs


def _rows(column: Column) -> int:
    return column.shape[0] if column.shape else 1


def _answer(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if job.timer is not None:
            job.timer.cancel()
        assert job.future is not None
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(_refusal(outcome))
        else:
            job.future.set_result(outcome)


def _expire(job: Job) -> None:
    if job.future is not None and not job.future.done():
        job.future.set_exception(RequestError(504, "the model took too long: Deadline exceeded"))


def _given(outcome: Outcome) -> Outputs:
    if isinstance(outcome, Exception):
        raise _refusal(outcome)
    return outcome


def _refusal(error: Exception) -> Exception:
    """Return the error for the client if the request is to blame, else the error itself."""
    if isinstance(error, InvalidArgumentError | SpecError | DataLossError):
        return RequestError(400, error.message + (f" ({error.hint})" if error.hint else ""))
    return error
