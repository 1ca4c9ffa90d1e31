"""Which files a path means: itself, those that match a pattern, or all below a directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from dataflow.errors import NotFoundError
from dataflow.storage import files, remote
from dataflow.storage.manifest import MANIFEST, is_manifest, listed_files

_UNFINISHED = ".tmp"


def expanded(path: str) -> list[tuple[str, str | None]]:
    """Return the files that a path means, sorted, each with the directory if it is one or its manifest.

    A pattern (``*``, ``?``, ``[``) means the files that match it. A directory means the files that the
    manifest in it lists; without one, all files below it. What is hidden does not count: names that begin
    with ``.``, or with ``_`` and have no ``=``; nor do names that end in ``.tmp``.

    Raises:
        NotFoundError: There are none.
    """
    if is_manifest(path):
        return [(file, files.parent(path)) for file in listed_files([path])]
    if is_directory(path):
        if files.exists(files.join(path, MANIFEST)):
            return [(file, path) for file in listed_files([files.join(path, MANIFEST)])]
        found = sorted(files_below(path))
        if not found:
            raise NotFoundError(f"there are no files below the directory {path}", hint="check the path")
        return [(file, path) for file in found]
    if _is_pattern(path):
        matches = [match for match in files.list_matches(path) if not is_hidden(_name(match))]
        if not matches:
            raise NotFoundError(f"no file matches {path}", hint="* does not cross /; check the pattern")
        return [(file, None) for file in sorted(matches)]
    return [(path, None)]


def _is_pattern(path: str) -> bool:
    if files.is_url(path):
        return any(character in path for character in ("*" if remote.is_http(path) else "*?["))
    return any(character in path for character in "*?[") and not os.path.exists(path)


def is_directory(path: str) -> bool:
    """Tell whether a path is a directory; a URL only if its last name has no suffix."""
    if not files.is_url(path):
        return os.path.isdir(path)
    name = _name(path)
    if remote.is_http(path) or any(character in path for character in "*?[") or os.path.splitext(name)[1]:
        return False
    return bool(remote.call(path, lambda system, place: system.isdir(place)))


def is_hidden(name: str) -> bool:
    """Tell whether a file or directory of this name does not count."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith(_UNFINISHED)


def files_below(directory: str) -> Iterator[str]:
    """Yield the files below a directory that are not hidden, in no particular order."""
    if files.is_url(directory):
        for name in remote.call(directory, _found_below):
            if not any(map(is_hidden, name.split("/"))):
                yield files.join(directory, name)
        return
    for place, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if not is_hidden(name)]
        yield from (os.path.join(place, name) for name in names if not is_hidden(name))


def _found_below(system: Any, path: str) -> list[str]:
    """Return the files below a directory of a file system, relative to it."""
    root = system._strip_protocol(path).rstrip("/")
    return [name[len(root) :].lstrip("/") for name in system.find(path)]


def _name(path: str) -> str:
    return path.rstrip("/").replace(os.sep, "/").rpartition("/")[2]
