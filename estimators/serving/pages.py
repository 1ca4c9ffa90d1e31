"""All that is there to be read: status, metadata, health, metrics, description, and the page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from estimators.serving import documents, page
from estimators.serving.errors import RequestError
from estimators.serving.openapi import description

if TYPE_CHECKING:
    from estimators.serving.application import Application

_MODEL = re.compile(
    r"(?i:/v1/models/)([^/:]+)(?:(?i:/versions/)(\d{1,19})|(?i:/labels/)([^/:]+))?(?i:/(metadata))?"
)
_ASKING = re.compile(r"(?i:/v1/models/)[^:]+:(?i:predict|classify|regress)")
_HEADERS = {"x-content-type-options": "nosniff"}


def error_body(message: str) -> bytes:
    """Return the body of an error.

    >>> error_body("no")
    b'{"error":"no"}'
    """
    return json.dumps({"error": message}, separators=(",", ":")).encode()


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(error_body(message), status, {**_HEADERS, **(headers or {})}, "application/json")


def routes(application: Application) -> list[Route]:
    """Return the routes of an application."""

    async def models(request: Request) -> Response:
        raw = request.scope.get("raw_path")
        path = raw.decode("ascii", "replace") if raw else request.url.path
        if _ASKING.fullmatch(path):
            return _error(405, f"Malformed request: {request.method} {path}: use POST", {"allow": "POST"})
        asked = _MODEL.fullmatch(path)
        if asked is None:
            return _error(400, f"Malformed request: {request.method} {path}")
        if request.method not in ("GET", "HEAD"):
            return _error(405, f"Malformed request: {request.method} {path}: use GET", {"allow": "GET, HEAD"})
        try:
            return JSONResponse(_document(application, asked), headers=_HEADERS)
        except RequestError as error:
            return _error(error.status, error.message)

    async def health(request: Request) -> Response:
        versions = [str(number) for number in application.versions.loaded]
        return JSONResponse({"status": "ok", "versions": versions}, headers=_HEADERS)

    async def metrics(request: Request) -> Response:
        loaded = application.versions.loaded
        gauges = {
            "serving_requests_under_way": application.under_way,
            "serving_model_version": application.versions.newest().number,
        }
        text = application.metrics.text({number: served.since for number, served in loaded.items()}, gauges)
        return Response(text, media_type="text/plain; version=0.0.4", headers=_HEADERS)

    async def openapi(request: Request) -> Response:
        served = application.versions.newest()
        found = description(application.settings.name, served.number, served.model.signatures)
        return JSONResponse(found, headers=_HEADERS)

    async def front(request: Request) -> Response:
        served = application.versions.newest()
        text = page.html(application.settings.name, served.number, served.model.signatures)
        return Response(text, media_type="text/html", headers={**_HEADERS, **page.HEADERS})

    async def script(request: Request) -> Response:
        return Response(page.SCRIPT, media_type="text/javascript", headers=_HEADERS)

    async def style(request: Request) -> Response:
        return Response(page.STYLE, media_type="text/css", headers=_HEADERS)

    async def nothing(request: Request) -> Response:
        path = request.url.path[:200]
        if any(isinstance(r, Route) and r.path == path for r in application.routes):
            return _error(405, f"Malformed request: {request.method} {path}: use GET", {"allow": "GET, HEAD"})
        return _error(404, f"there is nothing at {path}; see / and /openapi.json")

    read = {
        "/": front, "/page.js": script, "/page.css": style, "/healthz": health, "/v1/health": health,
        "/metrics": metrics, "/openapi.json": openapi,
    }  # fmt: skip
    return [
        *(Route(path, endpoint, methods=["GET"]) for path, endpoint in read.items()),
        Route("/v1/models/{rest:path}", _Any(models)),
        Route("/{rest:path}", _Any(nothing)),
    ]


class _Any:
    """An endpoint for all methods.

    Args:
        endpoint: Answers a request.
    """

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)


def _document(application: Application, asked: re.Match[str]) -> dict[str, Any]:
    name, number, label, more = asked.groups()
    if unquote(name) != application.settings.name:
        what = "Servable not found for request: Latest" if more else "Could not find any versions of model "
        raise RequestError(404, f"{what}({unquote(name)})" if more else f"{what}{unquote(name)}")
    versions = application.versions
    if more or label:
        served = versions.get(int(number) if number else None, unquote(label) if label else None)
        if more:
            return documents.metadata(application.settings.name, served.number, served.model.signatures)
        number = str(served.number)
    states = [state for state in versions.states() if not number or state[0] == int(number)]
    if not states:
        raise RequestError(404, f"Could not find version {number} of model {application.settings.name}")
    return documents.status(states)
