"""The same program at every storage, unchanged but for the URL."""

import gzip
import multiprocessing
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflow as df
from dataflow import CsvDataset, Dataset, ParquetDataset, TextLineDataset
from dataflow.storage import files, listing, remote

TEXT = b"".join(b"%d,%d\n" % (i, i * i) for i in range(3000))
TABLE = pa.table({"x": np.arange(3000), "name": [f"n{i % 7}" for i in range(3000)]})


@pytest.fixture(params=["s3", "gcs", "azure"])
def bucket(request):
    return request.getfixturevalue(request.param)


def put(url, data):
    with files.atomic_writer(url) as file:
        file.write(data)
    return url


def put_table(url):
    with files.atomic_writer(url) as file:
        pq.write_table(TABLE, file, row_group_size=1000)
    return url


def test_lines_csv_and_parquet_are_read_as_from_disk(bucket):
    for name in ("rows-0.csv", "rows-1.csv"):
        put(f"{bucket}/data/{name}", TEXT)
    put_table(f"{bucket}/data/rows.parquet")
    paths = list(Dataset.list_files(f"{bucket}/data/rows-*.csv", shuffle=False))
    assert paths == [f"{bucket}/data/rows-0.csv", f"{bucket}/data/rows-1.csv"]
    assert list(TextLineDataset(paths))[2998:3002] == ["2998,8988004", "2999,8994001", "0,0", "1,1"]
    assert sum(int(x) for x, _ in CsvDataset(paths, [0, 0])) == 2 * sum(range(3000))
    rows = list(ParquetDataset(f"{bucket}/data/rows.parquet").skip(1500).take(2))
    assert [(row["x"], row["name"]) for row in rows] == [(1500, "n2"), (1501, "n3")]


def test_save_load_and_cache(bucket):
    Dataset.range(100).save(f"{bucket}/saved")
    assert [int(x) for x in Dataset.load(f"{bucket}/saved")] == list(range(100))
    kept = Dataset.range(10).cache(f"{bucket}/kept")
    assert [list(map(int, kept)), list(map(int, kept))] == [list(range(10))] * 2


def test_a_missing_object_and_a_missing_bucket_are_told_apart(bucket):
    with pytest.raises(df.NotFoundError, match=f"file not found: {bucket}/none"):
        list(TextLineDataset(f"{bucket}/none"))
    with pytest.raises(df.NotFoundError, match=f"{bucket} is not a file"):
        list(TextLineDataset(bucket))
    elsewhere = bucket.replace("box", "nowhere")
    with pytest.raises(df.NotFoundError, match="'nowhere' does not exist"):
        list(TextLineDataset(f"{elsewhere}/none"))
    with pytest.raises(df.NotFoundError, match="nowhere"):
        Dataset.list_files(f"{elsewhere}/*.csv")
    with pytest.raises(df.NotFoundError, match="nowhere"):
        put(f"{elsewhere}/a", b"x")


def test_an_object_that_changes_while_it_is_read(bucket, monkeypatch):
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", "4096")
    put(f"{bucket}/a", TEXT)
    with files.open_binary(f"{bucket}/a") as file:
        assert file.read(100) == TEXT[:100]
        put(f"{bucket}/a", TEXT + b"more")
        file.seek(20_000)
        with pytest.raises(df.DataLossError, match=f"{bucket}/a changed while it was read"):
            file.read(10)


def test_an_object_that_goes_while_it_is_read(bucket):
    put(f"{bucket}/a", TEXT)
    with files.open_binary(f"{bucket}/a") as file:
        files.remove(f"{bucket}/a")
        with pytest.raises(df.NotFoundError, match="removed while it was read"):
            file.read(10)


def test_a_write_that_fails_leaves_the_old_object(bucket):
    put(f"{bucket}/a", b"old")
    with pytest.raises(TypeError), files.atomic_writer(f"{bucket}/a") as file:
        file.writelines([bytes(20 << 20), None])
    assert files.read_bytes(f"{bucket}/a") == b"old"
    with pytest.raises(KeyError), files.atomic_writer(f"{bucket}/new"):
        raise KeyError
    assert files.list_directory(bucket) == ["a"]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_large_object_is_written_in_parts(bucket):
    data = np.arange(5 << 20, dtype=np.int32).tobytes()
    put(f"{bucket}/large", data)
    assert files.read_bytes(f"{bucket}/large") == data


