"""Manifests: which files of a directory count, for what `write_parquet` and `write_csv` write."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dataflow.errors import DataLossError, FailedPreconditionError, NotFoundError
from dataflow.storage import files
from dataflow.storage.runs import read_json

MANIFEST = "_manifest.json"
"""Readers of directories, such as those of Arrow and Spark, pass over names that begin with ``_``."""
VERSION = 1

PART = re.compile(r"part-\d{5,}\.(parquet|csv(\.\w+)?)")
_ORPHAN = re.compile(rf"[._]?({PART.pattern}|{re.escape(MANIFEST)})(\.\w+)*\.tmp|{PART.pattern}")
_PIECE = 1 << 20


@dataclasses.dataclass(frozen=True)
class DataFile:
    """A file that a manifest lists.

    Attributes:
        path: Relative to the directory of the manifest, with ``/``.
        rows: Number of rows.
        bytes: Size.
        sha256: Checksum of its bytes, hexadecimal, as of ``sha256sum``.
        partition: Text of each partition column, None for null.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    partition: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a directory holds; it is replaced in one step when files are added.

    Attributes:
        directory: Local path or URL.
        format: "parquet" or "csv".
        pipeline: Fingerprint of the pipeline whose rows these are.
        settings: What the files were written with.
        schema: Names and Arrow types of the columns, partition columns too.
        files: In the order of the rows.
        complete: Whether these are all rows.
        position: Where writing goes on, None when it is complete.
        notes: What the program that writes wants to know when it goes on; JSON.
    """

    directory: str
    format: str
    pipeline: str
    settings: Mapping[str, Any]
    schema: tuple[tuple[str, str], ...]
    files: tuple[DataFile, ...] = ()
    complete: bool = False
    position: Any = dataclasses.field(default=None, repr=False)
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def paths(self) -> list[str]:
        """Paths or URLs of all files."""
        return [files.join(self.directory, *file.path.split("/")) for file in self.files]

    def verify(self) -> None:
        """Read all files, and compare their sizes and checksums.

        Raises:
            NotFoundError: A file is missing.
            DataLossError: A file is not as it was written.
        """
        for path, file in zip(self.paths, self.files, strict=True):
            size, digest = 0, hashlib.sha256()
            with files.open_binary(path) as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    digest.update(piece)
            if (size, digest.hexdigest()) != (file.bytes, file.sha256):
                differs = f"{size} bytes" if size != file.bytes else "another checksum"
                raise DataLossError(
                    f"{path} is not as it was written: it has {differs}, and the manifest {file.bytes} bytes "
                    f"with sha256 {file.sha256}",
                    hint="write it again with overwrite=True",
                )

    def write(self) -> None:
        """Make this the manifest of its directory, in one step."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "directory"}
        fields["schema"] = [{"name": name, "type": kind} for name, kind in self.schema]
        listed = [json.dumps(dataclasses.asdict(file)) for file in fields.pop("files")]
        head = {"version": VERSION, **fields, "rows": self.rows, "bytes": self.bytes}
        text = json.dumps(head, indent=1).removesuffix("\n}")
        text += ',\n "files": [' + ",".join(f"\n  {line}" for line in listed) + "\n ]\n}\n"
        with files.atomic_writer(files.join(self.directory, MANIFEST)) as file:
            file.write(text.encode())


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Return the manifest of what `write_parquet` or `write_csv` wrote.

    Args:
        path: The directory, or the manifest in it; local or a URL.

    Raises:
        NotFoundError: There is none.
        DataLossError: It is corrupt.

    >>> import tempfile
    >>> from dataflow import Dataset
    >>> directory = tempfile.mkdtemp()
    >>> _ = Dataset.range(5).write_parquet(directory, rows_per_file=3)
    >>> [(file.path, file.rows) for file in read_manifest(directory).files]
    [('part-00000.parquet', 3), ('part-00001.parquet', 2)]
    """
    place = os.fspath(path)
    directory = files.parent(place) if is_manifest(place) else place
    found = find_manifest(directory)
    if found is None:
        raise NotFoundError(f"there is no {MANIFEST} in {directory}", hint="check the path")
    return found


def is_manifest(path: str) -> bool:
    """Tell whether a path is that of a manifest."""
    return path.replace(os.sep, "/").rpartition("/")[2] == MANIFEST


def find_manifest(directory: str) -> Manifest | None:
    """Return the manifest of a directory, None if there is none.

    Raises:
        DataLossError: It is corrupt.
    """
    place = files.join(directory, MANIFEST)
    if not files.exists(place):
        return None
    found = read_json(place)
    try:
        if found["version"] != VERSION:
            raise ValueError(f"its version is {found['version']!r}, not {VERSION}")
        return Manifest(
            directory,
            str(found["format"]),
            str(found["pipeline"]),
            dict(found["settings"]),
            tuple((str(column["name"]), str(column["type"])) for column in found["schema"]),
            tuple(_data_file(file) for file in found["files"]),
            bool(found["complete"]),
            found["position"],
            dict(found.get("notes", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataLossError(
            f"{place} is not a manifest: {error}", hint="remove it, and write anew"
        ) from error


def _data_file(found: Mapping[str, Any]) -> DataFile:
    file = DataFile(**found)
    parts = str(file.path).split("/")
    if not PART.fullmatch(parts[-1]) or not all("=" in part for part in parts[:-1]):
        raise ValueError(f"{file.path!r} is not the name of a part")
    return file


def listed_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths, and in the place of each manifest the files that it lists.

    Raises:
        FailedPreconditionError: Writing has not come to its end there.
    """
    found: list[str] = []
    for path in paths:
        if not is_manifest(path):
            found.append(path)
            continue
        manifest = read_manifest(path)
        if not manifest.complete:
            raise FailedPreconditionError(
                f"{path} lists {manifest.rows} rows, and there are more to be written",
                hint="let the program that writes them end, or start it again; "
                "read_manifest(path).paths are the files so far",
            )
        found.extend(manifest.paths)
    return tuple(found)


def remove_orphans(directory: str, known: Iterable[DataFile]) -> None:
    """Remove parts, also unfinished ones, that a manifest does not list.

    Args:
        directory: Where to look, also in the directories of partitions; local or a URL.
        known: What the manifest lists.
    """
    _remove_orphans(directory, "", {file.path for file in known})


def _remove_orphans(directory: str, prefix: str, kept: set[str]) -> None:
    for name in files.list_directory(directory):
        place = files.join(directory, name)
        if "=" in name:
            _remove_orphans(place, f"{prefix}{name}/", kept)
            if not files.list_directory(place):
                files.remove_directory(place)
        elif _ORPHAN.fullmatch(name) and prefix + name not in kept:
            files.remove(place)
