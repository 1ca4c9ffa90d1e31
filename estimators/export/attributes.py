"""Attributes of calls as JSON: every value comes back with the very type and bits it had."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dataflow.csv.defaults import dtype_and_default
from dataflow.csv_format import CsvColumn, CsvFormat, csv_format
from dataflow.errors import SpecError
from dataflow.expr.primitives.parse_json import Field
from dataflow.spec import BINARY, STRING, TensorSpec, as_dtype, dtype_name, is_text
from dataflow.strings import Strings
from estimators.graph.primitives.vocabulary import Vocabulary
from estimators.graph.variable import Array

INLINE = 64
"""Arrays of more bytes are stored beside, if the file of variables has their dtype."""
STORED = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})
"""Dtypes that the file of variables holds."""
_RECORDS: dict[str, type] = {kind.__name__: kind for kind in (Field, CsvFormat, CsvColumn)}
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str, "bytes": bytes}


@dataclasses.dataclass
class Stores:
    """Where large values go, and come from.

    Args:
        add_array: Keeps an array and returns its name.
        array: Returns an array by name.
        add_vocabulary: Keeps a vocabulary and returns the name of its asset.
        vocabulary: Returns a vocabulary by the name of its asset, and whether it holds text.
    """

    add_array: Callable[[Array], str]
    array: Callable[[str], Array]
    add_vocabulary: Callable[[Vocabulary], str]
    vocabulary: Callable[[str, bool], Vocabulary]


def to_json(value: Any, stores: Stores) -> Any:
    """Return a value as JSON: numbers, text, None and tuples as they are, others as a tagged object.

    Raises:
        SpecError: Values of its type cannot be saved.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, str):
        return str(value)
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is tuple:
        return [to_json(item, stores) for item in value]
    if type(value) is list:
        return {"list": [to_json(item, stores) for item in value]}
    if type(value) is dict:
        return {"dict": [[to_json(k, stores), to_json(v, stores)] for k, v in value.items()]}
    if isinstance(value, np.ndarray | np.generic | Strings | Vocabulary) and not isinstance(value, bytes):
        return _data_to_json(value, stores)
    return _object_to_json(value, stores)


def _object_to_json(value: Any, stores: Stores) -> Any:
    if isinstance(value, bytes):
        return {"bytes": _text_of(bytes(value))}
    if isinstance(value, slice):
        return {"slice": [to_json(part, stores) for part in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, np.dtype):
        return {"dtype": _name_of(value)}
    if isinstance(value, type) and value in _TYPES.values():
        return {"type": value.__name__}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"numpy_type": _name_of(np.dtype(value))}
    if type(value) is TensorSpec:
        return {"spec": spec_to_json(value)}
    if type(value) in _RECORDS.values():
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        parts = {name: to_json(item, stores) for name, item in fields.items()}
        return {"record": {"type": type(value).__name__, "fields": parts}}
    raise SpecError(f"a value of type {type(value).__name__} cannot be exported: {value!r}")


def _data_to_json(value: Any, stores: Stores) -> Any:
    if isinstance(value, Vocabulary):
        return {"vocabulary": {"asset": stores.add_vocabulary(value), "text": value.is_text}}
    if isinstance(value, Strings):
        return {"strings": _strings_to_json(value)}
    if isinstance(value, np.generic):
        return {"scalar": _array_to_json(np.asarray(value))}
    if value.dtype.kind == "O":
        kind = BINARY if any(isinstance(item, bytes) for item in value.flat) else STRING
        return {"objects": _strings_to_json(Strings.from_numpy(value, kind))}
    if value.nbytes > INLINE and value.dtype.str[1:] in STORED and value.dtype.isnative:
        return {"stored": stores.add_array(value)}
    return {"array": _array_to_json(value)}


def _array_to_json(value: Array) -> dict[str, Any]:
    array = value.astype(value.dtype.newbyteorder("<"))
    shape = list(value.shape)
    return {"dtype": array.dtype.str, "shape": shape, "data": _text_of(array.tobytes())}


def _strings_to_json(value: Strings) -> dict[str, Any]:
    items = value.decoded().values.to_pylist()
    texts = [_text_of(item) if isinstance(item, bytes) else item for item in items]
    return {"dtype": dtype_name(value.dtype), "shape": list(value.shape), "values": texts}


def _text_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _name_of(dtype: np.dtype[Any]) -> str:
    return dtype.str if dtype.kind in "mM" else dtype_name(dtype)


def spec_to_json(spec: TensorSpec) -> dict[str, Any]:
    """Return dtype, shape and name of a spec."""
    return {"dtype": _name_of(spec.dtype), "shape": list(spec.shape), "name": spec.name}


# Reading ---------------------------------------------------------------------------------------------


