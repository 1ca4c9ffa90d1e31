"""`write_parquet` and `write_csv`: the rows of a dataset as files of a directory, once each."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflow.errors import (
    AlreadyExistsError,
    DataflowError,
    InvalidArgumentError,
    SpecError,
    did_you_mean,
)
from dataflow.exact_rows import Rows, directory_of, split_by
from dataflow.export import arrow_schema
from dataflow.runtime.iterate import BlockIterator
from dataflow.saving import Finite, refuse_endless
from dataflow.spec import Structure
from dataflow.storage import files
from dataflow.storage.lease import Lease, hold
from dataflow.storage.manifest import MANIFEST, DataFile, Manifest, find_manifest, remove_orphans
from dataflow.storage.part_files import (
    GROUP_BYTES,
    GROUP_ROWS,
    FileFormat,
    check_schema,
    csv_file_format,
    parquet_format,
    part_writer,
)

_ROW_BYTES = 16
"""What a row costs beside its values, when rows are collected by partition."""
STEP_SECONDS = 60.0
"""Rows are collected by partition for so long at most: what an interruption loses."""
_COMMIT_SHARE = 20
"""The manifest is written anew when writing it takes less than 1 / 20 of the time."""
_ALL = 1 << 62
Progress = bool | Callable[[int, int], object]
"""Whether to show a bar; or what is told the rows so far, and how many files are complete."""


@dataclasses.dataclass(frozen=True)
class WriteResult:
    """What a directory holds after `write_parquet` or `write_csv`.

    Attributes:
        path: The directory.
        files: Number of files.
        rows: Number of rows.
        bytes: Size of all files.
        seconds: How long this call took.
        rows_before: Rows that an earlier call had written.
    """

    path: str
    files: int
    rows: int
    bytes: int
    seconds: float
    rows_before: int = 0

    def __repr__(self) -> str:
        earlier = f", {self.rows_before:,} of them by an earlier call" if self.rows_before else ""
        return (
            f"<{self.rows:,} rows in {self.files:,} files, {self.bytes / 1e6:,.1f} MB, at {self.path}: "
            f"{self.seconds:.1f} s{earlier}>"
        )


@dataclasses.dataclass(frozen=True)
class Layout:
    """How rows are laid out in files.

    Args:
        form: The format of the files.
        rows_per_file: Rows of each file; of all but the last, or but the last ones of a partition.
        partition: Columns that become directories.
    """

    form: FileFormat
    rows_per_file: int
    partition: tuple[str, ...] = ()

    def check(self, schema: pa.Schema) -> None:
        """Raise if rows of the schema cannot be laid out so."""
        if type(self.rows_per_file) is not int or self.rows_per_file < 1:
            raise InvalidArgumentError(f"rows_per_file must be at least 1, not {self.rows_per_file!r}")
        for name in self.partition:
            if name not in schema.names:
                raise InvalidArgumentError(
                    f"there is no column {name!r} to partition by", hint=did_you_mean(name, schema.names)
                )
            kind = schema.field(name).type
            if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_duration(kind):
                raise SpecError(f"column {name!r} is {kind}, which is no name of a directory")
        if len(set(self.partition)) < len(self.partition) or len(self.partition) == len(schema):
            raise InvalidArgumentError(
                f"partition={list(self.partition)} must name each column once, and leave one for the files"
            )
        check_schema(self.file_schema(schema), self.form)

    def file_schema(self, schema: pa.Schema) -> pa.Schema:
        """Return the schema of the files."""
        return pa.schema([field for field in schema if field.name not in self.partition])

    def settings(self) -> dict[str, Any]:
        """Return as JSON what must be the same when writing goes on."""
        form = {k: v for k, v in dataclasses.asdict(self.form).items() if k != "name"}
        if self.form.name == "parquet":
            form = {"compression": self.form.compression}
        return {"rows_per_file": self.rows_per_file, "partition": list(self.partition), **form}


class Write:
    """Writes the rows of an iterator to a directory, or those that are missing there.

    Args:
        blocks: The elements.
        spec: Their structure.
        manifest: What there is to go on from.
        layout: How to lay them out.
        lease: The right to write.
        step_bytes: How much is collected to be written by partition.
        progress: Is told of further rows, and how many files there are.
    """

    def __init__(
        self,
        blocks: BlockIterator,
        spec: Structure,
        manifest: Manifest,
        layout: Layout,
        lease: Lease,
        step_bytes: int,
        progress: Any,
    ) -> None:
        self._blocks = blocks
        self._rows = Rows(blocks, spec, lambda rows: progress(rows, len(self._files)))
        self._schema = layout.file_schema(self._rows.schema)
        self._manifest = manifest
        self._files = list(manifest.files)
        self._layout = layout
        self._lease = lease
        self._step_bytes = step_bytes
        self._done: tuple[int, Any] = (0, None)  # files of the steps that are over, and the position then

    def run(self) -> Manifest:
        """Write all rows, and return the complete manifest."""
        if self._manifest.position is None:
            self._done = (0, self._rows.state())
            self._commit()
        else:
            self._done = (len(self._files), self._manifest.position)
            self._blocks.restore(self._manifest.position)
        remove_orphans(self._manifest.directory, self._files)
        try:
            self._write_all()
        except BaseException:
            if self._done[0] > len(self._manifest.files):
                with contextlib.suppress(OSError, DataflowError):  # the first error is the one to show
                    self._commit()
            raise
        self._commit(complete=True)
        return self._manifest

    def _write_all(self) -> None:
        step = self._write_partitions if self._layout.partition else self._write_part
        if not self._rows.more() and not self._files and not self._layout.partition:
            self._write_part()  # a file without rows tells the columns
        cost, last = 0.0, time.perf_counter()
        while self._rows.more():
            step()
            self._done = (len(self._files), self._rows.state())
            if (now := time.perf_counter()) - last >= _COMMIT_SHARE * cost:
                self._commit()
                last = time.perf_counter()
                cost = last - now

    def _commit(self, *, complete: bool = False) -> None:
        """List the files up to the last step; all, if it is complete."""
        count, position = (len(self._files), None) if complete else self._done
        self._manifest = dataclasses.replace(
            self._manifest, files=tuple(self._files[:count]), complete=complete, position=position
        )
        self._lease.check()
        self._manifest.write()

    def _write_part(self) -> None:
        """Write the next file."""
        with self._file({}) as write:
            left = self._layout.rows_per_file
            while left and (table := self._rows.take(min(left, GROUP_ROWS), GROUP_BYTES)).num_rows:
                write(table)
                left -= table.num_rows

    def _write_partitions(self) -> None:
        """Write the next rows by partition, one file after the other."""
        table = self._rows.take(_ALL, self._step_bytes, _ROW_BYTES, STEP_SECONDS)
        size = self._layout.rows_per_file
        for values, rows in split_by(table, self._layout.partition):
            for start in range(0, rows.num_rows, size):
                with self._file(values) as write:
                    write(rows.slice(start, size))

    @contextlib.contextmanager
    def _file(self, values: dict[str, str | None]) -> Iterator[Any]:
        """Write a file, and list it."""
        path = f"{directory_of(values)}part-{len(self._files):05}{self._layout.form.suffix}"
        place = files.join(self._manifest.directory, *path.split("/"))
        if values:
            files.make_directory(files.parent(place))
        with part_writer(place, self._schema, self._layout.form) as part:

            def write(table: pa.Table) -> None:
                self._lease.beat()
                part.write(table)

            yield write
        self._files.append(DataFile(path, part.rows, part.bytes, part.sha256, values))


def write_parquet(
    dataset: Finite,
    path: str,
    rows_per_file: int,
    partition: Sequence[str] | None,
    compression: str | None,
    *,
    overwrite: bool,
    progress: Progress,
) -> WriteResult:
    """Write Parquet files; see `Dataset.write_parquet`."""
    layout = Layout(parquet_format(compression), rows_per_file, _as_columns(partition))
    return write(dataset, path, layout, overwrite=overwrite, progress=progress)


def write_csv(
    dataset: Finite,
    path: str,
    rows_per_file: int,
    partition: Sequence[str] | None,
    compression: str | None,
    *,
    header: bool,
    field_delim: str,
    overwrite: bool,
    progress: Progress,
) -> WriteResult:
    """Write CSV files; see `Dataset.write_csv`."""
    layout = Layout(csv_file_format(compression, header, field_delim), rows_per_file, _as_columns(partition))
    return write(dataset, path, layout, overwrite=overwrite, progress=progress)


def _as_columns(partition: Sequence[str] | None) -> tuple[str, ...]:
    return (partition,) if isinstance(partition, str) else tuple(partition or ())


def write(
    dataset: Finite,
    path: str,
    layout: Layout,
    *,
    overwrite: bool,
    progress: Progress,
    notes: Mapping[str, Any] | None = None,
) -> WriteResult:
    """Write files; see `Dataset.write_parquet`. A new manifest has the notes."""
    began = time.perf_counter()
    refuse_endless(dataset, "written")
    schema = arrow_schema(dataset.element_spec)
    layout.check(schema)
    columns = tuple((field.name, str(field.type)) for field in schema)
    new = Manifest(path, layout.form.name, dataset.node.fingerprint, layout.settings(), columns)
    new = dataclasses.replace(new, notes=notes or {})
    manifest = _claim(new, overwrite)
    before = manifest.rows
    if not manifest.complete:
        files.make_directory(path)
        with hold(path) as lease, contextlib.closing(dataset.blocks()) as blocks:
            manifest = _claim(new, overwrite)  # another one may have ended meanwhile
            before = manifest.rows
            with _told(progress, before, dataset.cardinality()) as told:
                step_bytes = dataset.options().resolved().memory_bytes or 1
                job = Write(blocks, dataset.element_spec, manifest, layout, lease, step_bytes, told)
                manifest = manifest if manifest.complete else job.run()
    seconds = time.perf_counter() - began
    return WriteResult(path, len(manifest.files), manifest.rows, manifest.bytes, seconds, before)


def _claim(new: Manifest, overwrite: bool) -> Manifest:
    """Return the manifest to go on from, or the complete one.

    Raises:
        AlreadyExistsError: The directory holds something else.
    """
    found = find_manifest(new.directory)
    place = files.join(new.directory, MANIFEST)
    if found is None:
        _refuse_others(new)
        return new
    wanted = {"pipeline": new.pipeline, "format": new.format, "schema": new.schema, **new.settings}
    there = {"pipeline": found.pipeline, "format": found.format, "schema": found.schema, **found.settings}
    differ = [name for name, value in wanted.items() if there.get(name) != value]
    if not differ and not (found.complete and overwrite):
        return found
    if overwrite or not (found.files or found.complete):
        return new
    name = differ[0]
    raise AlreadyExistsError(
        f"{place} is of another pipeline: its stages or their settings differ"
        if name == "pipeline"
        else f"{place} was written with {name}={there.get(name)!r}, not {wanted[name]!r}",
        hint="write to another directory, or replace what is there with overwrite=True",
    )


def _refuse_others(new: Manifest) -> None:
    """Raise if there are files that readers of the directory would take for ours."""
    for name in files.list_directory(new.directory):
        if (f".{new.format}" in name or "=" in name) and name[0] not in "._":
            raise AlreadyExistsError(
                f"{files.join(new.directory, name)} is there, and no {MANIFEST} lists it",
                hint="write to another directory, or remove it first",
            )


@contextlib.contextmanager
def _told(progress: Progress, before: int, total: int) -> Iterator[Callable[[int, int], object]]:
    """Give the function that takes numbers of further rows, and of files; show a bar, if that is wanted."""
    if callable(progress):
        done = before

        def tell(rows: int, files: int) -> None:
            nonlocal done
            done += rows
            progress(done, files)

        yield tell
        return
    if not progress:
        yield lambda rows, files: None
        return
    from tqdm import tqdm  # takes time to import

    rows = total if total >= 0 else None
    with tqdm(total=rows, initial=before, unit=" rows", unit_scale=True) as bar:
        yield lambda rows, files: bar.update(rows)
