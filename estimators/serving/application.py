"""`Application`: the server as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette

from estimators.serving.errors import CLOSE, RequestError
from estimators.serving.metrics import Metrics
from estimators.serving.pages import error_body, routes
from estimators.serving.requests import parse
from estimators.serving.responses import response
from estimators.serving.settings import Settings
from estimators.serving.versions import Versions
from estimators.serving.waiting import within

_logger = logging.getLogger("estimators.serving")
_VERB = re.compile(
    r"(?i:/v1/models/)([^/:]+)(?:(?i:/versions/)(\d+)|(?i:/labels/)([^/:]+))?:(?i:(predict|classify|regress))"
)
_JSON = (b"content-type", b"application/json")
_SAFE = (b"x-content-type-options", b"nosniff")
LARGE_BODY = 1 << 18
"""Bodies of so many bytes are read as JSON in another thread."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application(Starlette):
    """A server of one model; make it with `estimators.serving.app`.

    What asks the model is answered here, without the router; the rest are routes of `pages`.

    Args:
        path: The directory of versions, or one version.
        settings: Names and limits.

    Attributes:
        versions: What is served.
        metrics: What was counted.
    """

    def __init__(self, path: str, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.name)
        self.versions = Versions(path, settings, self.metrics.ran, self.metrics.loaded)
        self.under_way = 0
        """How many requests to the model are being answered."""
        super().__init__(routes=routes(self), lifespan=_lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            raw = scope.get("raw_path")
            asked = _VERB.fullmatch(raw.decode("ascii", "replace") if raw else scope["path"])
            if asked:
                await self._ask(scope, receive, send, asked)
                return
        await super().__call__(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send, asked: re.Match[str]) -> None:
        started = time.perf_counter()
        name, number, label, verb = asked.groups()
        verb = verb.lower()
        headers: Sequence[tuple[bytes, bytes]]
        self.under_way += 1
        try:
            status = 200
            body, headers = await self._answer(scope, receive, name, number, label, verb)
        except TimeoutError:
            status, headers, body = 408, [CLOSE], error_body("the body did not come in time")
        except RequestError as error:
            status, headers, body = error.status, error.headers, error_body(error.message)
        except _Gone:
            return
        except Exception:
            _logger.exception("A request of %s failed.", verb)
            status, headers, body = 500, (), error_body("internal error; the server's log says more")
        finally:
            self.under_way -= 1
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": status, "headers": [_JSON, length, _SAFE, *headers]}
        await send(start)
        await send({"type": "http.response.body", "body": body})
        self.metrics.answered(verb, status, time.perf_counter() - started)

    async def _answer(
        self, scope: Scope, receive: Receive, name: str, number: str | None, label: str | None, verb: str
    ) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Return body and headers of the answer to a request."""
        if self.under_way > self.settings.max_waiting:
            raise RequestError(503, "too many requests wait: try again", [(b"retry-after", b"1"), CLOSE])
        text = await self._body(scope, receive)
        if unquote(name) != self.settings.name:
            raise RequestError(404, f"Servable not found for request: Latest({unquote(name)})")
        if number is not None and len(number) > 19:
            raise RequestError(400, f"Failed to convert version: {number[:40]} to numeric.")
        served = self.versions.get(int(number) if number else None, unquote(label) if label else None)
        if len(text) < LARGE_BODY:
            request = parse(text, verb, served.model.signatures)
        else:
            loop = asyncio.get_running_loop()
            request = await loop.run_in_executor(None, parse, text, verb, served.model.signatures)
        outputs = await served.batchers[request.signature](request.columns)
        return response(outputs, request.form), (served.header,)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a request.

        Raises:
            RequestError: It is too large.
            TimeoutError: It does not come in time.
            _Gone: The client went away.
        """
        most = self.settings.max_body_bytes
        for key, value in scope["headers"]:
            if key == b"content-length" and value.isdigit() and int(value[:20]) > most:
                raise _too_large(most)
        parts: list[bytes] = []
        size = 0
        seconds, began = self.settings.timeout_seconds, 0.0
        while True:
            message = await within(seconds, receive())
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise _too_large(most)
            if not message.get("more_body"):
                return b"".join((*parts, part)) if parts else part
            parts.append(part)
            began = began or time.monotonic()
            seconds = self.settings.timeout_seconds - (time.monotonic() - began)


class _Gone(Exception):
    """The client has closed the connection."""


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"the body is larger than {most} bytes", [CLOSE])


@contextlib.asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    """Look for new versions while the application runs."""
    assert isinstance(application, Application)
    polling = None
    if application.settings.poll_seconds and application.versions.moves:
        polling = asyncio.create_task(_poll(application.versions, application.settings.poll_seconds))
    yield
    if polling is not None:
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling


async def _poll(versions: Versions, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        try:
            await loop.run_in_executor(None, versions.refresh)
        except Exception as error:  # such as a storage that cannot be reached for a while
            _logger.warning("Could not look for new versions: %s", error)
