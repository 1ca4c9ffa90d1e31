"""Directories of elements: what `save` and `snapshot` write and `load` reads.

* ``metadata.json`` names the run that counts. It is replaced in one step when a run is complete, so
  readers see one run or the other.
* ``<run>/dataset_spec.json`` says what elements look like.
* ``<run>/<shard>-<part>.blocks`` holds elements; a new part begins where the writer saved its position.
"""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dataflow.block import Block
from dataflow.errors import DataLossError, InvalidArgumentError, NotFoundError
from dataflow.spec import Structure
from dataflow.storage import block_file, files, spec_json

METADATA = "metadata.json"
SPEC = "dataset_spec.json"
VERSION = 1
MAX_SHARDS = 1000
"""Each shard is an open file while it is written."""
PENDING_BYTES = 64 << 20
"""So much is held back at most, over all shards, to be written as larger blocks."""
STALE_SECONDS = 24 * 3600
"""Runs that do not count are removed so long after the last change in them."""

_RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_PART = re.compile(r"\d+-\d+\.blocks")


@dataclasses.dataclass(frozen=True)
class Shard:
    """The elements for which the shard function returned one number.

    Args:
        number: The number.
        parts: Names of files, in order.
        elements: How many elements there are.
    """

    number: int
    parts: tuple[str, ...]
    elements: int


@dataclasses.dataclass(frozen=True)
class Run:
    """A complete run of writing.

    Args:
        path: The directory of all runs; local or a URL.
        name: The directory of this run in it.
        spec: Structure of TensorSpec of the elements.
        compression: One of `block_file.CODECS`.
        shards: By ascending number.
    """

    path: str
    name: str
    spec: Structure
    compression: str | None
    shards: tuple[Shard, ...]

    @property
    def cardinality(self) -> int:
        """The number of elements."""
        return sum(shard.elements for shard in self.shards)

    def file(self, part: str) -> str:
        """Return the path of a part."""
        return files.join(self.path, self.name, part)


def fingerprint(run: str, part: str) -> str:
    """Return what a file of blocks says of itself."""
    return f"{run}/{part}"


