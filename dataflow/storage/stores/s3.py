"""Amazon S3, and what speaks its language, through s3fs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from dataflow.storage.faults import Fault, fault_of
from dataflow.storage.stores.store import PIECE, Stat, Store, check_range, check_tag


class S3Store(Store):
    """Objects are held fast by their ETag."""

    async def stat(self, url: str) -> Stat:
        """Ask for the head of the object."""
        answer = await self._call("head_object", url)
        return Stat(answer["ContentLength"], answer.get("ETag"))

    async def stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Get the range, if the ETag is still the same."""
        condition = {} if stat.tag is None else {"IfMatch": stat.tag}
        answer = await self._call("get_object", url, Range=f"bytes={start}-{stop - 1}", **condition)
        body = answer["Body"]
        try:
            check_tag(stat, answer.get("ETag"))
            check_range(stat, {"Content-Range": answer.get("ContentRange", "")}, start)
            while piece := await body.read(PIECE):
                yield piece
        finally:
            body.close()

    async def missing(self, url: str) -> str | None:
        """Ask whether the bucket is there."""
        bucket = self.system.split_path(url)[0]
        client = await self.system.get_s3(bucket)
        try:
            await client.head_bucket(Bucket=bucket)
        except Exception as error:
            return f"the bucket {bucket!r} does not exist" if fault_of(error) is Fault.MISSING else None
        return None

    async def _call(self, method: str, url: str, **parameters: Any) -> Any:
        bucket, key, version = self.system.split_path(url)
        await self.system.set_session()
        call = getattr(await self.system.get_s3(bucket), method)
        parameters |= {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        settings = {**self.system.s3_additional_kwargs, **self.system.req_kw, **parameters}
        return await call(**self.system._filter_kwargs(call, settings))
