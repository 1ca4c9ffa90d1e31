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
from dataflow.runtime.threads import Future, Workers

_SLICE_SECONDS = 0.005


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
    """

    _pool: Workers | None = None

    def __init__(self, node: Node, function: UserFunction, workers: int, input_operator: Operator) -> None:
        super().__init__(node, input_operator)
        self.function = function
        self.workers = 1 if function.tier == "python" else max(workers, 1)  # Python code may need its order

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

    def release(self) -> None:
        """Stop the workers."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None

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
                result = self._run(piece.block) if piece.future is None else piece.future.result()
            except DataflowError as error:
                if piece.block.length == 1:
                    self._position = piece.after
                    raise
                self._pieces.extendleft(reversed(_parts(piece, piece.block, error.row)))
                continue
            self._position = piece.after
            if result.length:
                return result
        return None

    def _next_piece(self) -> _Piece | None:
        while len(self._pieces) <= (self.workers if self.workers > 1 else 0) and self._read():
            if self.workers > 1:
                self._submit()
        return self._pieces.popleft() if self._pieces else None

    def _submit(self) -> None:
        if self._pool is None:
            self._pool = Workers(self.workers)
        for piece in self._pieces:
            if piece.block is not None and piece.future is None:
                piece.future = self._pool.submit(self._run, piece.block)

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
        for run in block.dense_runs():
            after = forward(before, done + run.length)
            self._pieces.append(_Piece(forward(before, done), after, run))
            done += run.length
        self._pieces[-1].after = self.input.state()
        return True

    def _run(self, block: Block) -> Block:
        started = time.perf_counter()
        result = self.combine(block, self.function.run(block))
        if self.function.tier == "python":
            quick = time.perf_counter() - started < _SLICE_SECONDS
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


def _parts(piece: _Piece, block: Block, row: int | None) -> list[_Piece]:
    """Cut around the element that failed, or in two halves where it is not known."""
    inner = [block.length // 2] if row is None else [row, row + 1]
    bounds = [0, *(n for n in inner if 0 < n < block.length), block.length]
    return [
        _Piece(forward(piece.before, start), forward(piece.before, stop), block.slice(start, stop))
        for start, stop in itertools.pairwise(bounds)
    ]
