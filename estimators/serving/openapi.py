"""The OpenAPI description of a server, from the signatures of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dataflow.spec import TensorSpec
from estimators.export.loaded_model import Signature
from estimators.export.outputs import SERVING_DEFAULT
from estimators.export.signatures import CLASSIFY_METHOD, REGRESS_METHOD

_B64 = {
    "type": "object",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What is wrong."}},
    "required": ["error"],
}
_REFUSALS = {
    "400": "The request is no JSON, or does not fit the signature.",
    "404": "There is no such model or version.",
    "405": "The method is not that of the path.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "503": "Too many requests wait; try again after the seconds of Retry-After.",
    "504": "The model took too long.",
}


def description(name: str, version: int, signatures: Mapping[str, Signature]) -> dict[str, Any]:
    """Return the OpenAPI document of a model.

    Args:
        name: Of the model.
        version: That the description is of.
        signatures: By name.
    """
    base = f"/v1/models/{quote(name, safe='')}"
    verbs = {"predict": dict(signatures)}
    for verb, method in (("classify", CLASSIFY_METHOD), ("regress", REGRESS_METHOD)):
        found = {key: s for key, s in signatures.items() if s.method_name == method}
        if found:
            verbs[verb] = found
    paths: dict[str, Any] = {}
    for verb, found in verbs.items():
        bodies = [
            body
            for key, signature in found.items()
            for body in (_predict(key, signature) if verb == "predict" else [_examples(key, signature)])
        ]
        paths[f"{base}:{verb}"] = {"post": _operation(verb, bodies)}
    paths[base] = {"get": _get("status", "State of each version.")}
    paths[f"{base}/metadata"] = {"get": _get("metadata", "Inputs and outputs of each signature.")}
    paths["/healthz"] = {"get": _get("health", "Whether a model is ready.")}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Model {name}", "version": str(version)},
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR, "Base64": _B64}},
    }


def _operation(verb: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    refusals = {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, text in _REFUSALS.items()
    }
    return {
        "operationId": verb,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": bodies} if len(bodies) > 1 else bodies[0]}},
        },
        "responses": {"200": _ok("Outputs of the model."), **refusals},
    }


def _get(name: str, text: str) -> dict[str, Any]:
    return {"operationId": name, "responses": {"200": _ok(text)}}


def _ok(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"type": "object"}}}}


def _predict(name: str, signature: Signature) -> list[dict[str, Any]]:
    """Return the bodies of both forms, by row and by column."""
    columns = _object({key: _nested(spec.shape, spec) for key, spec in signature.inputs.items()})
    forms = [_body(name, {"inputs": columns})]
    if all(spec.shape for spec in signature.inputs.values()):
        row = _object({key: _nested(spec.shape[1:], spec) for key, spec in signature.inputs.items()})
        forms.insert(0, _body(name, {"instances": {"type": "array", "minItems": 1, "items": row}}))
    return forms


def _examples(name: str, signature: Signature) -> dict[str, Any]:
    features: dict[str, Any] = {"type": "object"}
    return _body(name, {"examples": {"type": "array", "minItems": 1, "items": features}})


def _body(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    named = {"signature_name": {"type": "string", "const": name}}
    required = [*properties] if name == SERVING_DEFAULT else ["signature_name", *properties]
    return {"type": "object", "properties": {**named, **properties}, "required": required}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _nested(shape: tuple[int | None, ...], spec: TensorSpec) -> dict[str, Any]:
    if not shape:
        return _leaf(spec)
    size = shape[0]
    bounds = {"minItems": 1} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", **bounds, "items": _nested(shape[1:], spec)}


def _leaf(spec: TensorSpec) -> dict[str, Any]:
    kind = spec.dtype.kind
    if kind in "US":
        return {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Base64"}]}
    if kind in "iu":
        bits = 8 * spec.dtype.itemsize
        low, high = (0, 2**bits - 1) if kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return {"type": "integer", "minimum": low, "maximum": high}
    return {"type": "boolean"} if kind == "b" else {"type": "number"}
