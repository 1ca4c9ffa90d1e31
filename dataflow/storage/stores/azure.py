"""Azure Blob Storage and Data Lake through adlfs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from dataflow.storage.stores.store import Stat, Store


class AzureStore(Store):
    """Objects are held fast by their ETag."""

    async def stat(self, url: str) -> Stat:
        """Ask for the properties of the blob."""
        async with self._blob(url) as blob:
            found = await blob.get_blob_properties(**self._version(url))
        return Stat(found.size, found.etag)

    async def stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Get the range, if the ETag is still the same."""
        from azure.core import MatchConditions

        condition = {"etag": stat.tag, "match_condition": MatchConditions.IfNotModified}
        async with self._blob(url) as blob:
            answer = await blob.download_blob(
                offset=start, length=stop - start, max_concurrency=1, **condition, **self._version(url)
            )
            async for piece in answer.chunks():
                yield piece

    async def missing(self, url: str) -> str | None:
        """Ask whether the container is there."""
        container = self.system.split_path(url)[0]
        async with self.system.service_client.get_container_client(container) as client:
            return None if await client.exists() else f"the container {container!r} does not exist"

    def _blob(self, url: str) -> Any:
        container, name, _ = self.system.split_path(url)
        return self.system.service_client.get_blob_client(container=container, blob=name)

    def _version(self, url: str) -> dict[str, Any]:
        version = self.system.split_path(url)[2]
        return {} if version is None else {"version_id": version}
