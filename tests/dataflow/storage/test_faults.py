"""Answers that break: the same elements in the same order as from disk, or a clear error at once."""

import os
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import dataflow as df
from dataflow import CsvDataset, ParquetDataset, TextLineDataset
from dataflow.storage import files, remote
from tests.dataflow.storage.conftest import use_s3
from tests.dataflow.storage.faulty_proxy import KINDS, FaultyProxy

ROWS = 60_000
FAULTS = 200


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Folder with the files."""
    folder = tmp_path_factory.mktemp("local")
    random = np.random.default_rng(1)
    table = pa.table({"x": random.normal(size=ROWS), "y": random.integers(0, 1 << 40, ROWS)})
    pq.write_table(table, folder / "rows.parquet", row_group_size=20_000, compression="none")
    pa.csv.write_csv(table, folder / "rows.csv", pa.csv.WriteOptions(include_header=False))
    return folder


@pytest.fixture
def patient(monkeypatch):
    """Many requests, many tries, no waits."""
    monkeypatch.setenv("DATAFLOW_REQUEST_BYTES", "16384")
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    monkeypatch.setenv("DATAFLOW_ATTEMPTS", "60")
    monkeypatch.setenv("DATAFLOW_REQUEST_TIMEOUT", "0.5")


PIPELINES = {
    "lines": lambda folder: TextLineDataset(f"{folder}/rows.csv").batch(1000),
    "csv": lambda folder: CsvDataset(f"{folder}/rows.csv", [0.0, np.int64(0)]).batch(1000),
    "parquet": lambda folder: ParquetDataset(f"{folder}/rows.parquet").batch(1000),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_two_hundred_faults_change_nothing(kind, s3, moto, local, patient, monkeypatch):
    for file in local.iterdir():
        with files.atomic_writer(f"{s3}/{file.name}") as target:
            target.write(file.read_bytes())
    with FaultyProxy(moto, 0.7, FAULTS) as proxy:
        use_s3(proxy.url, monkeypatch)
        batches = list(PIPELINES[kind](s3))
    expected = list(PIPELINES[kind](local))
    assert proxy.faults.total() == FAULTS
    assert set(proxy.faults) == set(KINDS)
    assert len(batches) == ROWS // 1000
    for batch, other in zip(batches, expected, strict=True):
        np.testing.assert_equal(batch, other)


def test_a_storage_that_never_answers_is_given_up(s3, moto, monkeypatch):
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    monkeypatch.setenv("DATAFLOW_ATTEMPTS", "4")
    with files.atomic_writer(f"{s3}/a") as target:
        target.write(b"line\n")
    with FaultyProxy(moto, 1.0) as proxy:
        proxy.kinds = ("503",)
        use_s3(proxy.url, monkeypatch)
        with pytest.raises(df.UnavailableError, match=r"s3://box/a cannot be reached, 4 tries.*SlowDown"):
            list(TextLineDataset(f"{s3}/a"))
    assert proxy.faults.total() == 4


def test_progress_makes_all_tries_available_again(s3, moto, monkeypatch):
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    monkeypatch.setenv("DATAFLOW_ATTEMPTS", "2")
    data = bytes(range(256)) * 4
    with files.atomic_writer(f"{s3}/a") as target:
        target.write(data)
    with FaultyProxy(moto, 1.0, 9) as proxy:  # each answer has half of what is left
        proxy.kinds = ("truncated", "short", "reset in the body")
        use_s3(proxy.url, monkeypatch)
        assert files.read_bytes(f"{s3}/a") == data
    assert proxy.faults.total() == 9


@pytest.mark.parametrize("attempts", ["1", "5"])
def test_what_no_retry_mends_is_asked_for_once(attempts, s3, moto, monkeypatch):
    monkeypatch.setenv("DATAFLOW_ATTEMPTS", attempts)
    with FaultyProxy(moto, 0) as proxy:
        use_s3(proxy.url, monkeypatch)
        with pytest.raises(df.NotFoundError):
            files.open_binary(f"{s3}/none")
    assert proxy.asked.count("HEAD") == 2  # the object, and the bucket


def test_an_upload_is_tried_again(s3, moto, monkeypatch):
    monkeypatch.setenv("DATAFLOW_RETRY_DELAY", "0")
    with FaultyProxy(moto, 1.0, 2) as proxy:
        proxy.method, proxy.kinds = "PUT", ("503",)
        use_s3(proxy.url, monkeypatch)
        with files.atomic_writer(f"{s3}/a") as target:
            target.write(b"content")
    assert proxy.faults.total() == 2
    assert files.read_bytes(f"{s3}/a") == b"content"


@pytest.mark.parametrize(
    ("store", "variable"),
    [("gcs", "STORAGE_EMULATOR_HOST"), ("azure", "AZURE_STORAGE_CONNECTION_STRING")],
)
def test_faults_at_other_storages(store, variable, request, patient, monkeypatch):
    bucket = request.getfixturevalue(store)
    data = np.random.default_rng(1).bytes(400_000)
    with files.atomic_writer(f"{bucket}/a") as target:
        target.write(data)
    address = re.search(r"http://127.0.0.1:\d+", os.environ[variable])[0]
    with FaultyProxy(address, 0.5, 30) as proxy:
        proxy.kinds = ("reset in the body", "truncated", "stalled", "503")
        monkeypatch.setenv(variable, os.environ[variable].replace(address, proxy.url))
        monkeypatch.setattr(remote, "_systems", {})
        assert files.read_bytes(f"{bucket}/a") == data
    assert proxy.faults.total() > 10
