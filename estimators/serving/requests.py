"""Bodies of requests, as TensorFlow Serving takes them, to columns."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow.spec import TensorSpec, is_text
from estimators.export.outputs import SERVING_DEFAULT
from estimators.export.signatures import CLASSIFY_METHOD, REGRESS_METHOD
from estimators.serving import json_text
from estimators.serving.columns import Column, column, decoded, is_b64
from estimators.serving.errors import bad

ROW, COLUMN = "predictions", "outputs"
"""The forms of requests of `predict`, by the key of the answer."""
_METHODS = {"classify": CLASSIFY_METHOD, "regress": REGRESS_METHOD}


@dataclasses.dataclass(slots=True)
class Request:
    """What a client asks of a model.

    Args:
        signature: Name of the signature.
        columns: Its inputs by name.
        form: `ROW` or `COLUMN`; a verb else.
    """

    signature: str
    columns: dict[str, Column]
    form: str


def parse(body: bytes, verb: str, signatures: Mapping[str, Any]) -> Request:
    """Return the request in a body.

    Args:
        body: JSON.
        verb: "predict", "classify" or "regress".
        signatures: Those of the model, by name.

    Raises:
        RequestError: The body is something else, or does not fit the signature.
    """
    if not body:
        raise bad("JSON Parse error: The document is empty")
    try:
        document = json_text.loads(body)
    except ValueError as error:
        raise bad(f"JSON Parse error: {error}") from None
    if type(document) is not dict:
        raise bad("the body must be a JSON object")
    name = document.get("signature_name", SERVING_DEFAULT)
    if type(name) is not str:
        raise bad("'signature_name' key must be a string value")
    signature = signatures.get(name or SERVING_DEFAULT)
    if signature is None:
        raise bad(
            f'Serving signature name: "{name}" not found in signature def; there are {sorted(signatures)}'
        )
    if verb != "predict":
        if signature.method_name != _METHODS[verb]:
            raise bad(f"signature {name!r} is of {signature.method_name}, and {_METHODS[verb]} is asked for")
        return Request(name or SERVING_DEFAULT, _examples(document, signature.inputs), verb)
    if "instances" in document:
        if "inputs" in document:
            raise bad("expecting only one of 'inputs' or 'instances' keys to exist")
        return Request(name or SERVING_DEFAULT, _rows(document["instances"], signature.inputs), ROW)
    if "inputs" in document:
        return Request(name or SERVING_DEFAULT, _columns(document["inputs"], signature.inputs), COLUMN)
    raise bad("Missing 'inputs' or 'instances' key")


def _rows(rows: Any, inputs: Mapping[str, TensorSpec]) -> dict[str, Column]:
    """Return the columns of ``instances``."""
    if type(rows) is not list or not rows:
        raise bad("'instances' must be a list with at least one value")
    _check_batched(inputs)
    if type(rows[0]) is not dict or is_b64(rows[0]):
        if len(inputs) > 1:
            raise bad(
                f"instances is a plain list, but must be a list of objects with the keys {_keys(inputs)}"
            )
        [(name, spec)] = inputs.items()
        return {name: column(rows, spec, name)}
    for number, row in enumerate(rows):
        if type(row) is not dict or row.keys() != inputs.keys():
            found = f"has the keys {_keys(row)}" if type(row) is dict else "is no object"
            raise bad(f"element {number} of 'instances' {found}; keys must be equal to {_keys(inputs)}")
    return {name: column([row[name] for row in rows], spec, name) for name, spec in inputs.items()}


def _columns(value: Any, inputs: Mapping[str, TensorSpec]) -> dict[str, Column]:
    """Return the columns of ``inputs``."""
    if type(value) is not dict or is_b64(value):
        if len(inputs) > 1:
            raise bad(f"inputs is a plain value or list, but must be an object with the keys {_keys(inputs)}")
        value = {next(iter(inputs)): value}
    missing = [name for name in inputs if name not in value]
    if missing:
        raise bad(f"missing named input {missing[0]!r} in 'inputs'; there must be {_keys(inputs)}")
    found = {name: column(value[name], spec, name) for name, spec in inputs.items()}
    rows = {name: found[name].shape[0] for name, spec in inputs.items() if spec.shape[:1] == (None,)}
    if len(set(rows.values())) > 1:
        raise bad(f"inputs have different numbers of rows: {rows}")
    return found


def _examples(document: Mapping[str, Any], inputs: Mapping[str, TensorSpec]) -> dict[str, Column]:
    """Return the columns of ``examples``, each a JSON text where the model parses these itself."""
    examples, context = document.get("examples"), document.get("context", {})
    if type(examples) is not list or not examples:
        raise bad("'examples' must be a list with at least one value")
    if type(context) is not dict or any(type(example) is not dict for example in examples):
        raise bad("'context' and each of 'examples' must be objects")
    for number, example in enumerate(examples):
        if twice := context.keys() & example.keys():
            raise bad(f"{sorted(twice)} is in 'context', and in example {number} too")
    whole = [{**context, **example} for example in examples]
    if len(inputs) == 1:
        [(name, spec)] = inputs.items()
        if is_text(spec.dtype) and spec.rank == 1 and not all(row.keys() == {name} for row in whole):
            texts: list[Any] = [json.dumps(_plain(row)) for row in whole]
            return {name: column(texts, spec, name)}
    fitting = [{name: _fitting(value, inputs.get(name)) for name, value in row.items()} for row in whole]
    return _rows(fitting, inputs)


def _plain(value: Any) -> Any:
    """Return an example with text in place of ``{"b64": ...}``."""
    if is_b64(value):
        try:
            return decoded(value, "examples").decode()
        except UnicodeDecodeError:
            raise bad("examples are parsed as JSON by this model, which can hold no binary data") from None
    if type(value) is list:
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if type(value) is dict else value


def _fitting(value: Any, spec: TensorSpec | None) -> Any:
    """Return a feature of an example: a list of one is a scalar, and the reverse, as is asked for."""
    if spec is None:
        return value
    if spec.rank == 1 and type(value) is list and len(value) == 1:
        return value[0]
    return [value] if spec.rank == 2 and type(value) is not list else value


def _check_batched(inputs: Mapping[str, TensorSpec]) -> None:
    for name, spec in inputs.items():
        if not spec.shape:
            raise bad(f"input {name!r} has no axis of rows: use 'inputs' in place of 'instances'")


def _keys(names: Sequence[str] | Mapping[str, Any]) -> str:
    listed = ", ".join(map(repr, sorted(names)[:40]))
    return f"[{listed}, …]" if len(names) > 40 else f"[{listed}]"
