"""Buckets at servers on loopback; a test of a server that is not installed is skipped."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataflow.storage import servers

AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """Address of moto's S3 server, which keeps the bucket ``box``."""
    with servers.moto() as address:
        yield address


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty bucket that s3fs finds by its environment."""
    use_s3(moto, monkeypatch)
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if system.exists("box"):
        system.rm("box", recursive=True)
    system.mkdir("box")
    return "s3://box"


def use_s3(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 be at an address; each has file systems of its own."""
    from dataflow.storage import remote

    monkeypatch.setattr(remote, "_systems", {})
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # what is tested are our own tries


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of an empty bucket at the GCS emulator."""
    pytest.importorskip("gcp_storage_emulator")
    gcsfs = pytest.importorskip("gcsfs")
    from dataflow.storage import remote

    port = servers.free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--port", str(port), "-q", "-M"]
    with servers.running([*command, "-H", "127.0.0.1"], port):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        monkeypatch.setattr(remote, "_systems", {})
        gcsfs.GCSFileSystem(project="test", token="anon").mkdir("box")
        yield "gs://box"


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of an empty container at azurite."""
    adlfs = pytest.importorskip("adlfs")
    from dataflow.storage import remote

    port = servers.free_port()
    command = [*servers.azurite(), "--blobPort", str(port), "--location", str(tmp_path / "azurite")]
    with servers.running([*command, "--silent", "--skipApiVersionCheck"], port):
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
            f"AccountKey={AZURE_KEY};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;",
        )
        monkeypatch.setattr(remote, "_systems", {})
        adlfs.AzureBlobFileSystem(
            connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"], skip_instance_cache=True
        ).mkdir("box")
        yield "az://box"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.FileServer]:
    """Run an HTTP server over a folder."""
    pytest.importorskip("aiohttp")
    (tmp_path / "web").mkdir()
    with servers.FileServer(tmp_path / "web") as server:
        yield server
