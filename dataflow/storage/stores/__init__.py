"""Storages that are read by ranges, several requests at a time: one file each."""

from __future__ import annotations

from typing import Any

from dataflow.storage.stores.azure import AzureStore
from dataflow.storage.stores.gcs import GcsStore
from dataflow.storage.stores.http import HttpStore
from dataflow.storage.stores.s3 import S3Store
from dataflow.storage.stores.store import Stat, Store

__all__ = ["STORES", "Stat", "Store", "store_of"]

STORES: dict[str, type[Store]] = {
    "s3": S3Store,
    "s3a": S3Store,
    "gs": GcsStore,
    "gcs": GcsStore,
    "az": AzureStore,
    "abfs": AzureStore,
    "abfss": AzureStore,
    "http": HttpStore,
    "https": HttpStore,
}
"""By protocol; all others are read as fsspec does."""


def store_of(protocol: str, system: Any) -> Store | None:
    """Return what reads ranges of a file system, None if that is up to fsspec."""
    return STORES[protocol](system) if protocol in STORES else None
