"""Reading an exported model: everything is checked, nothing in it runs."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import safetensors
import safetensors.numpy

from dataflow.errors import DataflowError, NotFoundError, did_you_mean
from dataflow.expr.function import postorder
from dataflow.expr.tensor import PARAMETER, Tensor
from dataflow.spec import TensorSpec
from dataflow.storage import files
from dataflow.storage.directories import numbered
from estimators.export.attributes import Stores, spec_from_json
from estimators.export.format import ASSETS, FORMAT, MODEL, VARIABLES, VERSION, SavedModelError
from estimators.export.graph_json import GraphReader
from estimators.export.signatures import SignatureTensors
from estimators.graph.primitives.vocabulary import Vocabulary
from estimators.graph.variable import Array

_HINT = "export the model again, or copy its directory again"
_ASSET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclasses.dataclass(frozen=True, eq=False)
class ModelFiles:
    """What the files of an exported model hold.

    Args:
        path: Its directory.
        signatures: By name.
        values: Of variables, by name.
        step: The global step it was exported at.
        checksum: CRC-32 of the description.
    """

    path: str
    signatures: dict[str, SignatureTensors]
    values: dict[str, Array]
    step: int
    checksum: int


def find(path: str | os.PathLike[str]) -> str:
    """Return the directory of a model: the path itself, or its newest version.

    Raises:
        NotFoundError: There is none.
    """
    path = os.fspath(path)
    if files.exists(files.join(path, MODEL)):
        return path
    versions = numbered(path, MODEL)
    if not versions:
        raise NotFoundError(
            f"{path} holds no exported model: neither {MODEL} nor a directory of ten digits with one",
            hint="give what export_saved_model returned, or the directory that it was given",
        )
    return files.join(path, versions[-1])


def read(path: str | os.PathLike[str]) -> ModelFiles:
    """Read an exported model, or the newest of a directory of them.

    Raises:
        NotFoundError: There is none.
        SavedModelError: A file is truncated or damaged, or of a newer format; the graph calls what is not
            known, or shapes do not fit.
    """
    place = find(path)
    try:
        return _read(place)
    except SavedModelError:
        raise
    except RecursionError:
        raise SavedModelError(f"{place} is no exported model: it is nested too deeply", hint=_HINT) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        text = error.message if isinstance(error, DataflowError) else str(error)
        text = f"{text} is missing" if isinstance(error, KeyError) else text
        raise SavedModelError(f"{place} is no complete exported model: {text}", hint=_HINT) from error


def _read(place: str) -> ModelFiles:
    text = files.read_bytes(files.join(place, MODEL))
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SavedModelError(
            f"{files.join(place, MODEL)} describes no exported model",
            hint="models of TensorFlow (saved_model.pb) cannot be read: export them from here",
        )
    version = document["format_version"]
    if type(version) is not int or version > VERSION:
        raise SavedModelError(
            f"{place} has the format version {version!r}, and versions up to {VERSION} are read here",
            hint="install a newer version of this package",
        )
    listed = document["files"]

    def content(name: str) -> bytes:
        return _content(place, name, listed)

    try:
        arrays = safetensors.numpy.load(content(VARIABLES))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{VARIABLES}: {error}") from error
    used: dict[str, Array] = {}
    reader = GraphReader(_stores(arrays, content), _checker(arrays, used))
    reader.read(document["calls"])
    described = document["signatures"]
    if not isinstance(described, dict) or not described or type(document["global_step"]) is not int:
        raise ValueError("it has no signatures, or no global step")
    signatures = {name: _signature(reader, name, value) for name, value in described.items()}
    return ModelFiles(place, signatures, used, document["global_step"], zlib.crc32(text))


def _content(place: str, name: str, listed: Mapping[str, Any]) -> bytes:
    """Return a file that the description lists, if it is as it was written."""
    if name not in listed:
        raise ValueError(f"{name} is not among its files; {did_you_mean(name, listed)}")
    try:
        data = files.read_bytes(files.join(place, *name.split("/")))
    except NotFoundError:
        raise ValueError(f"the file {name} is missing") from None
    if len(data) != listed[name]["bytes"]:
        raise ValueError(f"{name} has {len(data)} bytes, and {listed[name]['bytes']} were written")
    if zlib.crc32(data) != listed[name]["crc32"]:
        raise ValueError(f"{name} is not as it was written: its checksum is wrong")
    return data


def _stores(arrays: Mapping[str, Array], content: Callable[[str], bytes]) -> Stores:
    vocabularies: dict[tuple[str, bool], Vocabulary] = {}

    def array(name: str) -> Array:
        if name not in arrays:
            raise ValueError(f"there is no array {name!r}")
        return arrays[name]

    def vocabulary(name: str, is_text: bool) -> Vocabulary:
        if (name, is_text) not in vocabularies:
            if not _ASSET.fullmatch(name):
                raise ValueError(f"the asset {name!r} is not the plain name of a file in {ASSETS}")
            data = content(f"{ASSETS}/{name}")
            vocabularies[name, is_text] = _vocabulary(data, is_text, as_json=name.endswith(".json"))
        return vocabularies[name, is_text]

    return Stores(_not_written, array, _not_written, vocabulary)


def _not_written(_: Any) -> str:
    raise AssertionError("nothing is written while a model is read")


def _vocabulary(data: bytes, is_text: bool, *, as_json: bool) -> Vocabulary:
    words = json.loads(data) if as_json else data.decode("utf-8").split("\n")[:-1]
    return Vocabulary(
        pa.array(words, pa.string()) if is_text else pa.array(list(map(int, words)), pa.int64())
    )


def _checker(arrays: Mapping[str, Array], used: dict[str, Array]) -> Callable[[str, TensorSpec], None]:
    def has_variable(name: str, spec: TensorSpec) -> None:
        if name not in arrays:
            raise ValueError(f"variable {name!r} has no value; {did_you_mean(name, arrays)}")
        array = arrays[name]
        if array.shape != spec.shape or array.dtype != spec.dtype:
            raise ValueError(
                f"variable {name!r} has a value of shape {array.shape} ({array.dtype}), and is {spec}"
            )
        used[name] = array

    return has_variable


def _signature(reader: GraphReader, name: str, value: Any) -> SignatureTensors:
    try:
        method = value["method_name"]
        inputs = {key: _described(reader, part) for key, part in value["inputs"].items()}
        outputs = {key: _described(reader, part) for key, part in value["outputs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"signature {name!r}: {error}") from error
    if not isinstance(method, str) or not inputs or not outputs:
        raise ValueError(f"signature {name!r} has no method, or no inputs and outputs")
    fed = {id(tensor.call) for tensor in inputs.values() if tensor.call.primitive is PARAMETER}
    if len(fed) < len(inputs):
        raise ValueError(f"signature {name!r} has inputs that are computed, or are the same")
    needed = {id(call) for call in postorder(outputs.values()) if call.primitive is PARAMETER}
    if not needed <= fed:
        raise ValueError(f"signature {name!r} needs an input that it does not have")
    return SignatureTensors(method, inputs, outputs)


def _described(reader: GraphReader, value: Any) -> Tensor:
    tensor, spec = reader.tensor(value["place"]), spec_from_json(value["spec"])
    if not tensor.spec.is_compatible_with(spec):
        raise ValueError(f"{tensor.spec} is said to be {spec}")
    return tensor
