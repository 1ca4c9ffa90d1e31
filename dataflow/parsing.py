"""Text in formats: `parse_json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dataflow.errors import SpecError
from dataflow.expr.checked import checked
from dataflow.expr.primitives.parse_json import Field, parse_json_primitive
from dataflow.spec import ObjectSpec, TensorSpec, dtype_name, is_text

__all__ = ["parse_json"]


def parse_json(x: Any, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Parse texts that are JSON objects to one tensor per key.

    Integers may stand for floats, but not the reverse, and bools for neither. Keys that are not asked for
    are skipped; null is as if its key were missing. In `Dataset.map`, a size of None in a spec may differ
    from element to element.

    Args:
        x: Text, or bytes in UTF-8, of any shape.
        spec: For each key a `TensorSpec`, or a dtype for a scalar; or a pair of that and the value to take
            where the key is missing.

    Returns:
        One tensor per key, of the shape of `x` and then that of its spec.

    Raises:
        InvalidArgumentError: A text is no JSON object, lacks a key without default, or has a value of another
            kind or shape; the message names the key and the value, in a pipeline also the place of the text.
        SpecError: `spec` is something else, or a default does not fit.

    >>> parse_json('{"id": 7, "xy": [1, 2.5]}', {"id": np.int64, "xy": TensorSpec((2,)), "tag": (str, "-")})
    {'id': np.int64(7), 'xy': array([1. , 2.5], dtype=float32), 'tag': '-'}
    """
    fields = tuple(_field(key, wanted) for key, wanted in spec.items())
    if not fields:
        raise SpecError("parse_json needs at least one key in its spec")
    values = checked(parse_json_primitive, x, fields=fields)
    return {field.key: value for field, value in zip(fields, values, strict=True)}


def _field(key: str, wanted: Any) -> Field:
    has_default = isinstance(wanted, tuple)
    if has_default and len(wanted) != 2:
        raise SpecError(f"the spec of {key!r} must be a TensorSpec, a dtype, or a pair with a default")
    kind, default = wanted if has_default else (wanted, None)
    spec = kind if isinstance(kind, TensorSpec) else TensorSpec((), kind)
    if isinstance(spec, ObjectSpec) or spec.dtype.kind not in "biufUS":
        raise SpecError(f"parse_json makes numbers, bools and text, and the spec of {key!r} is {spec}")
    if not has_default:
        return Field(key, spec)
    array = np.asarray(default, object if is_text(spec.dtype) else spec.dtype)
    if not spec.is_compatible_with(TensorSpec(array.shape, spec.dtype)):
        raise SpecError(
            f"the default of {key!r} is {default!r}, which does not fit {dtype_name(spec.dtype)} {spec}"
        )
    return Field(key, spec, True, array[()])
