"""`RequestError`: an answer that is not the one asked for."""

from __future__ import annotations

from collections.abc import Sequence

CLOSE = (b"connection", b"close")


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: Of HTTP.
        message: For the client.
        headers: To send beside it.
    """

    def __init__(self, status: int, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def bad(message: str) -> RequestError:
    """Return the error of a request that makes no sense."""
    return RequestError(400, message)