def from_json(value: Any, stores: Stores) -> Any:
    """Return the value that `to_json` was given.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, dict):
        return tuple(from_json(item, stores) for item in value) if isinstance(value, list) else value
    if len(value) != 1:
        raise ValueError(f"{_shown(value)} is no value")
    ((kind, content),) = value.items()
    if kind not in _READERS:
        raise ValueError(f"values of kind {kind!r} are not known")
    return _READERS[kind](content, stores)


def spec_from_json(value: Any) -> TensorSpec:
    """Return the spec that `spec_to_json` was given.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "name"}:
        raise ValueError(f"{_shown(value)} is no spec")
    shape, name = value["shape"], value["name"]
    if not isinstance(shape, list) or not all(_is_size(size) or size is None for size in shape):
        raise ValueError(f"{_shown(shape)} is no shape")
    if not isinstance(name, str | None) or not isinstance(value["dtype"], str):
        raise ValueError(f"{_shown(value)} is no spec")
    return TensorSpec(shape, as_dtype(value["dtype"]), name)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(map(_is_size, value)):
        raise ValueError(f"{_shown(value)} is no shape")
    return tuple(value)


def _array_from_json(value: Any) -> Array:
    dtype, shape = np.dtype(value["dtype"]), _sizes(value["shape"])
    if dtype.kind not in "biufcmM":
        raise ValueError(f"arrays of {dtype} are not known")
    data = base64.b64decode(value["data"], validate=True)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes do not fill an array of {dtype} and shape {shape}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _strings_from_json(value: Any) -> Strings:
    dtype, shape, items = as_dtype(value["dtype"]), _sizes(value["shape"]), value["values"]
    if dtype == BINARY:
        items = [None if item is None else base64.b64decode(item, validate=True) for item in items]
    kind = bytes if dtype == BINARY else str
    if not isinstance(items, list) or not all(isinstance(item, kind | None) for item in items):
        raise ValueError("strings hold something else")
    array = np.empty(len(items), object)
    array[:] = items
    return Strings(Strings.from_numpy(array, dtype).values, shape)


def _record_from_json(value: Any, stores: Stores) -> Any:
    kind = _RECORDS[value["type"]]
    record = kind(**{name: from_json(item, stores) for name, item in value["fields"].items()})
    if not _CHECKS[kind](record):
        raise ValueError(f"{_shown(record)} is no {kind.__name__} as they are made")
    return record


def _is_field(field: Field) -> bool:
    kinds = (type(field.key), type(field.spec), type(field.has_default))
    return kinds == (str, TensorSpec, bool)


def _is_column(column: CsvColumn) -> bool:
    kinds = (type(column.index), type(column.name)) == (int, str)
    item: Any = column.dtype if column.default is None else column.default
    if not is_text(column.dtype) and column.default is not None:
        item = np.array([column.default], column.dtype)
    return kinds and dtype_and_default(item, column.name, allow_dtypes=True) == (column.dtype, column.default)


def _is_format(form: CsvFormat) -> bool:
    """Tell whether `csv_format` makes it: kernels rely on that."""
    if not all(type(column) is CsvColumn for column in form.columns):
        return False
    items = [column.dtype for column in form.columns]
    indices = [column.index for column in form.columns]
    delimiter, quoting, na_value = form.delimiter, form.quoting, form.na_value
    made = csv_format(items, delimiter, quoting, na_value, indices, allow_dtypes=True)
    most = form.max_fields
    types = (type(quoting), type(na_value), type(form.min_fields)) == (bool, str, int)
    return types and form.min_fields == made.min_fields and (most is None or most >= form.min_fields)


def _float_from_json(value: Any, _: Stores) -> float:
    if value not in ("nan", "inf", "-inf"):
        raise ValueError(f"{_shown(value)} is no special number")
    return float(value)


def _stored(name: Any, stores: Stores) -> Array:
    if not isinstance(name, str):
        raise ValueError(f"{_shown(name)} is no name of an array")
    return stores.array(name)


def _vocabulary_from_json(value: Any, stores: Stores) -> Vocabulary:
    name, is_text = value["asset"], value["text"]
    if not isinstance(name, str) or not isinstance(is_text, bool):
        raise ValueError(f"{_shown(value)} is no vocabulary")
    return stores.vocabulary(name, is_text)


_CHECKS: dict[type, Callable[[Any], bool]] = {
    Field: _is_field,
    CsvColumn: _is_column,
    CsvFormat: _is_format,
}
_READERS: dict[str, Callable[[Any, Stores], Any]] = {
    "float": _float_from_json,
    "list": lambda value, stores: [from_json(item, stores) for item in value],
    "dict": lambda value, stores: {from_json(k, stores): from_json(v, stores) for k, v in value},
    "bytes": lambda value, _: base64.b64decode(value, validate=True),
    "slice": lambda value, stores: slice(*(from_json(part, stores) for part in value)),
    "ellipsis": lambda value, _: Ellipsis,
    "dtype": lambda value, _: as_dtype(value),
    "type": lambda value, _: _TYPES[value],
    "numpy_type": lambda value, _: as_dtype(value).type,
    "spec": lambda value, _: spec_from_json(value),
    "record": _record_from_json,
    "vocabulary": _vocabulary_from_json,
    "strings": lambda value, _: _strings_from_json(value),
    "objects": lambda value, _: _strings_from_json(value).to_numpy(),
    "scalar": lambda value, _: _array_from_json(value)[()],
    "array": lambda value, _: _array_from_json(value),
    "stored": _stored,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
