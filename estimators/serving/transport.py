"""`Protocol`: that of uvicorn, with head and body of an answer in one write."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class JoiningTransport:
    """A transport that holds what is written until more comes, or the turn of the event loop ends.

    uvicorn writes the head of an answer, and then its body. Each write is a system call and wakes the client,
    which for a small request takes longer than all that is computed.

    Args:
        transport: That of the connection.
        loop: Its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        """Return what the transport has beside `write` and `close`."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold some bytes; if some are held already, write all of them."""
        if self._held:
            data, self._held = self._held + data, b""
            self._transport.write(data)
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Write what is held, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            self._transport.write(data)


class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP over a `JoiningTransport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin with a connection."""
        super().connection_made(JoiningTransport(transport, asyncio.get_running_loop()))
