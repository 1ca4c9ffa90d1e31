"""The local cache of what was read from remote storages."""

import multiprocessing
import os

import numpy as np
import pytest

from dataflow import ParquetDataset, TextLineDataset
from dataflow.storage import files
from dataflow.storage.disk_cache import DiskCache

LINES = b"".join(b"line %d\n" % i for i in range(5000))


@pytest.fixture
def cached(web, tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_DISK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", "10000")
    (web.folder / "a.txt").write_bytes(LINES)
    return web


def bytes_asked(web):
    """Return the bytes that were asked for since the last call, but for those of opening."""
    asked = [r.removeprefix("bytes=").split("-") for _, r in web.requests if r != "bytes=0-0"]
    web.requests.clear()
    return sum(int(stop) - int(start) + 1 for start, stop in asked)


def test_the_second_reading_asks_for_nothing(cached):
    first = list(TextLineDataset(f"{cached.url}/a.txt"))
    assert bytes_asked(cached) == len(LINES)
    assert list(TextLineDataset(f"{cached.url}/a.txt")) == first
    assert bytes_asked(cached) == 0


def test_reading_from_elsewhere_finds_the_same_pieces(cached):
    list(TextLineDataset(f"{cached.url}/a.txt"))
    bytes_asked(cached)
    with files.open_binary(f"{cached.url}/a.txt") as file:
        file.seek(23_456)
        assert file.read(20_000) == LINES[23_456:43_456]
    assert bytes_asked(cached) == 0


def test_a_changed_file_is_read_again(cached):
    list(TextLineDataset(f"{cached.url}/a.txt"))
    (cached.folder / "a.txt").write_bytes(b"other\n")
    assert list(TextLineDataset(f"{cached.url}/a.txt")) == ["other"]


def test_a_file_without_a_tag_is_not_kept(cached, tmp_path):
    cached.tags = False
    list(TextLineDataset(f"{cached.url}/a.txt"))
    assert not (tmp_path / "cache").exists()


def test_damaged_pieces_are_read_again(cached, tmp_path):
    list(TextLineDataset(f"{cached.url}/a.txt"))
    bytes_asked(cached)
    for i, piece in enumerate(sorted((tmp_path / "cache").iterdir())):
        data = bytearray(piece.read_bytes())
        if i % 2:
            data[len(data) // 2] ^= 1
        piece.write_bytes(data if i % 2 else data[:-1])
    assert files.read_bytes(f"{cached.url}/a.txt") == LINES
    assert bytes_asked(cached) == len(LINES)


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = DiskCache(str(tmp_path), 10_000)
    for number in range(20):
        cache.put((str(number),), memoryview(bytes([number]) * 1000))
        os.utime(tmp_path / os.listdir(tmp_path)[0])
        if number > 0 and cache.get(("0",), 1000) is None:
            raise AssertionError("what is used stays")
        for name in os.listdir(tmp_path):  # one second older with each step
            status = os.stat(tmp_path / name)
            os.utime(tmp_path / name, ns=(status.st_atime_ns, status.st_mtime_ns - 10**9))
    assert sum(entry.stat().st_size for entry in os.scandir(tmp_path)) <= 10_000
    assert cache.get(("19",), 1000) == bytes([19]) * 1000
    assert cache.get(("1",), 1000) is None


def _fill(directory, first):
    cache = DiskCache(directory, 200_000)
    for number in range(first, first + 300):
        cache.put((str(number % 97),), memoryview(bytes([number % 97]) * 5000))
        found = cache.get((str(number % 97),), 5000)
        assert found is None or found == bytes([number % 97]) * 5000


def test_processes_share_a_cache(tmp_path):
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_fill, args=(str(tmp_path), 50 * i)) for i in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    names = os.listdir(tmp_path)
    assert all(name.endswith(".piece") for name in names)
    assert sum(os.stat(tmp_path / name).st_size for name in names) <= 250_000


def test_a_cache_that_cannot_be_written_warns_and_reads_on(cached, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("DATAFLOW_DISK_CACHE", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="the disk cache cannot be written"):
        assert files.read_bytes(f"{cached.url}/a.txt") == LINES


def test_parquet_is_kept_too(cached):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": np.arange(10_000)}), cached.folder / "a.parquet", row_group_size=1000)
    for epoch in range(2):
        assert sum(int(row["x"]) for row in ParquetDataset(f"{cached.url}/a.parquet")) == 49_995_000
        assert (bytes_asked(cached) > 0) == (epoch == 0)
