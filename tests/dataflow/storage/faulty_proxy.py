"""A proxy before a storage that breaks answers, by a seeded plan."""

import http.client
import http.server
import random
import socket
import struct
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

KINDS = ("reset at once", "reset in the body", "503", "truncated", "short", "stalled", "other tag")
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"
TAGS = ("etag", "x-goog-generation")


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands a request on, and its answer back: whole, or broken."""

    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        """Answer any method."""
        proxy = self.server
        assert isinstance(proxy, FaultyProxy)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy.asked.append(self.command)
        fitting = self.command == proxy.method and (self._is_ranged() or proxy.method != "GET")
        kind = proxy.draw() if fitting else None
        if kind == "reset at once":
            return self._reset()
        if kind == "503":
            return self._send(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data, headers = answer.read(), dict(answer.getheaders())
        upstream.close()
        if self.command == "HEAD" or answer.status not in (200, 206):
            kind = None
        return self._send(answer.status, headers, data, kind)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

    def _is_ranged(self) -> bool:
        return "Range" in self.headers or "x-ms-range" in self.headers

    def _send(self, status: int, headers: dict[str, str], data: bytes, kind: str | None = None) -> None:
        half = len(data) // 2
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() in TAGS and kind == "other tag":
                value = '"0123456789abcdef0123456789abcdef"'
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        said = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
        length = said if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", str(half) if kind == "short" else length)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(
            data[:half] if kind in ("reset in the body", "truncated", "short", "stalled") else data
        )
        if kind == "reset in the body":
            self._reset()
        elif kind == "stalled":
            self.wfile.flush()
            time.sleep(self.server.stall)  # type: ignore[attr-defined]
        if kind in ("truncated", "stalled"):
            self.close_connection = True

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        """End, also where the connection was cut."""
        try:
            super().finish()
        except (OSError, ValueError):
            self.rfile.close()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Breaks ranged reads.

    Args:
        address: Of the storage.
        rate: How likely an answer is broken.
        most: How many are broken in all.
        stall: Seconds that a stalled answer takes.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str, rate: float = 0.6, most: int = 1 << 30, stall: float = 2.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(address).netloc
        self.url = "http://{}:{}".format(*self.server_address)
        self.rate, self.most, self.stall = rate, most, stall
        self.kinds: tuple[str, ...] = KINDS
        self.method = "GET"
        self.asked: list[str] = []
        self.faults: Counter[str] = Counter()
        self._random = random.Random(5)
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        """Return how the next answer is broken."""
        with self._lock:
            if self.faults.total() >= self.most or self._random.random() >= self.rate:
                return None
            kind = self._random.choice(self.kinds)
            self.faults[kind] += 1
            return kind

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the game."""

    def __enter__(self) -> "FaultyProxy":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
