"""Any HTTP server, through fsspec's file system for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from dataflow.storage.stores.store import Stat, Store, check_range, check_tag, pieces


class HttpStore(Store):
    """Objects are held fast by their ETag, or else by the time of their last change."""

    async def stat(self, url: str) -> Stat:
        """Ask for the first byte: also servers that know no HEAD answer, and say whether they know ranges."""
        async with self._get(url, 0, 1) as answer:
            total = answer.headers.get("Content-Range", "").rpartition("/")[2]
            if answer.status == 416:
                return Stat(0, _tag(answer.headers))
            if answer.status == 206 and total.isdigit():
                return Stat(int(total), _tag(answer.headers))
            size = int(answer.headers.get("Content-Length", -1))
            return Stat(size, _tag(answer.headers), ranges=False)

    async def stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Get the range; all of the object if the server knows no ranges."""
        async with self._get(url, start, stop if stat.ranges else None) as answer:
            check_tag(stat, _tag(answer.headers))
            check_range(stat, answer.headers, start)
            if stat.ranges and answer.status != 206:
                raise ConnectionError(f"asked for a range, got status {answer.status}")
            async for piece in pieces(answer):
                yield piece

    @contextlib.asynccontextmanager
    async def _get(self, url: str, start: int, stop: int | None) -> AsyncIterator[Any]:
        session = await self.system.set_session()
        settings = dict(self.system.kwargs)
        headers = {**settings.pop("headers", {}), "Accept-Encoding": "identity"}
        if stop is not None:
            headers["Range"] = f"bytes={start}-{stop - 1}"
        async with session.get(self.system.encode_url(url), headers=headers, **settings) as answer:
            if answer.status != 416 or (start, stop) != (0, 1):
                answer.raise_for_status()
            yield answer


def _tag(headers: Mapping[str, str]) -> str | None:
    return headers.get("ETag") or headers.get("Last-Modified")
