"""File systems that fsspec knows, whatever they are: their own file objects, opened again on failure."""

from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

import dataflow as df
from dataflow import Dataset, TextLineDataset
from dataflow.storage import files

LINES = b"".join(b"line %d\n" % i for i in range(50_000))


class FlakyFile(MemoryFile):
    """Fails at every third read."""

    reads = 0

    def read(self, size=-1):
        FlakyFile.reads += 1
        if FlakyFile.reads % 3 == 0:
            raise ConnectionResetError("gone")
        return super().read(size if size < 0 else min(size, 10_000))


class FlakyFileSystem(MemoryFileSystem):
    """Memory, behind a bad line."""

    protocol = "flaky"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]

    def _open(self, path, mode="rb", **kwargs):
        file = super()._open(path, mode, **kwargs)
        return FlakyFile(self, path, file.getvalue()) if mode == "rb" else file


@pytest.fixture
def flaky(monkeypatch):
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    FlakyFileSystem.store.clear()
    return "flaky://data"


def test_reading_goes_on_at_the_byte(flaky):
    with files.atomic_writer(f"{flaky}/a.txt") as file:
        file.write(LINES)
    assert files.list_matches(f"{flaky}/*.txt") == [f"{flaky}/a.txt"]
    assert files.read_bytes(f"{flaky}/a.txt") == LINES


def test_a_failed_write_leaves_nothing(flaky):
    with pytest.raises(TypeError), files.atomic_writer(f"{flaky}/a.txt") as file:
        file.writelines([LINES, None])
    assert FlakyFileSystem.store == {}


def test_chains_are_read(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("in/x.txt", "one\ntwo\n")
        archive.writestr("in/y.txt", "three\n")
    found = Dataset.list_files(f"zip://in/*.txt::file://{tmp_path}/a.zip", shuffle=False)
    assert list(found.flat_map(TextLineDataset)) == ["one", "two", "three"]


def test_local_urls(tmp_path):
    url = f"file://{tmp_path}/a.txt"
    with files.atomic_writer(url) as file:
        file.write(b"one\n")
    assert list(TextLineDataset(url)) == ["one"]
    assert files.list_matches(f"file://{tmp_path}/*.txt") == [url]
    with pytest.raises(df.NotFoundError, match="none"):
        list(TextLineDataset(f"file://{tmp_path}/none"))
