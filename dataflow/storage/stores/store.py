"""What a storage that is read by ranges must do."""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from dataflow.storage.faults import ChangedError

PIECE = 1 << 18
"""Bytes that are taken from a response at a time."""


@dataclasses.dataclass(frozen=True)
class Stat:
    """What is known of an object when it is opened.

    Args:
        size: Its bytes; -1 if the server does not say.
        tag: Changes with the content; None if the server has none.
        ranges: Whether parts of it can be asked for.
    """

    size: int
    tag: str | None
    ranges: bool = True


class Store(abc.ABC):
    """Asks a storage; errors are those of its library. Runs on the event loop of fsspec.

    Args:
        system: The fsspec file system, which has the credentials and the connections.
    """

    def __init__(self, system: Any) -> None:
        self.system = system

    @abc.abstractmethod
    async def stat(self, url: str) -> Stat:
        """Return what is known of an object, with one request."""

    @abc.abstractmethod
    def stream(self, url: str, stat: Stat, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a range; there may be fewer, or more, if the server fails.

        Raises:
            ChangedError: The response belongs to another version than `stat`.
        """

    async def missing(self, url: str) -> str | None:
        """Return what it is that is missing where it is not the object itself."""
        return None


def check_tag(stat: Stat, tag: str | None) -> None:
    """Raise `ChangedError` if a response has another tag."""
    if stat.tag is not None and tag is not None and tag != stat.tag:
        raise ChangedError(f"it was {stat.tag}, and is {tag}")


def check_range(stat: Stat, headers: Mapping[str, str], start: int) -> None:
    """Raise `ChangedError` if a response says that the object has another size.

    Raises:
        ConnectionError: The response is another range than the one asked for.
    """
    said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    if said is None:
        return
    if said[2] not in ("*", str(stat.size)):
        raise ChangedError(f"it had {stat.size} bytes, and has {said[2]}")
    if int(said[1]) != start:
        raise ConnectionError(f"asked for byte {start}, got byte {said[1]}")


async def pieces(response: Any) -> AsyncGenerator[bytes, None]:
    """Yield the body of an aiohttp response."""
    async for piece in response.content.iter_chunked(PIECE):
        yield piece
