"""Files of web servers."""

import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflow as df
from dataflow import Dataset, ParquetDataset, TextLineDataset
from dataflow.storage import files
from tests.dataflow.storage import servers


def put(web, name, data):
    (web.folder / name).write_bytes(data)
    return f"{web.url}/{name}"


def test_lines_and_parquet(web):
    url = put(web, "a.txt", b"one\ntwo\n")
    assert list(TextLineDataset(url)) == ["one", "two"]
    pq.write_table(pa.table({"x": range(100)}), web.folder / "a.parquet", row_group_size=10)
    assert sum(row["x"] for row in ParquetDataset(f"{web.url}/a.parquet")) == 4950


def test_a_url_with_a_query_is_no_pattern(web):
    url = put(web, "a.txt", b"one\n") + "?key=[1]"
    assert list(TextLineDataset(list(Dataset.list_files(url)))) == ["one"]


def test_a_server_without_ranges_sends_the_whole_file_once(web):
    web.ranges = False
    pq.write_table(pa.table({"x": range(100)}), web.folder / "a.parquet", row_group_size=10)
    with files.open_binary(f"{web.url}/a.parquet") as file:
        assert pq.read_table(file)["x"].to_pylist() == list(range(100))
    assert [asked for _, asked in web.requests] == ["bytes=0-0", None]


@pytest.mark.parametrize("size", [100_000, 1 << 18])
def test_ranges_are_read_ahead_several_at_a_time(web, size, monkeypatch):
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", str(1 << 18))
    monkeypatch.setenv("DATAFLOW_REQUESTS", "4")
    data = np.random.default_rng(1).bytes(8 << 20)
    url = put(web, "a.bin", data)
    running, most, lock = 0, 0, threading.Lock()
    answer = servers.FileHandler._answer

    def slowly(self, *arguments):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        answer(self, *arguments)
        with lock:
            running -= 1

    monkeypatch.setattr(servers.FileHandler, "_answer", slowly)
    with files.open_binary(url) as file:
        parts = list(iter(lambda: file.read(size), b""))
    assert b"".join(parts) == data
    assert most == 4


def test_reading_a_little_asks_for_little(web):
    url = put(web, "a.bin", bytes(64 << 20))
    with files.open_binary(url) as file:
        file.read(10)
        file.seek(50 << 20)
        file.read(10)
    assert [asked for _, asked in web.requests] == [
        "bytes=0-0",
        f"bytes=0-{(1 << 17) - 1}",
        f"bytes={50 << 20}-{(50 << 20) + (1 << 17) - 1}",
    ]


def test_parquet_asks_only_for_the_columns_in_use(web):
    columns = {f"c{i}": np.random.default_rng(i).normal(size=50_000) for i in range(20)}
    pq.write_table(pa.table(columns), web.folder / "a.parquet", compression="none", use_dictionary=False)
    size = (web.folder / "a.parquet").stat().st_size
    batch = next(iter(ParquetDataset(f"{web.url}/a.parquet", columns=["c3", "c15"]).batch(50_000)))
    np.testing.assert_array_equal(batch["c15"], columns["c15"])
    ranges = [asked.removeprefix("bytes=").split("-") for _, asked in web.requests]
    assert sum(int(stop) - int(start) + 1 for start, stop in ranges) < size / 4


@pytest.mark.parametrize("tags", [True, False])
def test_a_file_that_changes_while_it_is_read(web, tags, monkeypatch):
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", "1000")
    web.tags = tags
    url = put(web, "a.bin", bytes(5000))
    with files.open_binary(url) as file:
        file.read(10)
        put(web, "a.bin", bytes(6000))  # without tags, the size tells
        file.seek(3000)
        with pytest.raises(df.DataLossError, match=r"a.bin changed while it was read"):
            file.read(10)


@pytest.mark.parametrize(("status", "error"), [(403, df.PermissionDeniedError), (410, df.NotFoundError)])
def test_what_the_server_refuses(web, status, error):
    web.refused = status
    with pytest.raises(error, match=f"{web.url}/a"):
        files.open_binary(f"{web.url}/a")
    assert len(web.requests) == 1


def test_a_missing_file(web):
    with pytest.raises(df.NotFoundError, match=f"file not found: {web.url}/none"):
        list(TextLineDataset(f"{web.url}/none"))


def test_there_are_no_listings_and_no_writing(web):
    with pytest.raises(df.InvalidArgumentError, match="HTTP servers have no listings"):
        Dataset.list_files(f"{web.url}/*.csv")
    with (
        pytest.raises(df.InvalidArgumentError, match="HTTP servers take no files"),
        files.atomic_writer(f"{web.url}/a") as file,
    ):
        file.write(b"x")


def test_a_server_that_is_not_there(monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    with pytest.raises(df.UnavailableError, match="cannot be reached, 8 tries"):
        files.open_binary(f"http://127.0.0.1:{servers.free_port()}/a")
