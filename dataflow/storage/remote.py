"""Remote file systems: one object for all threads of a process, and never across a fork."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Coroutine
from typing import IO, Any, TypeVar, cast

from dataflow.errors import InvalidArgumentError, NotFoundError, OptionalDependencyError
from dataflow.storage.faults import Fault, delays, described, fault_of, given_up, raise_final
from dataflow.storage.fetch import Fetcher
from dataflow.storage.ranged_file import RangedFile
from dataflow.storage.reopened_file import ReopenedFile
from dataflow.storage.settings import Settings, settings
from dataflow.storage.stores import STORES, store_of

T = TypeVar("T")

EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
EXTRAS |= {"http": "http", "https": "http"}
"""What to install for a protocol."""
_UPLOAD_BYTES = 8 << 20
_UPLOADS = 4
_CALLS = 3  # the libraries of the large storages try again by themselves
_systems: dict[tuple[Any, ...], Any] = {}  # a fork finds nothing under its own process id


def protocol_of(url: str) -> str:
    """Return the name before ``://`` or ``::``, which says how the URL is read."""
    return url.partition("://")[0].partition("::")[0]


def is_store(url: str) -> bool:
    """Tell whether the URL is read by ranges; chains such as ``zip://…::s3://…`` are read as fsspec does."""
    return protocol_of(url) in STORES and "::" not in url


def is_http(url: str) -> bool:
    """Tell whether the URL is that of a web server, which has no listings and takes no files."""
    return protocol_of(url) in ("http", "https") and "::" not in url


def _connected(url: str) -> tuple[Any, str]:
    """Return a new file system and the path in it."""
    import fsspec  # local files do not need it, and it takes time to import

    protocol = protocol_of(url)
    try:
        if not is_store(url):
            system, path = fsspec.core.url_to_fs(url)
            return system, path
        kind = fsspec.get_filesystem_class(protocol)
        options = kind._get_kwargs_from_urls(url)
        return kind(**options, use_listings_cache=False, skip_instance_cache=True), url
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        hint = f"pip install 'dataflow-estimators[{extra}]'" if extra else str(error)
        raise OptionalDependencyError(f"{protocol}:// needs a package that is missing", hint=hint) from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise InvalidArgumentError(f"{url} cannot be opened: {error}") from error
        raise InvalidArgumentError(f"{protocol}:// is not a known kind of storage") from error


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of this process for a URL, and the path in it."""
    if not is_store(url):
        key: tuple[Any, ...] = (os.getpid(), url)
        known = _systems.get(key)
        return cast("tuple[Any, str]", known or _systems.setdefault(key, _connected(url)))
    key = (os.getpid(), protocol_of(url), _account(url))
    known = _systems.get(key)
    return known or _systems.setdefault(key, _connected(url)[0]), url


def _account(url: str) -> str:
    """Return the part of a URL that a file system belongs to: the account, and whether versions count."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{host if '.core.windows.net' in host else ''} {'versionid=' in url.lower() or '#' in url}"


def fetcher_of(url: str, limits: Settings) -> tuple[Fetcher, asyncio.AbstractEventLoop]:
    """Return what fetches from a storage in this process, and the event loop it runs on."""
    system, _ = file_system(url)
    key = (os.getpid(), protocol_of(url), _account(url), limits)
    known = _systems.get(key)
    if known is None:
        store = store_of(protocol_of(url), system)
        assert store is not None
        known = _systems.setdefault(key, Fetcher(store, limits))
    return known, system.loop


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def open_remote(url: str) -> IO[bytes]:
    """Open an object for reading anywhere.

    Raises:
        NotFoundError, PermissionDeniedError, UnavailableError: It cannot be read.
    """
    if not is_store(url):
        return cast("IO[bytes]", ReopenedFile(url, functools.partial(call, url), settings()))
    if not is_http(url) and not url.partition("://")[2].partition("/")[2]:
        raise NotFoundError(f"{url} is not a file", hint="name an object behind the bucket")
    limits = settings()
    fetcher, loop = fetcher_of(url, limits)
    stat = _wait(loop, fetcher.stat(url))
    if stat.ranges:
        connect = functools.partial(fetcher_of, url, limits)
        return cast("IO[bytes]", RangedFile(url, stat, connect, limits))
    file = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115  (the caller closes it)
    try:
        _wait(loop, fetcher.download(url, stat, file))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def call(url: str, function: Callable[[Any, str], T]) -> T:
    """Call ``function(file_system, path)``, again where that may help.

    Raises:
        FileNotFoundError: As the file system says it.
        PermissionDeniedError, UnavailableError: As the file system says it, or after the last try.
    """
    limits = settings()
    if is_store(url):
        limits = dataclasses.replace(limits, attempts=min(limits.attempts, _CALLS))
    waits = delays(url, limits)
    while True:
        try:
            return function(*file_system(url))
        except FileNotFoundError:
            raise
        except Exception as error:
            fault = fault_of(error)
            raise_final(url, error, fault)
            if fault is not Fault.AGAIN:
                raise
            wait = next(waits, None)
            if wait is None:
                raise given_up(url, error, limits) from error
        time.sleep(wait)


def upload(path: str, url: str) -> None:
    """Put a local file to a URL in one step: readers see the old object, or the new one.

    Raises:
        InvalidArgumentError: The storage takes no files.
        NotFoundError: There is no such bucket.
    """
    if is_http(url):
        raise InvalidArgumentError(f"{url} cannot be written: HTTP servers take no files")

    def put(system: Any, target: str) -> None:
        if not is_store(url):
            beside = f"{target}.{secrets.token_hex(4)}.tmp"
            system.put_file(path, beside)
            system.mv(beside, target)
            return
        size = max(_UPLOAD_BYTES, os.path.getsize(path) // 9000)  # at most 10,000 parts
        size += -size % (1 << 18)
        parts = {"max_concurrency": _UPLOADS}
        options = {"s3": {"chunksize": size, **parts}, "gcs": {"chunksize": size}, "azure": parts}
        system.put_file(path, target, **options[EXTRAS[protocol_of(url)]])

    try:
        call(url, put)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{url} cannot be written: {described(error)}", hint="create the bucket or folder first"
        ) from error
