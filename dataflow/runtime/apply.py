"""Running a user function over the blocks of an input: shared by `map` and `filter`."""

from __future__ import annotations

import dataclasses
import time
import warnings
from abc import abstractmethod
from collections import deque
from concurrent.futures import Future

from dataflow.block import Block
from dataflow.errors import DataflowError, TraceError
from dataflow.expr.user_function import TracingWarning, UserFunction
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.runtime.threads import Workers

_SLICE_SECONDS = 0.005


@dataclasses.dataclass
class _Piece:
    """Part of an input block; `before` and `after` are the input's positions around it."""

    block: Block
    before: State
    after: State


class ApplyOperator(Operator):
    """Applies `function` to each element; a subclass says in `combine` what becomes of the result.

    Where one element fails, the elements before it are delivered, then its error is raised, then the
    rest goes on.
    """

    function: UserFunction

    def __init__(self, node: Node, function: UserFunction, workers: int, input_operator: Operator) -> None:
        super().__init__(node, input_operator)
        self.function = function
        self.workers = workers
        self._pool: Workers | None = None

    @abstractmethod
    def combine(self, block: Block, result: Block) -> Block:
        """Return the output block, possibly empty, for a dense input block and the function's result."""

    def start(self, own: State | None) -> None:
        """Forget what was under way."""
        self._waiting: deque[_Piece] = deque()
        self._running: deque[tuple[_Piece, Future[Block]]] = deque()
        self._position: State | None = None
        self._rows = 1 if self.function.tier == "python" else 1 << 62

    def state(self) -> State:
        """Return the input's position behind the last delivered element; workers may be further."""
        state = {"stage": type(self.node).__name__}
        return {**state, "inputs": [self._position if self._position is not None else self.input.state()]}

    def produce(self) -> Block | None:
        """Return the next non-empty output block."""
        while True:
            piece = self._take_piece()
            if piece is None:
                return None
            piece, future = piece
            try:
                result = self._run(piece.block) if future is None else future.result()
            except DataflowError as error:
                if error.row is None:
                    self._position = piece.after
                    raise
                self._split(piece, error.row)
                if error.row == 0:
                    self._position = _forward(piece.before, 1)
                    raise
                continue
            self._position = piece.after
            if result.length:
                return result

    def _split(self, piece: _Piece, row: int) -> None:
        """Put the parts around a failing element in front of the queue; the element itself stays alone."""
        for other, future in reversed(self._running):
            future.cancel()
            self._waiting.appendleft(other)
        self._running.clear()
        bounds = [row + 1, piece.block.length] if row == 0 else [0, row, row + 1, piece.block.length]
        parts = []
        for start, stop in zip(bounds, bounds[1:], strict=False):
            if stop > start:
                before, after = _forward(piece.before, start), _forward(piece.before, stop)
                parts.append(_Piece(piece.block.slice(start, stop), before, after))
        self._waiting.extendleft(reversed(parts))

    def _take_piece(self) -> tuple[_Piece, Future[Block] | None] | None:
        if self.workers <= 1:
            piece = self._read_piece()
            return None if piece is None else (piece, None)
        if self._pool is None:
            self._pool = Workers(self.workers)
        while len(self._running) <= self.workers and (piece := self._read_piece()) is not None:
            self._running.append((piece, self._pool.submit(self._run, piece.block)))
        return self._running.popleft() if self._running else None

    def _read_piece(self) -> _Piece | None:
        if self._waiting:
            return self._waiting.popleft()
        before = self.input.state()
        block = self.input.read(self._rows)
        if block is None:
            return None
        if self.function.needs_check():
            self._check_first(block)
        runs = list(block.dense_runs())
        if len(runs) == 1:
            return _Piece(runs[0], before, self.input.state())
        start = 0
        for run in runs:
            self._waiting.append(_Piece(run, _forward(before, start), _forward(before, start + run.length)))
            start += run.length
        return self._waiting.popleft()

    def _run(self, block: Block) -> Block:
        started = time.perf_counter()
        result = self.combine(block, self.function.run(block))
        if self.function.tier == "python":
            quick = time.perf_counter() - started < _SLICE_SECONDS
            self._rows = min(self._rows * 2, 4096) if quick else max(self._rows // 2, 1)
        return result

    def _check_first(self, block: Block) -> None:
        """Compare the first elements with plain Python; what differs runs in Python from now on."""
        difference = self.function.check_first(next(iter(block.dense_runs())))
        if difference is None:
            return
        message = (
            f"{self.function} gives another result in plain Python, so it runs per element: {difference}"
        )
        if self.context.options.strict_tracing:
            raise TraceError(message, hint="a traced function must depend on its arguments alone")
        warnings.warn(f"{message} ({self.node.stage})", TracingWarning, stacklevel=2)
        self.function = dataclasses.replace(self.function, tier="python", graph=None, loop=None)
        self._rows = 1

    def close(self) -> None:
        """Stop the workers and close the input."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None
        super().close()


def _forward(position: State, rows: int) -> State:
    return {**position, "skip": position["skip"] + rows}
