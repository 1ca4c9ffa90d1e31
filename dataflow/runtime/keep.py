"""Keeping the elements of the first full pass, and reading them in further ones: `cache` and `snapshot`."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import ClassVar, Protocol

from dataflow.block import Block
from dataflow.errors import DataflowError, StateError
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State

_log = logging.getLogger("dataflow")


class Kept(Protocol):
    """What an earlier pass has left."""

    def next(self) -> Block | None:
        """Return the next block, None at the end."""

    def close(self) -> None:
        """Release files."""


class Keeping(Protocol):
    """Takes the elements of a pass."""

    def write(self, block: Block) -> None:
        """Add a block."""

    def finish(self) -> None:
        """Keep what was written: the pass is complete."""

    def discard(self) -> None:
        """Forget what was written."""


class KeepOperator(Operator):
    """Fills while reading the input for the first time; afterwards reads what was kept.

    A subclass says where elements are kept: `open_kept` and `new_keeping`.
    """

    node: Node
    verb: ClassVar[str]
    """What messages call the stage."""
    kept: Kept | None = None
    keeping: Keeping | None = None

    @property
    def in_order(self) -> bool:
        """Whether what was kept comes in the order of the input."""
        return True

    @abstractmethod
    def open_kept(self, *, resuming: bool) -> Kept | None:
        """Return what an earlier pass has left, None if it has to be made."""

    @abstractmethod
    def new_keeping(self) -> Keeping:
        """Return a place for the elements of this pass."""

    def delivered_part(self, block: Block) -> Block:
        """Return what readers get of a block that is kept."""
        return block

    def seek(self, own: State) -> bool:
        """Go to the saved element in what is kept; False if this cannot be done at once."""
        return False

    def start(self, own: State | None) -> None:
        """Read what is kept, from the saved element on; else fill from the start of the pass.

        The saved position is where the filling pass began: what was kept may be gone.
        """
        self.delivered = 0
        self.failed = 0  # errors that the input raised
        self.ended = False
        self.completed = False  # whether this pass has been kept: it may be gone since
        self.rest: Block | None = None
        self.origin = self.input.state()
        # what is kept has no errors: a pass that was filling goes on with the input, even if another one, or
        # one that ran ahead, has filled since; a pass that was reading goes on without, even if it is gone
        filling = own is not None and own["errors_pass"]
        self.kept = None if filling else self.open_kept(resuming=own is not None)
        self.errors_pass = self.kept is None and (own is None or own["errors_pass"])
        if own is None:
            return
        if self.kept is not None and self.seek(own):
            self.delivered = own["delivered"]
            return
        if not self.in_order and not own["errors_pass"]:
            raise StateError(
                f"what {self.node.describe()} kept when the position was saved is gone, "
                "and with it the order of its elements",
                hint="start anew",
            )
        self._pass_over(own["delivered"], own["failed"] if self.kept is None else 0)

    def _pass_over(self, delivered: int, failed: int) -> None:
        """Go to the saved element; errors on the way were raised before it was saved."""
        while self.delivered < delivered or self.failed < failed:
            try:
                self._next(max(delivered - self.delivered, 1))
            except DataflowError as error:
                if self.failed > failed:
                    raise
                _log.debug("raised before the position was saved: %s", error)
            if self.ended or self.delivered > delivered:
                raise StateError(
                    f"{self.node.describe()} has other elements than when the position was saved",
                    hint="resume on the same data",
                )

    def produce(self) -> Block | None:
        """Return the next elements, kept or fresh."""
        return self._next(1 << 62)

    def _next(self, rows: int) -> Block | None:
        if self.ended:
            return None
        block = self.kept_rows(rows) if self.kept is not None else self._fresh_rows(rows)
        if block is not None:
            self.delivered += block.length
        self.ended = block is None
        return block

    def kept_rows(self, rows: int) -> Block | None:
        """Return up to so many elements of what is kept, None at the end."""
        assert self.kept is not None
        block = self.rest if self.rest is not None else self.kept.next()
        if block is None:
            return None
        self.rest = block.slice(rows) if block.length > rows else None
        return block.slice(0, rows)

    def _fresh_rows(self, rows: int) -> Block | None:
        block = self._read(rows)
        if block is not None:
            if self.keeping is None:
                self.keeping = self.new_keeping()
            self.keeping.write(block)
        if block is None or self.delivered + block.length == self.node.infer_cardinality():
            self._complete()
        return block if block is None else self.delivered_part(block)

    def _read(self, rows: int) -> Block | None:
        while True:
            try:
                return self.input.read(rows)
            except DataflowError as error:
                if self.errors_pass:
                    self.failed += 1
                    raise
                _log.debug("raised in the pass that was kept: %s", error)

    def _complete(self) -> None:
        if self.completed:
            return
        self.completed = True
        if self.keeping is None:  # the pass was empty
            self.keeping = self.new_keeping()
        self.keeping.finish()
        self.keeping = None

    def release(self) -> None:
        """Drop what an unfinished pass has kept."""
        if self.kept is not None:
            self.kept.close()
        if self.keeping is not None:
            self.keeping.discard()
        if self.keeping is not None and self.context.profiler is None:
            _log.warning(
                "%s: the pass ended after %d elements, before the end of the input, so nothing was kept; "
                "put take() before %s() rather than behind it (%s)",
                self.verb,
                self.delivered,
                self.verb,
                self.node.stage,
            )
        self.kept = self.keeping = None

    def own_state(self) -> State:
        """How many elements of this pass were delivered, and how many errors came between them."""
        return {"delivered": self.delivered, "failed": self.failed, "errors_pass": self.errors_pass}

    def input_states(self) -> list[State | None]:
        """Where the filling pass began."""
        return [self.origin]
