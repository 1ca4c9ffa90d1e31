"""Schemas of Parquet files as components: structs taken apart, types compared and brought together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from dataflow.arrow_columns import is_list_view, is_tensor, is_text_type, refuse_unknown, without_extension
from dataflow.errors import InvalidArgumentError

Path: TypeAlias = str | tuple[str, ...]
"""A column by its name, or a field of a struct by the names on the way to it."""
Schema: TypeAlias = Mapping[Path, "Leaf"]
_LISTS = ("list", "large_list", "fixed_size_list")


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """A component in a file.

    Attributes:
        kind: Its type without what makes no difference: dictionaries, sizes of offsets, names of time zones.
        columns: Numbers of its columns in the file.
    """

    kind: pa.DataType
    columns: range


def keys(path: Path) -> tuple[str, ...]:
    """Return the names on the way to a component."""
    return (path,) if isinstance(path, str) else path


def label(path: Path) -> str:
    """Return a component's name for messages."""
    return ".".join(keys(path))


def leaves_of(schema: pa.Schema, where: str) -> Schema:
    """Return the components of a file, in its order.

    Fields of structs are components of their own, also those of structs in lists: a list of structs is
    a struct of lists. `where` names the file in messages.

    Raises:
        InvalidArgumentError: Two have one name.
    """
    found: dict[Path, Leaf] = {}
    column = 0
    for field in schema:
        for path, kind, count in _parts(field.type):
            name: Path = (field.name, *path) if path else field.name
            if name in found:
                raise InvalidArgumentError(f"{where} has several columns {label(name)!r}", hint="rename them")
            found[name] = Leaf(kind, range(column, column + count))
            column += count
    return found


def _parts(kind: pa.DataType) -> list[tuple[tuple[str, ...], pa.DataType, int]]:
    """Return path, type and number of columns of each component of a column."""
    if isinstance(kind, pa.BaseExtensionType) and not is_tensor(kind):
        return _parts(kind.storage_type)
    if pa.types.is_struct(kind):
        return [((f.name, *path), part, n) for f in kind for path, part, n in _parts(f.type)]
    if any(getattr(pa.types, f"is_{name}")(kind) for name in _LISTS) or is_list_view(kind):
        return [(path, _list_like(kind, part), n) for path, part, n in _parts(kind.value_type)]
    if pa.types.is_map(kind):
        return [((), kind, _width(kind.key_type) + _width(kind.item_type))]
    return [((), plain(kind), 1)]


def _width(kind: pa.DataType) -> int:
    return sum(n for _, _, n in _parts(kind))


def _list_like(kind: pa.DataType, value: pa.DataType) -> pa.DataType:
    return pa.list_(value, kind.list_size) if pa.types.is_fixed_size_list(kind) else pa.list_(value)


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that stands for all types of scalars that give the same values."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    name = str(kind)
    if name in ("large_string", "string_view"):
        return pa.string()
    if name in ("large_binary", "binary_view") or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    return kind


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type inside all lists."""
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return kind.value_type if is_tensor(kind) else kind


def with_value_type(kind: pa.DataType, value: pa.DataType) -> pa.DataType:
    """Return the lists of a type around another one."""
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_like(kind, with_value_type(kind.value_type, value))
    return value


def component(array: pa.Array, path: Sequence[str]) -> pa.Array:
    """Return the component of a column that the path leads to; what is null above is null, lists empty."""
    if not path:
        return array
    array = without_extension(array)
    kind = array.type
    if pa.types.is_struct(kind):
        return component(array.flatten()[kind.get_field_index(path[0])], path[1:])
    if pa.types.is_fixed_size_list(kind):
        inside = array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size)
        inner = component(inside, path)
        return pa.FixedSizeListArray.from_arrays(
            inner, type=pa.list_(inner.type, kind.list_size), mask=array.is_null()
        )
    lengths = np.asarray(array.value_lengths().fill_null(0)).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return pa.LargeListArray.from_arrays(pa.array(offsets), component(array.flatten(), path))


def converted(array: pa.Array, kind: pa.DataType, wanted: pa.DataType) -> pa.Array:
    """Return an array of the type `kind`, as leaves have it, with values of another type.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit.
    """
    if kind == wanted:
        return array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return without_extension(array).cast(wanted)


def is_convertible(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether values of a type may be read as another one that the user has asked for."""
    if kind == wanted:
        return True
    if depth(kind) != depth(wanted):
        return False
    a, b = value_type(kind), value_type(wanted)
    if pa.types.is_null(a):
        return True
    if is_text_type(a) or is_text_type(b):
        return a == b or (is_text_type(a) and is_text_type(b))
    if pa.types.is_decimal(a):
        return bool(pa.types.is_floating(b) or pa.types.is_integer(b))
    if is_number(a) or is_number(b):
        return is_number(a) and is_number(b)
    return bool(a.id == b.id)


