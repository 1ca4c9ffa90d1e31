"""Settings of remote storage: environment variables, so that worker processes have them too."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from dataflow.errors import InvalidArgumentError

_PREFIX = "DATAFLOW_"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How remote files are read; each field is the variable ``DATAFLOW_`` and its name in capitals.

    Args:
        requests: How many requests may be under way at one file system.
        request_bytes: How many bytes a request asks for when a file is read from front to back.
        read_ahead_bytes: How many bytes all open files together may hold for their readers.
        attempts: How often a request is tried without any progress.
        retry_delay: Seconds before the second try; they double with each further one, and vary at random.
        longest_delay: Seconds between two tries at most.
        request_timeout: Seconds without a byte after which a request counts as broken.
        disk_cache: A local folder for what was read, or '' for none.
        disk_cache_bytes: How large it may grow; what was not used for longest goes first.
    """

    requests: int = 8
    request_bytes: int = 8 << 20
    read_ahead_bytes: int = 64 << 20
    attempts: int = 8
    retry_delay: float = 0.1
    longest_delay: float = 20.0
    request_timeout: float = 30.0
    disk_cache: str = ""
    disk_cache_bytes: int = 10 << 30

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if isinstance(field.default, float) else 1
            if not isinstance(value, str) and not value >= least:
                raise InvalidArgumentError(f"{field.name} must be at least {least}, not {value!r}")


_FIELDS: dict[str, Any] = {field.name: type(field.default) for field in dataclasses.fields(Settings)}


def settings() -> Settings:
    """Return what the environment says now.

    Raises:
        InvalidArgumentError: A variable has no fitting value.
    """
    said: dict[str, Any] = {}
    for name, kind in _FIELDS.items():
        text = os.environ.get(variable := _PREFIX + name.upper())
        if text is None:
            continue
        try:
            said[name] = kind(text)
        except ValueError as error:
            raise InvalidArgumentError(f"{variable} must be {kind.__name__}, not {text!r}") from error
    return Settings(**said)


def configure(**changes: Any) -> Settings:
    """Change how remote files are read, in this process and those that it starts.

    Files that are open stay as they are. A change is kept in the environment: ``disk_cache="/data/cache"`` is
    ``DATAFLOW_DISK_CACHE=/data/cache``.

    Args:
        **changes: New values of fields of `Settings`; None goes back to the default.

    Returns:
        The settings that hold now.

    Raises:
        InvalidArgumentError: A name is unknown, or a value does not fit.

    >>> configure(requests=16).requests
    16
    >>> configure(requests=None).requests
    8
    """
    unknown = sorted(changes.keys() - _FIELDS.keys())
    if unknown:
        raise InvalidArgumentError(f"no setting is called {unknown[0]!r}; there are {', '.join(_FIELDS)}")
    given = {name: value for name, value in changes.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, (int, float) if _FIELDS[name] is float else _FIELDS[name]):
            raise InvalidArgumentError(f"{name} must be {_FIELDS[name].__name__}, not {value!r}")
    dataclasses.replace(settings(), **given)
    for name in changes:
        os.environ.pop(_PREFIX + name.upper(), None)
    os.environ.update({_PREFIX + name.upper(): str(value) for name, value in given.items()})
    return settings()