def test_an_empty_object(bucket):
    put(f"{bucket}/empty", b"")
    assert files.read_bytes(f"{bucket}/empty") == b""
    assert list(TextLineDataset(f"{bucket}/empty")) == []


def test_patterns_match_as_local_ones_do(bucket, tmp_path):
    names = ["a/1.csv", "a/2.csv", "a/.hidden.csv", "a/b/3.csv", "c/4.csv", "c/[5].csv"]
    for name in names:
        put(f"{bucket}/{name}", b"x")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for pattern in (
        "a/*.csv",
        "*/*.csv",
        "a/1.csv",
        "a/?.csv",
        "a/.*",
        "*/b/*",
        "c/[[]5].csv",
        "*",
        "a/none",
    ):
        found = {path.removeprefix(f"{bucket}/") for path in files.list_matches(f"{bucket}/{pattern}")}
        local = files.list_matches(str(tmp_path / pattern))
        assert found == {path.removeprefix(f"{tmp_path}/") for path in local}, pattern


def test_one_file_system_for_all_threads(s3):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(remote.file_system(f"{s3}/a")[0])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def _read_in_child(file, url, results):
    results.put((file.read(5), files.read_bytes(url)[:5]))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_a_file_system_of_its_own(s3):
    url = put(f"{s3}/a", TEXT)
    with files.open_binary(url) as file:
        assert file.read(4) == TEXT[:4]
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()
        child = context.Process(target=_read_in_child, args=(file, url, results))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert results.get() == (TEXT[4:9], TEXT[:5])
        assert file.read(5) == TEXT[4:9]


def test_a_listing_is_paged_and_asks_for_no_single_file(s3, monkeypatch):
    for i in range(30):
        put(f"{s3}/shards/part-{i:03}", b"x")
    system, _ = remote.file_system(s3)
    calls = []
    original = type(system)._call_s3
    monkeypatch.setattr(type(system), "_call_s3", lambda *a, **k: calls.append(a[1]) or original(*a, **k))
    assert len(listing.list_matches(f"{s3}/shards/part-0*")) == 30
    assert calls == ["list_objects_v2"]


def test_a_wrong_key(s3, moto, monkeypatch):
    import requests

    put(f"{s3}/a", b"x")
    monkeypatch.setattr(remote, "_systems", {})
    requests.post(f"{moto}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        with pytest.raises(df.PermissionDeniedError, match="no access to s3://box/a") as caught:
            files.read_bytes(f"{s3}/a")
        assert isinstance(caught.value, PermissionError)
    finally:
        requests.post(f"{moto}/moto-api/reset-auth", data=b"inf", timeout=10)


def test_a_parquet_object_that_changes_while_it_is_read(s3, monkeypatch):
    monkeypatch.setenv("DATAFLOW_READ_AHEAD_BYTES", "1000")
    table = pa.table({"x": np.random.default_rng(1).normal(size=400_000)})
    with files.atomic_writer(f"{s3}/a.parquet") as file:
        pq.write_table(table, file, row_group_size=40_000)
    rows = iter(ParquetDataset(f"{s3}/a.parquet").with_options(df.Options(threads=0)))
    next(rows)
    put_table(f"{s3}/a.parquet")
    with pytest.raises(df.DataLossError, match=r"a\.parquet changed while it was read"):
        list(rows)


def test_a_compressed_object_of_a_storage_that_fails_is_not_called_corrupt(web, monkeypatch):
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", "1000")
    lines = b"".join(b"%d\n" % i for i in np.random.default_rng(1).integers(0, 1 << 60, 100_000))
    (web.folder / "a.txt.gz").write_bytes(gzip.compress(lines))
    rows = iter(TextLineDataset(f"{web.url}/a.txt.gz").with_options(df.Options(threads=0)))
    next(rows)
    web.refused = 503
    with pytest.raises(df.UnavailableError, match=r"a\.txt\.gz cannot be reached, 8 tries.*503"):
        list(rows)
