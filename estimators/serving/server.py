"""`run`: the application in uvicorn."""

from __future__ import annotations

import gc
import logging

import uvicorn

from estimators.serving.application import Application
from estimators.serving.transport import Protocol

_logger = logging.getLogger("estimators.serving")
KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers mostly keep idle connections, so that these close first."""
GRACE_SECONDS = 30
"""How long requests that are under way are waited for when the server stops."""


class _Server(uvicorn.Server):
    """Says where it listens, which is news if the port was 0."""

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            for place in server.sockets:
                host, port = place.getsockname()[:2]
                _logger.info("Serving at http://%s:%d/", f"[{host}]" if ":" in host else host, port)


def run(application: Application, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM, and then answer what is under way.

    Args:
        application: What to serve.
        host: The address.
        port: 0 for any that is free.
    """
    gc.collect()
    gc.freeze()  # what is there now stays: it need not be looked through again and again
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
        http=Protocol,
    )
    _Server(config).run()
