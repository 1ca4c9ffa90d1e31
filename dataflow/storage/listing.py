"""Listing remote files: one paged listing for a pattern, and no question about single files."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from dataflow.errors import InvalidArgumentError, NotFoundError
from dataflow.storage import remote

_MAGIC = re.compile(r"[*?\[]")
_ESCAPED = re.compile(r"\[([*?\[])\]")


def list_matches(pattern: str) -> list[str]:
    """Return the URLs of the files that match, as local patterns do: ``*`` does not cross ``/``.

    Raises:
        InvalidArgumentError: The storage has no listings, or the pattern leaves the bucket open.
        NotFoundError: There is no such bucket.
    """
    if remote.is_http(pattern):
        if "*" in pattern:
            raise InvalidArgumentError(
                f"{pattern} cannot be listed: HTTP servers have no listings", hint="name each file"
            )
        return [pattern] if exists(pattern) else []
    head, _, tail = pattern.partition("://")
    if "::" in tail:  # of a chain, what is inside is listed
        outer = tail.partition("::")[2]
        names = remote.call(pattern, lambda system, path: system.glob(path))
        return [f"{head}://{name}::{outer}" for name in names]
    parts = [_ESCAPED.sub(r"\1", part) if _is_literal(part) else part for part in tail.split("/")]
    depth = next((i for i, part in enumerate(tail.split("/")) if not _is_literal(part)), None)
    if depth is None:
        url = f"{head}://{'/'.join(parts)}"
        return [url] if remote.call(url, lambda system, path: system.isfile(path)) else []
    if depth == 0 and remote.is_store(pattern):
        raise InvalidArgumentError(f"{pattern} cannot be listed: the bucket must be named in full")
    found = _below(head, parts[:depth], parts[depth:])
    if not found and remote.is_store(pattern):
        _check_bucket(f"{head}://{parts[0]}")
    return found


def _is_literal(part: str) -> bool:
    return _MAGIC.search(_ESCAPED.sub("", part)) is None


def _below(head: str, literal: list[str], patterns: list[str]) -> list[str]:
    """Return the files below a folder whose names, one for each level, match."""
    folder = f"{head}://{'/'.join(literal)}"

    def listed(system: Any, path: str) -> list[str]:
        root = system._strip_protocol(path).rstrip("/")
        if len(patterns) == 1:
            entries = system.ls(path, detail=True)
            names = [entry["name"] for entry in entries if entry["type"] != "directory"]
        else:
            names = system.find(path, **({} if remote.is_store(folder) else {"maxdepth": len(patterns)}))
        return [name[len(root) :].lstrip("/") for name in names]

    try:
        names = remote.call(folder, listed)
    except (FileNotFoundError, NotADirectoryError):
        return []
    base = folder if folder.endswith("/") else folder + "/"
    return [base + name for name in names if _matches(name, patterns)]


def _matches(name: str, patterns: list[str]) -> bool:
    """Tell whether each level matches; as locally, a wildcard does not match a dot in front."""
    parts = name.split("/")
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, pattern) and (part[:1] != "." or pattern[:1] == ".")
        for part, pattern in zip(parts, patterns, strict=True)
    )


def _check_bucket(url: str) -> None:
    """Raise `NotFoundError` if a bucket is not there."""
    if not exists(url):
        raise NotFoundError(
            f"nothing matches, because {url} does not exist", hint="check the name of the bucket"
        )


def exists(url: str) -> bool:
    """Tell whether there is a file or folder at a URL."""
    return remote.call(url, lambda system, path: bool(system.exists(path)))
