"""`within`: a time limit that costs nothing where nothing is waited for."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Wait for something, but no longer than some seconds.

    What is there already is returned at once, without a timer, which would cost more than a small request.

    Raises:
        TimeoutError: It takes longer.

    >>> asyncio.run(within(1.0, asyncio.sleep(0, "there")))
    'there'
    """
    steps = awaitable.__await__()
    try:
        waited_for = next(steps)
    except StopIteration as end:
        found: T = end.value
        return found
    async with asyncio.timeout(seconds):
        return await _rest(steps, waited_for)


@types.coroutine
def _rest(steps: Generator[Any, Any, T], waited_for: Any) -> Generator[Any, Any, T]:
    """Go on with what has been begun: hand on what it waits for, and what comes of that."""
    while True:
        try:
            try:
                sent = yield waited_for
            except BaseException as error:
                waited_for = steps.throw(error)
            else:
                waited_for = steps.send(sent)
        except StopIteration as end:
            found: T = end.value
            return found
