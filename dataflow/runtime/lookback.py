"""Reading an input again after a resume: for stages that hold elements which they have read."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Iterator

from dataflow.block import Block
from dataflow.errors import DataflowError, StateError
from dataflow.runtime.operator import Cursor, State

_log = logging.getLogger("dataflow")


@dataclasses.dataclass(frozen=True)
class _Mark:
    """A position of the input, and how many elements and errors came before it."""

    read: int
    failed: int
    state: State


class Lookback:
    """Reads an input, and knows from where it has to be read again to see what is still needed.

    So that saved states hold positions, not elements: a stage saves `own_state` and `position`, and
    after a resume it gets the elements from `again`. Elements are numbered as they come, from 0.

    Args:
        cursor: The input, just opened.
        forgetful: Whether `forget` will be called; without, all is needed, and nothing is noted.
    """

    def __init__(self, cursor: Cursor, *, forgetful: bool = True) -> None:
        self._cursor = cursor
        self._forgetful = forgetful
        self._failed = 0
        self.read = 0
        """How many elements have been read."""
        self._marks: deque[_Mark] = deque([_Mark(0, 0, cursor.state())])

    def next(self, rows: int = 1 << 62) -> Block | None:
        """Return between 1 and `rows` elements, or None at the end."""
        mark = _Mark(self.read, self._failed, self._cursor.state()) if self._forgetful else None
        try:
            block = self._cursor.read(rows)
        except DataflowError:
            self._failed += 1
            raise
        if block is not None:
            if mark is not None and mark.read > self._marks[-1].read:
                self._marks.append(mark)
            self.read += block.length
        return block

    def forget(self, before: int) -> None:
        """Say that elements before this number are needed no more."""
        while len(self._marks) > 1 and self._marks[1].read <= before:
            self._marks.popleft()

    @property
    def position(self) -> State:
        """The position of the input from which it is read after a resume."""
        return self._marks[0].state

    def own_state(self) -> State:
        """How much was read; `base` is the number of the first element after a resume.

        `failed` counts the errors that the input raised between there and here.
        """
        base = self._marks[0]
        return {"read": self.read, "failed": self._failed - base.failed, "base": base.read}

    def again(self, own: State) -> Iterator[tuple[int, Block]]:
        """After a resume, yield what was read since `base`, with the number of each first element.

        The errors among them were raised before the position was saved.

        Raises:
            StateError: The input has other elements now.
        """
        read, failed = own["read"], own["failed"]
        self.read = own["base"]
        self._marks = deque([_Mark(self.read, 0, self._cursor.state())])
        while self.read < read or self._failed < failed:
            try:
                block = self.next(max(read - self.read, 1))
            except DataflowError as error:
                if self._failed > failed:
                    raise
                _log.debug("raised before the position was saved: %s", error)
                continue
            if block is None or self.read > read:
                raise StateError(
                    "the input has other elements than when the position was saved: "
                    f"{self.read} instead of {read}",
                    hint="resume on the same data",
                )
            yield self.read - block.length, block
