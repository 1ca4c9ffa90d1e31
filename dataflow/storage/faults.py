"""What went wrong at a storage: try again, or tell the user at once."""

from __future__ import annotations

import enum
import errno
import random
from collections.abc import Iterator

from dataflow.errors import DataflowError, NotFoundError, PermissionDeniedError, UnavailableError
from dataflow.storage.settings import Settings


class Fault(enum.Enum):
    """Kinds of failures."""

    AGAIN = "may go away"
    MISSING = "not there"
    DENIED = "not allowed"
    CHANGED = "not the object that was opened"


class ChangedError(Exception):
    """A response belongs to another version of the object."""


class TruncatedError(ConnectionError):
    """A response ended before the bytes that were asked for."""


_STATUS = {401: Fault.DENIED, 403: Fault.DENIED, 404: Fault.MISSING, 410: Fault.MISSING}
_STATUS |= {412: Fault.CHANGED, 416: Fault.CHANGED}
_STATUS |= dict.fromkeys((408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524), Fault.AGAIN)
_CODES = dict.fromkeys(("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException"), Fault.AGAIN)
_CODES |= dict.fromkeys(("InvalidAccessKeyId", "ExpiredToken", "InvalidToken"), Fault.DENIED)
# Library and class, so that none of them has to be imported.
_CLASSES = {
    "aiohttp.InvalidURL": None,
    "aiohttp.ClientError": Fault.AGAIN,
    "azure.ClientAuthenticationError": Fault.DENIED,
    "azure.IncompleteReadError": Fault.AGAIN,
    "azure.ServiceRequestError": Fault.AGAIN,
    "azure.ServiceResponseError": Fault.AGAIN,
    "botocore.ConnectionError": Fault.AGAIN,
    "botocore.HTTPClientError": Fault.AGAIN,
    "botocore.IncompleteReadError": Fault.AGAIN,
    "botocore.CredentialRetrievalError": Fault.DENIED,
    "botocore.NoCredentialsError": Fault.DENIED,
    "botocore.PartialCredentialsError": Fault.DENIED,
    "builtins.ConnectionError": Fault.AGAIN,
    "builtins.FileNotFoundError": Fault.MISSING,
    "builtins.PermissionError": Fault.DENIED,
    "builtins.TimeoutError": Fault.AGAIN,
    "google.RefreshError": Fault.DENIED,
    "google.DefaultCredentialsError": Fault.DENIED,
    "requests.ConnectionError": Fault.AGAIN,
    "requests.Timeout": Fault.AGAIN,
}
_ERRNOS = {errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EPIPE, errno.ENETUNREACH, errno.EHOSTUNREACH}


def fault_of(error: BaseException) -> Fault | None:
    """Return the kind of a failure, None if it is none of the storage."""
    if isinstance(error, DataflowError):
        return None
    if isinstance(error, ChangedError):
        return Fault.CHANGED
    found = _fault_of_answer(error)
    if found is not None:
        return found
    for kind in type(error).__mro__:
        name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        if name in _CLASSES:
            return _CLASSES[name]
    if isinstance(error, OSError):
        if error.errno in _ERRNOS:
            return Fault.AGAIN
        if str(error).startswith("Forbidden"):  # gcsfs
            return Fault.DENIED
    return None


def _fault_of_answer(error: BaseException) -> Fault | None:
    """Return the kind of a failure by the status that the server answered with."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        code = str(response.get("Error", {}).get("Code"))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return _CODES.get(code) or _STATUS.get(status)
    for name in ("status", "status_code", "code"):  # aiohttp, azure, gcsfs
        status = getattr(error, name, None)
        if isinstance(status, int | str) and str(status).isdigit():
            return _STATUS.get(int(status))
    return None


def described(error: BaseException) -> str:
    """Return an error in one line, also one that has no text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def raise_final(url: str, error: BaseException, fault: Fault | None) -> None:
    """Raise the error of the family for a failure that no retry mends; return for others."""
    if fault is Fault.MISSING:
        raise NotFoundError(f"file not found: {url}", hint="check the path, or list the folder") from error
    if fault is Fault.DENIED:
        raise PermissionDeniedError(
            f"no access to {url}: {described(error)}",
            hint="check the key, token or login that the storage's own library finds, and what it may do",
        ) from error


def delays(url: str, limits: Settings) -> Iterator[float]:
    """Yield the seconds to wait before each further try: doubling, each cut by up to a half at random."""
    jitter = random.Random(url)
    for attempt in range(limits.attempts - 1):
        yield min(limits.longest_delay, limits.retry_delay * 2**attempt) * jitter.uniform(0.5, 1)


def given_up(url: str, error: BaseException, limits: Settings) -> UnavailableError:
    """Return the error for a storage that failed again and again."""
    return UnavailableError(
        f"{url} cannot be reached, {limits.attempts} tries without progress: {described(error)}",
        hint="try later, or raise DATAFLOW_ATTEMPTS or DATAFLOW_REQUEST_TIMEOUT",
    )
