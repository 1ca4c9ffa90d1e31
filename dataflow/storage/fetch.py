"""Fetching ranges of remote objects: tried again at the byte where a response broke off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import IO, TypeVar

from dataflow.errors import DataLossError, NotFoundError
from dataflow.storage.faults import Fault, TruncatedError, delays, fault_of, given_up, raise_final
from dataflow.storage.settings import Settings
from dataflow.storage.stores import Stat, Store

T = TypeVar("T")


class Fetcher:
    """Asks one storage, with so many requests at a time; its coroutines run on fsspec's event loop.

    Args:
        store: The storage.
        limits: How many requests, and how often they are tried.
    """

    def __init__(self, store: Store, limits: Settings) -> None:
        self._store = store
        self._limits = limits
        self._places = asyncio.Semaphore(limits.requests)

    async def stat(self, url: str) -> Stat:
        """Return what is known of an object.

        Raises:
            NotFoundError, PermissionDeniedError: At once.
            UnavailableError: After the last try.
        """
        try:
            return await self._again(url, lambda: self._timed(self._store.stat(url)))
        except NotFoundError as error:
            what = None
            with contextlib.suppress(Exception):  # a question more, for a better message only
                what = await self._timed(self._store.missing(url))
            if what is None:
                raise
            raise NotFoundError(f"file not found: {url}", hint=what) from error.__cause__

    async def fetch(self, url: str, stat: Stat, start: int, stop: int) -> memoryview:
        """Return the bytes of a range.

        Raises:
            DataLossError: The object is not the one that `stat` describes.
            NotFoundError, PermissionDeniedError: At once.
            UnavailableError: After the last try without a byte.
        """
        data = memoryview(bytearray(stop - start))
        got = 0

        async def go_on() -> None:
            nonlocal got
            async with contextlib.aclosing(self._stream(url, stat, start + got, stop)) as stream:
                async for piece in stream:
                    part = piece[: len(data) - got]
                    data[got : got + len(part)] = part
                    got += len(part)
            if got < len(data):
                raise TruncatedError(f"{len(data) - got} bytes are missing")

        await self._again(url, go_on, lambda: got, stat)
        return data

    async def download(self, url: str, stat: Stat, file: IO[bytes]) -> None:
        """Write a whole object into a local file, from the start at each try: the server knows no ranges."""

        async def whole() -> None:
            file.seek(0)
            file.truncate()
            async with contextlib.aclosing(self._stream(url, stat, 0, stat.size)) as stream:
                async for piece in stream:
                    file.write(piece)
            if file.tell() < stat.size:
                raise TruncatedError(f"{stat.size - file.tell()} bytes are missing")

        await self._again(url, whole, stat=stat)

    async def _stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of one response, none of which is waited for too long."""
        async with self._places, contextlib.aclosing(self._store.stream(url, stat, start, stop)) as stream:
            while True:
                piece = await self._timed(anext(stream, None))
                if piece is None:
                    return
                yield piece

    async def _timed(self, answer: Awaitable[T]) -> T:
        limit = self._limits.request_timeout
        try:
            async with asyncio.timeout(limit):
                return await answer
        except TimeoutError as error:
            raise TimeoutError(str(error) or f"no byte for {limit:g} seconds") from error

    async def _again(
        self,
        url: str,
        attempt: Callable[[], Awaitable[T]],
        progress: Callable[[], int] = lambda: 0,
        stat: Stat | None = None,
    ) -> T:
        """Call `attempt` until it does not fail; progress makes all tries available again."""
        waits, before = delays(url, self._limits), progress()
        while True:
            try:
                return await attempt()
            except Exception as error:
                fault = fault_of(error)
                if stat is not None and fault in (Fault.CHANGED, Fault.MISSING):
                    await self._check_unchanged(url, stat, error)
                elif fault is not Fault.AGAIN:
                    raise_final(url, error, fault)
                    raise
                if progress() > before:
                    waits, before = delays(url, self._limits), progress()
                wait = next(waits, None)
                if wait is None:
                    raise given_up(url, error, self._limits) from error
            await asyncio.sleep(wait)

    async def _check_unchanged(self, url: str, stat: Stat, error: Exception) -> None:
        """Raise the final error unless the object is what it was, and only the response was wrong."""
        try:
            now = await self.stat(url)
        except NotFoundError:
            raise NotFoundError(f"{url} was removed while it was read") from error
        if (now.size, now.tag) != (stat.size, stat.tag):
            raise DataLossError(
                f"{url} changed while it was read, from {stat.size} bytes with tag {stat.tag} "
                f"to {now.size} bytes with tag {now.tag}",
                hint="read it again from its start, and write new data under a new name",
            ) from error
