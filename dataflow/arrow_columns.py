"""Arrow arrays as columns of blocks: specs of fields, nulls, lists; for Parquet and `from_arrow`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import Block, Column, Dense, Origin, Ragged
from dataflow.errors import InvalidArgumentError, SpecError, did_you_mean
from dataflow.spec import BINARY, STRING, Shape, TensorSpec
from dataflow.strings import Coded, Indices, Strings

_TEXT = {kind.id for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())}
_LIST_VIEWS = {
    getattr(pa, f"{name}list_view")(pa.int8()).id
    for name in ("", "large_")
    if hasattr(pa, f"{name}list_view")
}
_NUMBERS = {
    pa.from_numpy_dtype(f"{kind}{bits}").id
    for kind, sizes in (("int", (8, 16, 32, 64)), ("uint", (8, 16, 32, 64)), ("float", (16, 32, 64)))
    for bits in sizes
}
_TENSOR = getattr(pa, "FixedShapeTensorType", ())
_VIEWS = {
    getattr(pa, f"{name}_view")(): getattr(pa, f"large_{name}")()
    for name in ("string", "binary")
    if hasattr(pa, f"{name}_view")
}
"""Types of text that compute functions do not take, and what they are read as."""


def is_text_type(kind: pa.DataType) -> bool:
    """Tell whether an Arrow type is text or bytes that `Strings` can hold."""
    return kind.id in _TEXT


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_list_view(kind: pa.DataType) -> bool:
    """Tell whether a type is a list of which the parts may lie in any order."""
    return kind.id in _LIST_VIEWS


def is_plain_number(kind: pa.DataType) -> bool:
    """Tell whether a type is an integer or a float."""
    return kind.id in _NUMBERS


def is_tensor(kind: pa.DataType) -> bool:
    """Tell whether a type is the extension type of tensors of one shape."""
    return isinstance(kind, _TENSOR)


def spec_of(field: pa.Field) -> TensorSpec:
    """Return the spec of a column of scalars, of lists of scalars, or of lists of lists.

    A list is a dimension that varies, a list of fixed size a dimension of that size. A time of day is what
    has passed since midnight, bytes of a fixed size are bytes, and an extension type is what it is stored as.

    Raises:
        SpecError: No tensor can hold the type.
    """
    kind, shape = _unnested(field.type)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kind = _VIEWS.get(kind, kind)
    if pa.types.is_fixed_size_binary(kind):
        return TensorSpec(shape, BINARY)
    if is_text_type(kind):
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        return TensorSpec(shape, BINARY if binary else STRING)
    try:
        if pa.types.is_timestamp(kind):
            return TensorSpec(shape, f"datetime64[{kind.unit}]")  # with a time zone: in UTC
        if pa.types.is_date32(kind):
            return TensorSpec(shape, "datetime64[D]")
        if pa.types.is_time(kind):
            return TensorSpec(shape, f"timedelta64[{kind.unit}]")  # since midnight
        return TensorSpec(shape, kind.to_pandas_dtype())
    except (NotImplementedError, SpecError) as error:
        raise SpecError(
            f"column {field.name!r} has type {field.type}, which no tensor can hold", hint=_advice(kind)
        ) from error


def _unnested(kind: pa.DataType) -> tuple[pa.DataType, Shape]:
    """Return the type inside all lists, and their sizes."""
    shape: tuple[int | None, ...] = ()
    while True:
        if is_tensor(kind):
            kind, shape = kind.value_type, (*shape, *kind.shape)
        elif pa.types.is_fixed_size_list(kind):
            kind, shape = kind.value_type, (*shape, kind.list_size)
        elif _is_list(kind) or is_list_view(kind):
            kind, shape = kind.value_type, (*shape, None)
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind, shape


def _advice(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return "cast it to float64 or int64 first, or choose other columns with columns=[...]"
    if pa.types.is_struct(kind):
        return "flatten it into columns of their own first, or choose other columns with columns=[...]"
    if pa.types.is_map(kind):
        return "make two lists of it first, of keys and of values, or choose other columns with columns=[...]"
    return "cast it to a number or to text first, or choose other columns with columns=[...]"


def refuse_unknown(columns: Iterable[str], available: Iterable[str], where: str) -> None:
    """Raise InvalidArgumentError for the first column that is not there; `where` names the table."""
    names = list(available)
    for name in columns:
        if name not in names:
            raise InvalidArgumentError(f"{where} has no column {name!r}", hint=did_you_mean(name, names))


def specs_of(schema: pa.Schema, columns: Sequence[str], where: str) -> tuple[TensorSpec, ...]:
    """Return the specs of columns; `where` names the table in messages.

    Raises:
        InvalidArgumentError: There is no such column, or several.
        SpecError: No tensor can hold its type.
    """
    refuse_unknown(columns, schema.names, where)
    for name in columns:
        if schema.names.count(name) > 1 or list(columns).count(name) > 1:
            raise InvalidArgumentError(f"{where} has several columns {name!r}", hint="rename them")
    return tuple(spec_of(schema.field(name)) for name in columns)


def kept_columns(
    columns: Sequence[str], specs: Sequence[TensorSpec], components: Sequence[int]
) -> dict[str, Any]:
    """Return ``columns`` and ``specs`` of some components, which are numbered in `flatten` order."""
    order = sorted(columns)
    kept = {order[i] for i in components}
    pairs = [(c, s) for c, s in zip(columns, specs, strict=True) if c in kept]
    return {"columns": tuple(c for c, _ in pairs), "specs": tuple(s for _, s in pairs)}


def checked_fills(
    schema: pa.Schema, fill_nulls: Mapping[str, Any] | None, where: str
) -> tuple[tuple[str, Any], ...]:
    """Return what stands for nulls as a setting of a node.

    Raises:
        InvalidArgumentError: There is no such column, or the value is not of its type.
    """
    fills = tuple(sorted((fill_nulls or {}).items()))
    specs_of(schema, [name for name, _ in fills], where)
    for name, value in fills:
        kind = schema.field(name).type
        try:
            pa.scalar(value, kind.value_type if pa.types.is_dictionary(kind) else kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise InvalidArgumentError(f"fill_nulls[{name!r}] must be a {kind}, not {value!r}") from error
    return fills


def filled(array: pa.Array, value: Any) -> pa.Array:
    """Return the array with a value for nulls."""
    if not array.null_count:
        return array
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode().fill_null(value).dictionary_encode()
    return array.fill_null(value)


def block_of(batch: pa.RecordBatch, origin: Origin | None) -> Block:
    """Return the block of a batch that begins at the first row of the origin, without copies where possible.

    Raises:
        InvalidArgumentError: A null has no value; ``row`` is its place in the batch.
    """
    names = batch.schema.names
    columns = tuple(column_of(a, n, origin) for n, a in zip(names, batch.columns, strict=True))
    return Block(columns, batch.num_rows, origin)


def column_of(array: pa.Array, name: str, origin: Origin | None) -> Column:
    """Return the column of an array.

    Text stays in Arrow, with its dictionary and nulls. Numbers are views; nulls of floats become NaN,
    nulls of times NaT.

    Args:
        array: Its type is one that `spec_of` takes.
        name: Of the column, for messages.
        origin: Where its first row comes from, for messages.

    Raises:
        InvalidArgumentError: A null has no value, or lists in a list differ in size; ``row`` is the place.
    """
    if is_plain_number(array.type) and not array.null_count:
        return np.asarray(array.to_numpy())
    return _column(array, name, origin or Origin(None, 0, "row"))


def _column(array: pa.Array, name: str, origin: Origin) -> Column:
    rows = len(array)
    shape: list[int | None] = []
    shapes = np.zeros((rows, 0), np.int64)
    owner = np.arange(rows)  # the element that each item belongs to
    while True:
        array = without_extension(array)
        if not (_is_list(array.type) or pa.types.is_fixed_size_list(array.type) or is_tensor(array.type)):
            break
        sizes: tuple[int | None, ...] = (None,)
        if _is_list(array.type):
            lengths = np.asarray(array.value_lengths().fill_null(0)).astype(np.int64)
            dims = _common_lengths(lengths, shapes, name, origin)
            owner = np.repeat(owner, lengths)
        else:
            _refuse_nulls(array, name, origin, owner, nested=False)
            sizes = array.type.shape if is_tensor(array.type) else (array.type.list_size,)
            array = array.storage if is_tensor(array.type) else array
            dims = np.broadcast_to(np.array(sizes, np.int64), (rows, len(sizes)))
            owner = np.repeat(owner, math.prod(sizes))
        array = array.flatten()
        shape += sizes
        shapes = np.concatenate([shapes, dims], axis=1)
    values = _values(array, name, origin, owner, nested=bool(shape))
    if None in shape:
        return Ragged(values, shapes)
    return values.reshape((rows, *shape)) if shape else values  # type: ignore[arg-type]


def without_extension(array: pa.Array) -> pa.Array:
    """Return what an extension type but that of tensors is stored as, and a list for a view of lists."""
    if isinstance(array.type, pa.BaseExtensionType) and not is_tensor(array.type):
        array = array.storage
    return array.cast(pa.list_(array.type.value_type)) if is_list_view(array.type) else array


def _common_lengths(lengths: Indices, shapes: Indices, name: str, origin: Origin) -> Indices:
    """Return the length that the lists of each element have, int64 ``[n, 1]``; they must not differ."""
    counts = shapes.prod(axis=1)
    starts = np.cumsum(counts) - counts
    common = np.where(counts > 0, np.append(lengths, 0)[starts], 0)
    differs = np.flatnonzero(lengths != np.repeat(common, counts))
    if len(differs):
        row = int(np.searchsorted(starts + counts, differs[0], side="right"))
        error = InvalidArgumentError(
            f"column {name!r} has an element whose lists differ in length, which is no tensor",
            location=origin.location(row, name),
            hint="pad the lists to one length, or leave the column out with columns=[...]",
        )
        error.row = row
        raise error
    return common[:, None]


def _values(array: pa.Array, name: str, origin: Origin, owner: Indices, *, nested: bool) -> Dense:
    """Return values that are no lists as a flat column."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        words = _without_views(array.dictionary)
        if is_text_type(words.type):
            return Coded.from_arrow(pa.DictionaryArray.from_arrays(array.indices, words))
        array = array.dictionary_decode()
    array = _without_views(array)
    if is_text_type(array.type):
        return Strings(array)
    if pa.types.is_time(array.type):
        array = _as_durations(array)
    _refuse_nulls(array, name, origin, owner, nested=nested)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _without_views(array: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.binary())
    return array.cast(_VIEWS[array.type]) if array.type in _VIEWS else array


def _as_durations(array: pa.Array) -> pa.Array:
    """Return times of day as what has passed since midnight."""
    ticks = array.cast(pa.int32()) if array.type.bit_width == 32 else array
    return ticks.cast(pa.int64()).view(pa.duration(array.type.unit))


def _example(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return "[0, ...]"
    return "False" if pa.types.is_boolean(kind) else "0"


def _refuse_nulls(array: pa.Array, name: str, origin: Origin, owner: Indices, *, nested: bool) -> None:
    """Raise for a null that no value can stand for; `owner` says which element an item belongs to."""
    kind = array.type
    if not array.null_count or pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        return
    row = int(owner[np.flatnonzero(np.asarray(array.is_null()))[0]])
    where, hint = "a null", f"give a default: fill_nulls={{{name!r}: {_example(kind)}}}"
    if nested:
        where, hint = "a list with a null", "replace the nulls in the lists first"
    error = InvalidArgumentError(
        f"column {name!r} of type {kind} has {where}, and no value can stand for it",
        location=origin.location(row, name, "null"),
        hint=hint,
    )
    error.row = row
    raise error
