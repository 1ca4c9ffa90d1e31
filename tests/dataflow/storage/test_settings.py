"""Settings of remote storages, and their packages."""

import os
import sys

import pytest

import dataflow as df
from dataflow.storage import configure, settings
from dataflow.storage.faults import delays
from dataflow.storage.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("DATAFLOW_REQUESTS", "DATAFLOW_DISK_CACHE", "DATAFLOW_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")  # restored at the end
        monkeypatch.delenv(name)


def test_configure_reaches_processes_that_are_started():
    configure(requests=3, disk_cache="/cache")
    assert (settings().requests, settings().disk_cache) == (3, "/cache")
    assert os.environ["DATAFLOW_REQUESTS"] == "3"
    configure(requests=None, disk_cache=None)
    assert settings() == Settings()


def test_wrong_settings():
    with pytest.raises(df.InvalidArgumentError, match="no setting is called 'request'; there are requests"):
        configure(request=3)
    with pytest.raises(df.InvalidArgumentError, match="requests must be at least 1, not 0"):
        configure(requests=0)
    with pytest.raises(df.InvalidArgumentError, match="requests must be int, not '3'"):
        configure(requests="3")
    assert "DATAFLOW_REQUESTS" not in os.environ


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("DATAFLOW_REQUESTS", "many")
    with pytest.raises(df.InvalidArgumentError, match="DATAFLOW_REQUESTS must be int, not 'many'"):
        settings()


def test_waits_double_up_to_the_longest_and_vary():
    limits = Settings(attempts=7, retry_delay=1.0, longest_delay=8.0)
    waits = list(delays("s3://box/a", limits))
    assert len(waits) == 6
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, [1, 2, 4, 8, 8, 8], strict=True))
    assert waits == list(delays("s3://box/a", limits)) != list(delays("s3://box/b", limits))


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("s3://b/a", "s3fs", "s3"), ("gs://b/a", "gcsfs", "gcs"), ("az://b/a", "adlfs", "azure")],
)
def test_a_missing_package_names_its_extra(url, module, extra, monkeypatch):
    import fsspec  # noqa: F401

    from dataflow.storage import remote

    monkeypatch.setattr(remote, "_systems", {})
    known = sys.modules["fsspec.registry"]._registry
    monkeypatch.delitem(known, url.partition(":")[0], raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(df.OptionalDependencyError, match=rf"dataflow-estimators\[{extra}\]"):
        list(df.TextLineDataset(url))


def test_an_unknown_protocol():
    with pytest.raises(df.InvalidArgumentError, match="nowhere:// is not a known kind of storage"):
        list(df.TextLineDataset("nowhere://a/b"))
