"""Running a user function over the blocks of an input: shared by `map` and `filter`."""

from __future__ import annotations

import dataclasses
import itertools
import time
import warnings
from abc import abstractmethod
from collections import deque

from dataflow.block import Block
from dataflow.errors import DataflowError, TraceError
from dataflow.expr.user_function import TracingWarning, UserFunction
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State, forward
from dataflow.runtime.processes import ProcessWorkers
from dataflow.runtime.threads import Future, Workers

_SLICE_SECONDS = 0.005
_PROCESS_SLICE_SECONDS = 0.02  # each slice goes to a process and back


@dataclasses.dataclass
class _Piece:
    """Part of an input block, or an error of the input in its place; the input's position behind it."""

    before: State
    after: State
    block: Block | None = None
    error: Exception | None = None
    future: Future[Block] | None = None


class ApplyOperator(Operator):
    """Applies `function` to each element; a subclass says in `combine` what becomes of the result.

    Where one element fails, the elements before it are delivered, then its error is raised, then the
    rest goes on.

    Functions of tier ``python`` run on slices of the input's blocks, of one element at first and of more
    if they are quick, so that even few slow elements keep all workers busy.
    """

    _pool: Workers | None = None
    _processes: ProcessWorkers | None = None

    def __init__(self, node: Node, function: UserFunction, workers: int, input_operator: Operator) -> None:
        super().__init__(node, input_operator)
        self.function = function
        self.workers = max(workers, 1)

    @abstractmethod
    def combine(self, block: Block, result: Block) -> Block:
        """Return the output block, possibly empty, for a dense input block and the function's result."""

    def start(self, own: State | None) -> None:
        """Forget what was under way."""
        reason = self.function.reason
        if reason is not None and self.context.options.strict_tracing:
            raise TraceError(f"{self.function} cannot be traced: {reason.message}", hint=reason.hint)
        self._pieces: deque[_Piece] = deque()
        self._position = self.input.state()
        self._rows = 1 if self.function.tier == "python" else 1 << 62
        in_processes = self.context.options.python_workers == "processes"
        if in_processes and self.function.tier == "python" and self.workers > 1:
            self._pool = self._processes = ProcessWorkers(self.workers, self.function)
        if self.meter is not None:
            self.meter.works_with(self.workers, in_processes=self._processes is not None)

    def release(self) -> None:
        """Stop the workers."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = self._processes = None

    def input_states(self) -> list[State | None]:
        """The position behind the last delivered element; workers may be further."""
        return [self._position]

    def produce(self) -> Block | None:
        """Return the next non-empty output block."""
        while (piece := self._next_piece()) is not None:
            if piece.block is None:
                self._position = piece.after
                assert piece.error is not None
                raise piece.error
            try:
                result = self._run(piece.block) if piece.future is None else self._result(piece.future)
            except DataflowError as error:
                if piece.block.length == 1:
                    self._position = piece.after
                    raise
                self._pieces.extendleft(reversed(_parts(piece, piece.block, error.row)))
                if self._processes is not None:
                    self._submit()  # as many processes run as were started
                continue
            self._position = piece.after
            if result.length:
                return result
        return None

    def _next_piece(self) -> _Piece | None:
        ahead = self.workers if self.workers > 1 else 0
        if self.function.tier == "python":
            ahead *= 2  # elements may take very different times
        while len(self._pieces) <= ahead and self._read():
            if self.workers > 1:
                self._submit()
        return self._pieces.popleft() if self._pieces else None

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = Workers(self.workers)
        for piece in self._pieces:
            if piece.block is not None and piece.future is None:
                piece.future = self._pool.submit(self._work, piece.block)

    def _work(self, block: Block) -> Block:
        return self._run(block) if self.meter is None else self.meter.own(self._run, block)

    def _result(self, future: Future[Block]) -> Block:
        return future.result() if self.meter is None else self.meter.wait(future.result)

    def _read(self) -> bool:
        """Queue the pieces of the next input block; False at the end."""
        if self.function.verdict.difference is not None:
            self._leave_tracing(self.function.verdict.difference)
        before = self.input.state()
        try:
            block = self.input.peek()
        except Exception as error:  # of any kind: good rows before it are due first
            self._pieces.append(_Piece(before, self.input.state(), error=error))
            return True
        if block is None:
            return False
        if self.function.needs_check():
            self._check_first(block)
        block = block.slice(0, self._rows)
        self.input.advance(block.length)
        done = 0
        for run in [block] if self.function.tier == "python" else block.dense_runs():
            after = forward(before, done + run.length)
            self._pieces.append(_Piece(forward(before, done), after, run))
            done += run.length
        self._pieces[-1].after = self.input.state()
        return True

    def _run(self, block: Block) -> Block:
        if self.function.tier != "python":
            return self.combine(block, self.function.run(block))
        started = time.perf_counter()
        compute = self._processes.compute if self._processes is not None else None
        result = self.combine(block, self.function.run(block, compute))
        limit = _SLICE_SECONDS if compute is None else _PROCESS_SLICE_SECONDS
        quick = time.perf_counter() - started < limit
        self._rows = min(self._rows * 2, 4096) if quick else max(self._rows // 2, 1)
        return result

    def _check_first(self, block: Block) -> None:
        """Compare the first elements with plain Python; what differs runs in Python from now on."""
        self.function.check_first(next(iter(block.dense_runs())))
        difference = self.function.verdict.difference
        if difference is not None:
            name = str(self.function)
            self._leave_tracing(difference)
            warnings.warn(
                f"{name} gives another result in plain Python, so it runs per element: "
                f"{difference} ({self.node.stage})",
                TracingWarning,
                stacklevel=2,
            )

    def _leave_tracing(self, difference: str) -> None:
        if self.context.options.strict_tracing:
            raise TraceError(
                f"{self.function} gives another result in plain Python: {difference}",
                hint="a traced function must depend on its arguments alone",
            )
        if self.function.tier != "python":
            self.release()
            for piece in self._pieces:
                if piece.future is not None and piece.future.cancelled():
                    piece.future = None
            self.function = self.function.in_python()
            self.workers = self._rows = 1
            if self.meter is not None:
                self.meter.works_with(1)


def _parts(piece: _Piece, block: Block, row: int | None) -> list[_Piece]:
    """Cut around the element that failed, or in two halves where it is not known."""
    inner = [block.length // 2] if row is None else [row, row + 1]
    bounds = [0, *(n for n in inner if 0 < n < block.length), block.length]
    return [
        _Piece(forward(piece.before, start), forward(piece.before, stop), block.slice(start, stop))
        for start, stop in itertools.pairwise(bounds)
    ]