def depth(kind: pa.DataType) -> int:
    """Return how many lists are around the values."""
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return 1 + depth(kind.value_type)
    return len(kind.shape) if is_tensor(kind) else 0


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a type is a number or a truth value."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def holds_nulls(kind: pa.DataType) -> bool:
    """Tell whether a null has a value: NaN, NaT, None or an empty list."""
    return not (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_fixed_size_list(kind)
        or is_tensor(kind)
    )


def widened(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both, None if there is none.

    Integers become the smallest integers that hold both, else float64; integers and floats float64;
    floats the larger ones. Times take the finer unit. Lists of a fixed size and others become lists.
    A column of nulls has the type of the other.
    """
    if a == b:
        return a
    if pa.types.is_null(a) or pa.types.is_null(b):
        return b if pa.types.is_null(a) else a
    if depth(a) != depth(b) or is_tensor(a) or is_tensor(b):
        return None
    if depth(a):
        inner = widened(a.value_type, b.value_type)
        same_size = pa.types.is_fixed_size_list(a) and pa.types.is_fixed_size_list(b)
        size = a.list_size if same_size and a.list_size == b.list_size else -1
        return None if inner is None else pa.list_(inner, size)
    return _widened_scalars(a, b)


def _widened_scalars(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        common = np.result_type(a.to_pandas_dtype(), b.to_pandas_dtype())
        return pa.from_numpy_dtype(common)
    numbers = [pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (a, b)]
    if all(numbers):
        both = pa.types.is_floating(a) and pa.types.is_floating(b)
        return max(a, b, key=lambda kind: kind.bit_width) if both else pa.float64()
    for test in (pa.types.is_timestamp, pa.types.is_duration, pa.types.is_time):
        if test(a) and test(b) and getattr(a, "tz", None) == getattr(b, "tz", None):
            return max(a, b, key=lambda kind: ("s", "ms", "us", "ns").index(kind.unit))
    return None


def is_exact(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether no value can be refused or rounded on its way to another type."""
    a, b = value_type(kind), value_type(wanted)
    if a == b or pa.types.is_null(a):
        return True
    if pa.types.is_integer(a) and pa.types.is_integer(b):
        return bool(np.can_cast(a.to_pandas_dtype(), b.to_pandas_dtype()))
    if pa.types.is_floating(a) and pa.types.is_floating(b):
        return bool(a.bit_width <= b.bit_width)
    return bool(pa.types.is_integer(a) and pa.types.is_float64(b) and a.bit_width <= 32)


def differences(
    found: Schema, wanted: Mapping[Path, pa.DataType], *, extras: bool, decimals: str | None
) -> list[str]:
    """Return how a file differs from the components that are wanted of it, in words.

    Args:
        found: Of the file.
        wanted: Components and types.
        extras: Whether it may have others too.
        decimals: What decimals are read as.
    """
    said = []
    for path, kind in wanted.items():
        leaf = found.get(path)
        if leaf is None:
            said.append(f"column {label(path)!r} is missing")
        elif decimal_rule(leaf.kind, decimals) != kind:
            said.append(f"column {label(path)!r} is {leaf.kind}, not {kind}")
    others = [] if extras else [path for path in found if path not in wanted]
    return said + [f"column {label(path)!r} is there too" for path in others]


def decimal_rule(kind: pa.DataType, decimals: str | None) -> pa.DataType:
    """Return the type that decimals are read as: their own, or float64."""
    if decimals == "float64" and pa.types.is_decimal(value_type(kind)):
        return with_value_type(kind, pa.float64())
    return kind


@functools.cache
def arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    """Return the type of scalars of a NumPy dtype."""
    if dtype.kind in "US":
        return pa.string() if dtype.kind == "U" else pa.binary()
    if dtype == np.dtype("datetime64[D]"):
        return pa.date32()
    return pa.from_numpy_dtype(dtype)


def selected(found: Schema, names: Iterable[str], where: str) -> list[Path]:
    """Return the components that names mean: a column, ``"a.b"`` for a field of a struct, or all of a struct.

    Raises:
        InvalidArgumentError: There is no such column, or one is named twice.
    """
    labels = {label(path): path for path in found}
    chosen: dict[Path, None] = {}
    for name in names:
        paths = [name] if name in found else [labels[name]] if name in labels else []
        paths = paths or [path for path in found if label(path).startswith(f"{name}.")]
        if not paths:
            refuse_unknown([name], labels, where)
        if any(path in chosen for path in paths):
            raise InvalidArgumentError(f"column {name!r} is chosen twice")
        chosen |= dict.fromkeys(paths)
    return list(chosen)
