"""`Settings`: names and limits of a server."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from dataflow.errors import InvalidArgumentError

_NAME = re.compile(r"[^/:]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Names and limits of a server.

    Args:
        name: Of the model in URLs.
        max_batch_size: Most rows that requests which wait together are joined to; 1: none are joined. A
            request may have more rows than that.
        max_body_bytes: Larger requests are refused (413).
        timeout_seconds: Longest time to receive a body (408), and to wait for the model (504).
        max_waiting: Most requests under way; more are refused (503).
        poll_seconds: How often to look for new versions; 0: never.
        versions: How many of the newest versions to serve.
        labels: Versions by name, for ``/labels/<name>``; these are served beside the newest.

    Raises:
        InvalidArgumentError: A value is out of range.

    >>> Settings(name="taxi").max_batch_size
    64
    """

    name: str = "model"
    max_batch_size: int = 64
    max_body_bytes: int = 32 << 20
    timeout_seconds: float = 30.0
    max_waiting: int = 1000
    poll_seconds: float = 1.0
    versions: int = 1
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for field in ("max_batch_size", "max_body_bytes", "max_waiting", "versions"):
            if getattr(self, field) < 1:
                raise InvalidArgumentError(f"{field} must be at least 1, not {getattr(self, field)}")
        if self.timeout_seconds <= 0 or self.poll_seconds < 0:
            raise InvalidArgumentError(
                f"timeout_seconds={self.timeout_seconds} and poll_seconds={self.poll_seconds} are no times"
            )
        for name in (self.name, *self.labels):
            if not _NAME.fullmatch(name):
                raise InvalidArgumentError(f"the name {name!r} is empty, or has a slash or a colon")
