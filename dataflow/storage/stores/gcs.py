"""Google Cloud Storage through gcsfs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from dataflow.storage.stores.store import Stat, Store, check_range, check_tag, pieces


class _AnswerError(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class GcsStore(Store):
    """Objects are held fast by their generation."""

    async def stat(self, url: str) -> Stat:
        """Ask for the metadata of the object."""
        bucket, key, _ = self.system.split_path(url)
        async with self._get(
            f"{self.system.base}b/{quote(bucket, safe='')}/o/{quote(key, safe='')}"
        ) as answer:
            found = await answer.json()
        return Stat(int(found["size"]), found.get("generation") or found.get("etag"))

    async def stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Get the range of that generation."""
        generation = stat.tag if stat.tag is not None and stat.tag.isdigit() else None
        address = self.system.url(url, generation=generation)
        async with self._get(address, {"Range": f"bytes={start}-{stop - 1}"}) as answer:
            check_tag(stat, answer.headers.get("x-goog-generation") if generation else None)
            check_range(stat, answer.headers, start)
            async for piece in pieces(answer):
                yield piece

    async def missing(self, url: str) -> str | None:
        """Ask whether the bucket is there."""
        bucket = self.system.split_path(url)[0]
        try:
            async with self._get(f"{self.system.base}b/{quote(bucket, safe='')}"):
                return None
        except _AnswerError as error:
            return f"the bucket {bucket!r} does not exist" if error.status == 404 else None

    @contextlib.asynccontextmanager
    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Any]:
        session = await self.system._set_session()
        headers = {"Accept-Encoding": "gzip" if headers is None else "identity", **(headers or {})}
        async with session.get(
            address,
            params=self.system._get_params({}),
            headers=self.system._get_headers(headers),
            timeout=self.system.requests_timeout,
        ) as answer:
            if answer.status >= 400:
                raise _AnswerError(answer.status, _reason(await answer.text(errors="replace")))
            yield answer


def _reason(body: str) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200]
