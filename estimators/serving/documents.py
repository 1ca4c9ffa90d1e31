"""What TensorFlow Serving tells of a model: its status and its metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dataflow.spec import TensorSpec
from estimators.export.loaded_model import Signature

_TYPES = {
    "bool": "DT_BOOL", "str": "DT_STRING", "bytes": "DT_STRING", "float16": "DT_HALF", "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
}  # fmt: skip


def status(states: Iterable[tuple[int, str, str]]) -> dict[str, Any]:
    """Return the document of ``GET /v1/models/<name>`` for versions, their states and messages.

    >>> status([(3, "AVAILABLE", "")])["model_version_status"][0]["status"]
    {'error_code': 'OK', 'error_message': ''}
    """
    return {
        "model_version_status": [
            {
                "version": str(version),
                "state": state,
                "status": {"error_code": "UNKNOWN" if message else "OK", "error_message": message},
            }
            for version, state, message in states
        ]
    }


def metadata(name: str, version: int, signatures: Mapping[str, Signature]) -> dict[str, Any]:
    """Return the document of ``GET /v1/models/<name>/metadata``."""
    described = {
        key: {
            "inputs": {name: _tensor(name, spec) for name, spec in signature.inputs.items()},
            "outputs": {name: _tensor(name, spec) for name, spec in signature.outputs.items()},
            "method_name": signature.method_name,
        }
        for key, signature in signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": described}},
    }


def type_name(spec: TensorSpec) -> str:
    """Return the name that TensorFlow has for a dtype.

    >>> type_name(TensorSpec([None], "int64")), type_name(TensorSpec([None], bytes))
    ('DT_INT64', 'DT_STRING')
    """
    name = {"U": "str", "S": "bytes"}.get(spec.dtype.kind, spec.dtype.name)
    return _TYPES.get(name, f"DT_{name.upper()}")


def _tensor(name: str, spec: TensorSpec) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in spec.shape]
    return {"dtype": type_name(spec), "tensor_shape": {"dim": sizes, "unknown_rank": False}, "name": name}
