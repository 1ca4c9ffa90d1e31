"""Storages on loopback, each started when a test first asks for it."""

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, seconds: float = 60) -> None:
    """Wait until somebody listens at a port."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline, f"nothing answers at port {port}"
        time.sleep(0.05)


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run moto's S3 server and yield its address."""
    pytest.importorskip("s3fs")
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """Run a server in a process of its own."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.terminate()


def azurite() -> list[str]:
    """Return the command of the Azure emulator, or skip."""
    found = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if found is None:
        pytest.skip("npm install -g azurite, or name its azurite-blob in AZURITE")
    return [found]


class FileHandler(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder, by ranges unless the server says otherwise, and writes down who asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a file or a part of it."""
        server = self.server
        assert isinstance(server, FileServer)
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        file = server.folder / self.path.partition("?")[0].lstrip("/")
        if server.refused:
            return self._answer(server.refused, b"")
        if not file.is_file():
            return self._answer(404, b"")
        data = file.read_bytes()
        headers = {"ETag": f'"{file.stat().st_mtime_ns}"'} if server.tags else {}
        if asked is None or not server.ranges:
            return self._answer(200, data, headers)
        start, stop = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        part = data[start : stop + 1]
        if not part:
            return self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
        return self._answer(206, part, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class FileServer(http.server.ThreadingHTTPServer):
    """An HTTP server over a folder."""

    daemon_threads = True
    ranges = True
    tags = True
    refused = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.folder = folder
        self.requests: list[tuple[str, str | None]] = []
        self.url = "http://{}:{}".format(*self.server_address)

    def __enter__(self) -> "FileServer":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
