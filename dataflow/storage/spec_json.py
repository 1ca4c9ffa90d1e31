"""Element specs as JSON, for files that say themselves what they hold."""

from __future__ import annotations

import collections
import functools
from collections.abc import Mapping
from typing import Any

from dataflow.errors import SpecError
from dataflow.spec import Structure, TensorSpec, dtype_name, is_namedtuple


def to_json(spec: Structure) -> dict[str, Any]:
    """Return the structure as plain JSON.

    Raises:
        SpecError: There is a key of a dict that is neither text nor an integer, or a component that is
            no tensor.
    """
    if type(spec) is TensorSpec:  # others, such as those of datasets, are no arrays
        return {"tensor": {"shape": list(spec.shape), "dtype": dtype_name(spec.dtype), "name": spec.name}}
    if isinstance(spec, Mapping):
        wrong = [key for key in spec if type(key) not in (str, int)]
        if wrong:
            raise SpecError(f"the key {wrong[0]!r} cannot be saved", hint="use text or integers as keys")
        return {"dict": [[key, to_json(part)] for key, part in spec.items()]}
    if is_namedtuple(spec):
        fields = zip(spec._fields, spec, strict=True)
        return {"namedtuple": type(spec).__name__, "fields": [[name, to_json(part)] for name, part in fields]}
    if isinstance(spec, tuple):
        return {"tuple": [to_json(part) for part in spec]}
    raise SpecError(f"elements with a component {spec!r} cannot be saved")


def from_json(value: Any) -> Structure:
    """Return the structure that `to_json` was given; a namedtuple becomes one of the same name and fields.

    Raises:
        ValueError: It is something else.
    """
    keys = sorted(value) if isinstance(value, dict) else None
    if keys == ["tensor"] and sorted(value["tensor"]) == ["dtype", "name", "shape"]:
        return TensorSpec(**value["tensor"])
    if keys == ["dict"]:
        return {key: from_json(part) for key, part in value["dict"]}
    if keys == ["fields", "namedtuple"]:
        names = tuple(name for name, _ in value["fields"])
        return _namedtuple(value["namedtuple"], names)(*[from_json(part) for _, part in value["fields"]])
    if keys == ["tuple"]:
        return tuple(from_json(part) for part in value["tuple"])
    raise ValueError(f"{value!r} is no element spec")


@functools.lru_cache(maxsize=256)
def _namedtuple(name: str, fields: tuple[str, ...]) -> Any:
    return collections.namedtuple(name, fields)
