"""Writing an exported model: the graph as JSON, variables, vocabularies; no code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import safetensors.numpy

from dataflow import __version__
from dataflow.errors import InvalidArgumentError, SpecError
from dataflow.storage import files
from dataflow.storage.directories import new_directory
from estimators.export.attributes import Stores, spec_to_json
from estimators.export.format import ASSETS, ASSETS_EXTRA, FORMAT, MODEL, VARIABLES, VERSION
from estimators.export.graph_json import GraphWriter
from estimators.export.signatures import SignatureTensors
from estimators.graph.primitives.vocabulary import Vocabulary
from estimators.graph.variable import Array, members_of

CONSTANT = "constants#"
"""Names of arrays that are no variables begin so."""


def write(
    base: str,
    signatures: Mapping[str, SignatureTensors],
    values: Mapping[str, Array],
    step: int,
    assets_extra: Mapping[str, str] | None = None,
    *,
    as_text: bool = False,
) -> str:
    """Write a new version of a model, visible complete or not at all, and return its path.

    Args:
        base: The directory of versions.
        signatures: What the model can do, by name.
        values: Of its variables.
        step: The global step.
        assets_extra: Files to go with it: paths below ``assets.extra``, and where to copy them from.
        as_text: Indent the JSON.

    Raises:
        SpecError: Something in the graph cannot be exported.
        InvalidArgumentError: A path of `assets_extra` leads elsewhere.
        NotFoundError: A file of `assets_extra` is missing.
    """
    extra = {_checked_extra(name): source for name, source in (assets_extra or {}).items()}
    document, content = _document(signatures, values, step)
    document["files"] = {
        name: {"bytes": len(data), "crc32": zlib.crc32(data)} for name, data in content.items()
    }
    text = json.dumps(document, indent=1 if as_text else None, allow_nan=False)
    with new_directory(base) as (place, path):
        for name, data in content.items():
            _write(place, name, data)
        for name, source in extra.items():
            _write(place, f"{ASSETS_EXTRA}/{name}", files.read_bytes(source))
        _write(place, MODEL, text.encode())
    return path


def _write(place: str, name: str, data: bytes) -> None:
    path = files.join(place, *name.split("/"))
    files.make_directory(files.parent(path))
    with files.atomic_writer(path) as file:
        file.write(data)


def _checked_extra(name: str) -> str:
    parts = name.replace("\\", "/").split("/") if isinstance(name, str) else [".."]
    if any(part in ("", ".", "..") or ":" in part for part in parts):
        raise InvalidArgumentError(
            f"assets_extra has the path {name!r}",
            hint="give paths below assets.extra, such as 'words/list.txt'",
        )
    return "/".join(parts)


def _document(
    signatures: Mapping[str, SignatureTensors], values: Mapping[str, Array], step: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the description of a model, and its other files."""
    arrays: dict[str, Array] = {}
    assets: dict[Vocabulary, tuple[str, bytes]] = {}

    def add_array(array: Array) -> str:
        name = f"{CONSTANT}{len(arrays)}"
        arrays[name] = np.array(array, order="C")
        return name

    def add_vocabulary(vocabulary: Vocabulary) -> str:
        if vocabulary not in assets:
            assets[vocabulary] = _asset(vocabulary, len(assets))
        return assets[vocabulary][0]

    graph = GraphWriter(Stores(add_array, _not_here, add_vocabulary, _not_here))
    described = {name: _signature(graph, name, signature) for name, signature in signatures.items()}
    for variable in members_of(graph.variables):
        if variable.name.startswith(CONSTANT):
            raise InvalidArgumentError(f"{variable!r} cannot be exported", hint="give it another name")
        arrays[variable.name] = np.array(values[variable.name], order="C")
    content = {VARIABLES: safetensors.numpy.save(arrays, {"format": "np"})}
    content.update({f"{ASSETS}/{name}": data for name, data in assets.values()})
    document = {
        "format": FORMAT,
        "format_version": VERSION,
        "written_by": f"dataflow-estimators {__version__}",
        "global_step": step,
        "signatures": described,
        "calls": graph.calls,
    }
    return document, content


def _not_here(*_: Any) -> NoReturn:
    raise AssertionError("nothing is read while a model is written")


def _signature(graph: GraphWriter, name: str, signature: SignatureTensors) -> dict[str, Any]:
    parts: dict[str, Any] = {"method_name": signature.method_name}
    for kind, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        wrong = [key for key in tensors if not isinstance(key, str)]
        if wrong:
            raise SpecError(f"signature {name!r} has {kind} called {wrong[0]!r}", hint="names must be text")
        places = graph.add(list(tensors.values()))
        parts[kind] = {
            key: {"spec": spec_to_json(tensor.spec), "place": place}
            for (key, tensor), place in zip(tensors.items(), places, strict=True)
        }
    return parts


def _asset(vocabulary: Vocabulary, number: int) -> tuple[str, bytes]:
    """Return name and content of a file for a vocabulary: one word on each line, where they fit there."""
    words = [str(term) for term in vocabulary.terms]
    if any("\n" in word or "\r" in word for word in words):
        return f"vocabulary_{number}.json", json.dumps(words).encode()
    return f"vocabulary_{number}.txt", "".join(f"{word}\n" for word in words).encode()
