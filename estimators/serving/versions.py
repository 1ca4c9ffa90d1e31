"""`Versions`: which versions of a model there are, and which are loaded."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dataflow.errors import DataflowError, NotFoundError
from dataflow.spec import TensorSpec, is_text
from dataflow.storage import files
from dataflow.storage.directories import numbered
from estimators.export.format import MODEL
from estimators.export.loaded_model import LoadedModel, Signature, load_model
from estimators.serving.batching import Batcher, Lane
from estimators.serving.columns import Column
from estimators.serving.errors import RequestError
from estimators.serving.settings import Settings

_logger = logging.getLogger("estimators.serving")
RETRY_SECONDS = 30.0
"""How long a version that could not be loaded is left alone."""


class Served:
    """A version that is loaded.

    Args:
        number: The version.
        path: Its directory.
        settings: Of the server.
        observe: As of `Batcher`.

    Raises:
        DataflowError: It cannot be loaded.
    """

    def __init__(
        self, number: int, path: str, settings: Settings, observe: Callable[[int, int], None]
    ) -> None:
        self.number = number
        self.model: LoadedModel = load_model(path)
        self.since = time.time()
        self.header = (b"model-version", str(number).encode())
        self.batchers: dict[str, Batcher] = {}
        lane = Lane()
        for name, signature in self.model.signatures.items():
            largest = settings.max_batch_size if _has_rows(signature) else 1
            run = _runner(self.model, name)
            if largest > 1 and not _rows_are_alone(run, signature):
                _logger.info("Signature %s mixes the rows of a batch: requests are not joined.", name)
                largest = 1
            batcher = Batcher(run, signature.inputs, largest, settings.timeout_seconds, lane, observe)
            _warm_up(batcher, signature.inputs, largest)
            self.batchers[name] = batcher


def _has_rows(signature: Signature) -> bool:
    return all(s.shape[:1] == (None,) for s in (*signature.inputs.values(), *signature.outputs.values()))


def _runner(model: LoadedModel, name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda columns: model.run(list(columns.values()), name)


def _example(spec: TensorSpec, draws: np.random.Generator) -> Column:
    """Return a row that fits the spec."""
    shape = tuple(1 if size is None else size for size in spec.shape)
    if is_text(spec.dtype):
        empty: Any = b"" if spec.dtype.kind == "S" else ""
        return Column([empty] * int(np.prod(shape)), shape)
    return Column(draws.integers(0, 2, int(np.prod(shape))).astype(spec.dtype).tolist(), shape)


def _rows_are_alone(run: Callable[[dict[str, Any]], dict[str, Any]], signature: Signature) -> bool:
    """Try whether rows of a batch have the outputs that they have alone; if it fails, nothing is known."""
    draws = np.random.default_rng(0)
    rows = [{name: _example(spec, draws) for name, spec in signature.inputs.items()} for _ in range(4)]
    single = Batcher(run, signature.inputs, 2, 1.0, Lane())
    together = Batcher(run, signature.inputs, len(rows), 1.0, Lane())
    try:
        pairs = zip([single.run([row])[0] for row in rows], together.run(rows), strict=True)
        return all(_alike(one[name], other[name]) for one, other in pairs for name in one)
    except DataflowError:
        return True


def _alike(one: Any, other: Any) -> bool:
    if one.shape != other.shape or one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True))


def _warm_up(batcher: Batcher, inputs: Mapping[str, TensorSpec], largest: int) -> None:
    """Run each size of batches, so that no request waits for a plan, and it is known what is fast."""
    row = {name: _example(spec, np.random.default_rng(0)) for name, spec in inputs.items()}
    rows = 1
    while rows <= largest:
        try:
            for _ in range(2):
                batcher.run([row] * rows)
                batcher.forget(rows)
            batcher.run([row] * rows)
        except DataflowError:  # such as an empty image
            return
        rows *= 2


class Versions:
    """The versions of a model in a directory.

    Args:
        path: The directory of versions, or one version.
        settings: Of the server.
        observe: As of `Batcher`.
        counted: Called with whether loading went well, for each try.

    Raises:
        NotFoundError: There is no version.
        DataflowError: None of them can be loaded.
    """

    def __init__(
        self,
        path: str,
        settings: Settings,
        observe: Callable[[int, int], None],
        counted: Callable[[bool], None] = lambda good: None,
    ) -> None:
        self._path = path
        self._settings = settings
        self._observe = observe
        self._counted = counted
        self._single = files.exists(files.join(path, MODEL))
        self._failed: dict[int, tuple[str, float]] = {}
        self.loaded: dict[int, Served] = {}
        """Those that are served, newest first; the dict is never changed, but replaced."""
        found = self._found()
        if not found:
            raise NotFoundError(
                f"{path} holds no exported model",
                hint="give the directory that export_saved_model was given, or what it returned",
            )
        self.refresh()
        if not self.loaded:
            raise load_error(found, self._failed)

    @property
    def moves(self) -> bool:
        """Whether other versions may come."""
        return not self._single

    def newest(self) -> Served:
        """Return the newest version that is loaded."""
        return next(iter(self.loaded.values()))

    def get(self, number: int | None = None, label: str | None = None) -> Served:
        """Return the version of a request.

        Raises:
            RequestError: It is not served (404), or there is no such label (400).
        """
        if label is not None:
            if label not in self._settings.labels:
                raise RequestError(400, f"Unrecognized servable version label: {label}")
            number = self._settings.labels[label]
        if number is None:
            return self.newest()
        if number not in self.loaded:
            raise RequestError(
                404, f"Servable not found for request: Specific({self._settings.name}, {number})"
            )
        return self.loaded[number]

    def states(self) -> list[tuple[int, str, str]]:
        """Return version, state and message of all that are known, as TensorFlow Serving calls them."""
        known = {number: ("AVAILABLE", "") for number in self.loaded}
        for number, (message, _) in self._failed.items():
            known.setdefault(number, ("END", message))
        return [(number, *known[number]) for number in sorted(known, reverse=True)]

    def refresh(self) -> None:
        """Load what is new and to be served, and drop what no longer is; requests go on meanwhile."""
        found = self._found()
        self._failed = {number: entry for number, entry in self._failed.items() if number in found}
        if not found:
            return
        tries = (self._loaded(number, found[number]) for number in found)
        chosen = list(itertools.islice((served for served in tries if served), self._settings.versions))
        for number in sorted(set(self._settings.labels.values()), reverse=True):
            served = self._loaded(number, found[number]) if number in found else None
            if served and served not in chosen:
                chosen.append(served)
        if not chosen:
            return
        loaded = {served.number: served for served in chosen}
        if list(loaded) != list(self.loaded):
            _logger.info("Serving versions %s of %s.", list(loaded), self._path)
        self.loaded = loaded

    def _loaded(self, number: int, path: str) -> Served | None:
        """Return a version, loaded now if it was not; None if it cannot be."""
        if number in self.loaded:
            return self.loaded[number]
        message, when = self._failed.get(number, ("", 0.0))
        if message and time.monotonic() - when < RETRY_SECONDS:
            return None
        try:
            served = Served(number, path, self._settings, self._observe)
        except Exception as error:  # whatever is wrong with it, the others go on
            text = str(error) or type(error).__name__
            if text != message:
                _logger.error("Version %d cannot be loaded, and is left aside: %s", number, text)
            self._failed[number] = text, time.monotonic()
            self._counted(False)
            return None
        self._failed.pop(number, None)
        self._counted(True)
        return served

    def _found(self) -> dict[int, str]:
        """Return the directories of all versions, newest first."""
        if self._single:
            name = os.path.basename(self._path.rstrip("/"))
            return {int(name) if name.isdecimal() and name.isascii() else 1: self._path}
        names = numbered(self._path, MODEL)
        return {int(name): files.join(self._path, name) for name in reversed(names)}


def load_error(found: Mapping[int, str], failed: Mapping[int, tuple[str, float]]) -> DataflowError:
    """Return the error of a directory in which no version can be loaded."""
    newest = next(iter(found))
    return DataflowError(f"no version can be loaded; {found[newest]}: {failed[newest][0]}")