def read_json(path: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        NotFoundError: There is no such file.
        DataLossError: It is something else.
    """
    try:
        return json.loads(files.read_bytes(path))
    except ValueError as error:
        raise DataLossError(
            f"{path} is not complete: {error}", hint="delete it, and write it again"
        ) from error


def write_json(path: str, value: Any) -> None:
    """Write a JSON file in one step."""
    data = (json.dumps(value, indent=1) + "\n").encode()
    with files.atomic_writer(path) as file:
        file.write(data)


def find_run(path: str) -> Run | None:
    """Return the complete run of a directory, None if there is none.

    Raises:
        DataLossError: The metadata are corrupt.
    """
    place = files.join(path, METADATA)
    if not files.exists(place):
        return None
    found = read_json(place)
    try:
        if found["version"] != VERSION:
            raise ValueError(f"its version is {found['version']!r}, not {VERSION}")
        name, compression = found["run"], found["compression"]
        block_file.check_compression(compression)
        shards = [
            Shard(int(number), tuple(map(str, s["parts"])), int(s["elements"]))
            for number, s in found["shards"].items()
        ]
        if not _RUN.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a run")
        for part in (part for shard in shards for part in shard.parts):
            if not _PART.fullmatch(part):
                raise ValueError(f"{part!r} is not the name of a part")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataLossError(f"{place} is not the metadata of saved elements: {error}") from error
    place = files.join(path, name, SPEC)
    found = read_json(place)
    try:
        spec = spec_json.from_json(found)
    except (KeyError, TypeError, ValueError) as error:
        raise DataLossError(f"{place} is not an element spec: {error}") from error
    return Run(path, name, spec, compression, tuple(sorted(shards, key=lambda shard: shard.number)))


def open_run(path: str) -> Run:
    """Return the complete run of a directory.

    Raises:
        NotFoundError: There is none.
        DataLossError: The metadata are corrupt.
    """
    run = find_run(path)
    if run is None:
        raise NotFoundError(
            f"no saved dataset at {path}: there is no {METADATA} in it",
            hint="check the path; a save that was interrupted leaves nothing to load",
        )
    return run


def split(block: Block) -> Iterator[tuple[int, Block]]:
    """Yield (shard, its elements) of a block whose first column holds the shard of each element."""
    keys, rest = np.asarray(block.columns[0]), Block(block.columns[1:], block.length)
    shards, counts = np.unique(keys, return_counts=True)
    if len(shards) == 1:
        yield int(shards[0]), rest
        return
    order, stop = np.argsort(keys, kind="stable"), 0
    for shard, count in zip(shards.tolist(), counts.tolist(), strict=True):
        start, stop = stop, stop + count
        yield shard, rest.take(order[start:stop])  # a view would keep the rows of all shards in memory


class RunWriter:
    """Writes a run; nobody sees it before `finish`.

    Args:
        path: The directory of all runs; local or a URL.
        spec: Structure of TensorSpec of the elements.
        compression: One of `block_file.CODECS`.
        sharded: Whether the first column of blocks says the shard of each element; else all are in shard 0.
        progress: What `checkpoint` returned, to go on there.
    """

    def __init__(
        self,
        path: str,
        spec: Structure,
        compression: str | None,
        *,
        sharded: bool = False,
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        block_file.check_compression(compression)
        self._spec = spec_json.to_json(spec)
        self._path, self._compression, self._sharded = path, compression, sharded
        self._open: dict[int, block_file.Writer] = {}
        self._parts: dict[int, list[str]] = {}
        self._elements: dict[int, int] = {}
        self.name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        if progress is not None:
            self.name = progress["run"]
            for number, shard in progress["shards"].items():
                self._parts[int(number)] = list(shard["parts"])
                self._elements[int(number)] = shard["elements"]
            self._keep_only_known()
        self._directory = files.join(path, self.name)
        files.make_directory(self._directory)

    def _keep_only_known(self) -> None:
        """Remove what was written after the checkpoint."""
        directory = files.join(self._path, self.name)
        known = {part for parts in self._parts.values() for part in parts}
        there = set(files.list_directory(directory))
        if known - there:
            raise DataLossError(
                f"{files.join(directory, min(known - there))} is missing, so saving cannot go on",
                hint="delete the file with the progress, and save anew",
            )
        for name in there - known:
            files.remove(files.join(directory, name))

    def write(self, block: Block) -> None:
        """Add a block.

        Raises:
            InvalidArgumentError: A shard is negative, or there are too many.
        """
        for shard, part in split(block) if self._sharded else ((0, block),):
            self._writer(shard).write(part)
            self._elements[shard] += part.length
        if sum(writer.pending_bytes for writer in self._open.values()) > PENDING_BYTES:
            for writer in self._open.values():
                writer.flush()

    def _writer(self, shard: int) -> block_file.Writer:
        if shard not in self._open:
            if shard < 0:
                raise InvalidArgumentError(f"shard_func must not return negative numbers, such as {shard}")
            if len(self._open) >= MAX_SHARDS:
                raise InvalidArgumentError(
                    f"shard_func returns more than {MAX_SHARDS} different numbers",
                    hint="take them modulo the number of shards that are wanted",
                )
            parts = self._parts.setdefault(shard, [])
            name = f"{shard:08}-{len(parts):05}.blocks"
            place, mark = files.join(self._directory, name), fingerprint(self.name, name)
            self._open[shard] = block_file.Writer(place, mark, self._compression)
            self._elements.setdefault(shard, 0)
            parts.append(name)
        return self._open[shard]

    def checkpoint(self) -> dict[str, Any]:
        """Complete the files that are open, and return as JSON what is written."""
        while self._open:
            _, writer = self._open.popitem()
            writer.finish()
        shards = {
            str(number): {"parts": list(parts), "elements": self._elements[number]}
            for number, parts in sorted(self._parts.items())
        }
        return {"run": self.name, "shards": shards}

    def finish(self) -> None:
        """Make this the run that counts."""
        written = self.checkpoint()
        previous = _name_of_run(self._path)
        write_json(files.join(self._directory, SPEC), self._spec)
        metadata = {"version": VERSION, "compression": self._compression, **written}
        write_json(files.join(self._path, METADATA), metadata)
        _remove_stale(self._path, {self.name, previous})

    def release(self) -> None:
        """Close the files that are open, without keeping what is in them."""
        while self._open:
            _, writer = self._open.popitem()
            writer.discard()

    def discard(self) -> None:
        """Remove the run."""
        self.release()
        files.remove_directory(self._directory)


def _name_of_run(path: str) -> str | None:
    """Return the run that counts; one that is corrupt does not."""
    try:
        run = find_run(path)
    except (DataLossError, NotFoundError):
        return None
    return None if run is None else run.name


def _remove_stale(path: str, keep: set[str | None]) -> None:
    """Remove runs that nobody has written to for long; the one that counted last may have readers."""
    for name in files.list_directory(path):
        if name in keep or not _RUN.fullmatch(name):
            continue
        run = files.join(path, name)
        places = [run, *(files.join(run, file) for file in files.list_directory(run))]
        changes = [change for place in places if (change := files.last_change(place)) is not None]
        if changes and max(changes) < time.time() - STALE_SECONDS:
            files.remove_directory(run)
