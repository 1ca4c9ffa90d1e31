"""`Dataset.save`: write all elements to a directory, now, and go on after an interruption."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from dataflow.errors import DataLossError, InvalidArgumentError, StateError, did_you_mean
from dataflow.options import INFINITE_CARDINALITY, Options
from dataflow.plan.node import Node
from dataflow.runtime.iterate import BlockIterator
from dataflow.spec import Structure
from dataflow.storage import files, runs

PROGRESS = "save_progress.json"
VERSION = 1
DEFAULT_INTERVAL = 1_000_000

_KEYS = ("checkpoint_interval", "directory", "max_to_keep", "step_counter")


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """How a save notes its progress.

    Args:
        file: Where; local or a URL.
        interval: After how many elements.
    """

    file: str
    interval: int


def as_checkpoints(path: str, checkpoint_args: Mapping[str, Any] | None) -> Checkpoints | None:
    """Return what `checkpoint_args` of a save to `path` ask for.

    Raises:
        InvalidArgumentError: There is another key, or a wrong value.
    """
    if checkpoint_args is None:
        return None
    for key in checkpoint_args:
        if key not in _KEYS:
            raise InvalidArgumentError(
                f"checkpoint_args has a key {key!r} that is not known", hint=did_you_mean(str(key), _KEYS)
            )
    interval = checkpoint_args.get("checkpoint_interval", DEFAULT_INTERVAL)
    if type(interval) is not int or interval < 1:
        raise InvalidArgumentError(f"checkpoint_interval must be a number of elements, not {interval!r}")
    directory = files.as_paths(checkpoint_args.get("directory", path))[0]
    return Checkpoints(files.join(directory, PROGRESS), interval)


class Finite(Protocol):
    """What is needed of a Dataset that is written to its end; its module imports this one."""

    @property
    def node(self) -> Node:
        """The plan."""
        ...

    @property
    def element_spec(self) -> Structure:
        """Structure of TensorSpec of one element."""
        ...

    def cardinality(self) -> int:
        """Return the number of elements."""
        ...

    def options(self) -> Options:
        """Return its options."""
        ...

    def blocks(self) -> BlockIterator:
        """Start it."""
        ...


def refuse_endless(dataset: Finite, what: str) -> None:
    """Raise InvalidArgumentError if a dataset has no end; `what` would be done with it."""
    if dataset.cardinality() == INFINITE_CARDINALITY:
        raise InvalidArgumentError(f"an endless dataset cannot be {what}", hint="say how many with take()")


def save(
    dataset: Finite,
    keyed: Finite | None,
    path: str,
    compression: str | None,
    checkpoint_args: Mapping[str, Any] | None,
) -> None:
    """Write all elements to a directory; `keyed` has pairs (shard, element), if shards are wanted."""
    refuse_endless(dataset, "saved")
    checkpoints = as_checkpoints(path, checkpoint_args)
    with contextlib.closing((keyed or dataset).blocks()) as blocks:
        Save(
            blocks,
            path,
            dataset.element_spec,
            compression,
            sharded=keyed is not None,
            checkpoints=checkpoints,
        ).run()


class Save:
    """Writes the elements of an iterator as a new run.

    Args:
        blocks: The elements; pairs (shard, element) if `sharded`.
        path: The directory; local or a URL.
        spec: Structure of TensorSpec of the elements, without the shard.
        compression: One of `block_file.CODECS`.
        sharded: Whether each element says its shard.
        checkpoints: How to note the progress; None: an interruption leaves nothing.
    """

    def __init__(
        self,
        blocks: BlockIterator,
        path: str,
        spec: Structure,
        compression: str | None = None,
        *,
        sharded: bool = False,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._blocks = blocks
        self._path = path
        self._spec = spec
        self._compression = compression
        self._sharded = sharded
        self._checkpoints = checkpoints
        self._noted = False  # whether there is progress to go on from

    def run(self) -> None:
        """Write all elements, or those that are missing.

        Raises:
            StateError: The progress belongs to another save.
        """
        progress = self._read_progress()
        if progress is not None:
            done = runs.find_run(self._path)
            if done is not None and done.name == progress["run"]:  # only the clean-up was missing
                self._forget_progress()
                return
            self._blocks.restore(progress["iterator"])
            self._noted = True
        writer = runs.RunWriter(
            self._path, self._spec, self._compression, sharded=self._sharded, progress=progress
        )
        try:
            self._write_all(writer)
            writer.finish()
        except BaseException:
            if self._noted:
                writer.release()
            else:
                writer.discard()
            raise
        self._forget_progress()

    def _write_all(self, writer: runs.RunWriter) -> None:
        interval = 1 << 62 if self._checkpoints is None else self._checkpoints.interval
        left = interval
        while (block := self._blocks.read(left)) is not None:
            writer.write(block)
            left -= block.length
            if not left:
                self._write_progress(writer)
                left = interval

    def _settings(self) -> dict[str, Any]:
        """Return what must be the same when the save goes on; the pipeline is guarded by its position."""
        return {
            "version": VERSION,
            "path": self._path,
            "compression": self._compression,
            "sharded": self._sharded,
        }

    def _write_progress(self, writer: runs.RunWriter) -> None:
        assert self._checkpoints is not None
        written = writer.checkpoint()
        files.make_directory(files.parent(self._checkpoints.file))
        progress = {**self._settings(), **written, "iterator": self._blocks.state()}
        runs.write_json(self._checkpoints.file, progress)
        self._noted = True

    def _read_progress(self) -> dict[str, Any] | None:
        if self._checkpoints is None or not files.exists(self._checkpoints.file):
            return None
        place = self._checkpoints.file
        found: dict[str, Any] = runs.read_json(place)
        wanted = self._settings()
        if not isinstance(found, dict) or found.keys() != wanted.keys() | {"run", "shards", "iterator"}:
            raise DataLossError(f"{place} is not the progress of a save", hint="delete it to save anew")
        for name, value in wanted.items():
            if found[name] != value:
                raise StateError(
                    f"the save that {place} would go on with has {name}={found[name]!r}, not {value!r}",
                    hint="save with the same settings, or delete the file to save anew",
                )
        return found

    def _forget_progress(self) -> None:
        if self._checkpoints is not None:
            files.remove(self._checkpoints.file)
