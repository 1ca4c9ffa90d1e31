"""A folder of 100,000 shards, at a server that only lists."""

import http.server
import threading
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from dataflow import Dataset
from tests.dataflow.storage.conftest import use_s3

SHARDS = 100_000
PAGE = 1000


class Lister(http.server.BaseHTTPRequestHandler):
    """Answers ListObjectsV2."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Return a page of keys."""
        self.asked.append(self.path)
        query = parse_qs(urlsplit(self.path).query)
        first = int(query.get("continuation-token", ["0"])[0])
        last = min(first + PAGE, SHARDS)
        keys = "".join(
            f"<Contents><Key>data/part-{i:06}.csv</Key><Size>9</Size><ETag>x</ETag>"
            "<LastModified>2024-01-01T00:00:00Z</LastModified></Contents>"
            for i in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < SHARDS else ""
        body = (
            f"<ListBucketResult><Name>box</Name><IsTruncated>{str(last < SHARDS).lower()}</IsTruncated>"
            f"<KeyCount>{last - first}</KeyCount>{more}{keys}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def test_a_hundred_thousand_shards_are_one_paged_listing(monkeypatch):
    pytest.importorskip("s3fs")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lister) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        use_s3("http://{}:{}".format(*server.server_address), monkeypatch)
        paths = Dataset.list_files("s3://box/data/part-*.csv", shuffle=False)
        server.shutdown()
    assert paths.cardinality() == SHARDS
    assert next(iter(paths)) == "s3://box/data/part-000000.csv"
    assert len(Lister.asked) == SHARDS // PAGE
