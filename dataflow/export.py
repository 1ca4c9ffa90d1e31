"""Blocks as Arrow record batches: `to_arrow`, `to_reader`, `to_pandas`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from dataflow.block import Block, Column, Dense, Ragged
from dataflow.errors import OptionalDependencyError, SpecError
from dataflow.options import INFINITE_CARDINALITY
from dataflow.runtime.iterate import BlockIterator
from dataflow.spec import BINARY, ObjectSpec, Structure, TensorSpec, flatten, is_structure, is_text, pack
from dataflow.strings import Strings

_MAX_BYTES = 2**31 - 2**20
"""Offsets of text and lists have 32 bits."""
_UNITS = {"D": pa.date32(), **{unit: pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")}}


def column_names(spec: Structure) -> dict[str, int]:
    """Return the name of each column in the order as written, and the number of its component.

    Keys and positions are joined by ``/``; what is no structure is called ``value``.

    Raises:
        SpecError: Two components would have one name.

    >>> column_names({"b": 0, "a": (0, 0)})
    {'b': 2, 'a/0': 0, 'a/1': 1}
    """
    found = list(_walk(pack(spec, range(len(flatten(spec)))), ""))
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise SpecError(f"components would share a column: {names}", hint="rename them with map")
    return dict(found)


def _walk(numbers: Structure, prefix: str) -> Iterator[tuple[str, int]]:
    if not is_structure(numbers):
        yield prefix[:-1] or "value", numbers
        return
    parts = numbers.items() if isinstance(numbers, Mapping) else enumerate(numbers)
    for key, part in parts:
        yield from _walk(part, f"{prefix}{key}/")


def arrow_type(spec: TensorSpec, name: str) -> pa.DataType:
    """Return the type of a column: a list for a dimension that varies, of fixed size for one that does not.

    Raises:
        SpecError: Arrow has no such dtype.
    """
    if isinstance(spec, ObjectSpec):
        raise SpecError(f"component {name!r} is {spec}, which is no column", hint=spec.way_out)
    if is_text(spec.dtype):
        kind = pa.binary() if spec.dtype == BINARY else pa.string()
    else:
        try:
            unit = np.datetime_data(spec.dtype)[0] if spec.dtype.kind == "M" else None
            kind = _UNITS[unit] if unit else pa.from_numpy_dtype(spec.dtype)
        except (KeyError, pa.ArrowNotImplementedError) as error:
            raise SpecError(
                f"component {name!r} has dtype {spec.dtype}, which Arrow does not have",
                hint="change it with map, or leave it out",
            ) from error
    for size in reversed(spec.shape):
        kind = pa.list_(kind, size) if size else pa.list_(kind)  # Arrow fails on a fixed size of 0
    return kind


def arrow_schema(spec: Structure) -> pa.Schema:
    """Return the schema of the columns that elements of a structure make."""
    specs = flatten(spec)
    return pa.schema([(name, arrow_type(specs[i], name)) for name, i in column_names(spec).items()])


def _flat(column: Dense, kind: pa.DataType) -> pa.Array:
    if isinstance(column, Strings):
        values = column.decoded().values
        return values if values.type == kind else values.cast(kind)
    return pa.array(np.ascontiguousarray(column).reshape(-1), kind)


def arrow_array(column: Column, kind: pa.DataType) -> pa.Array:
    """Return a column as an array of the type that `arrow_type` gave; numbers and text are not copied."""
    if isinstance(column, Ragged):
        sizes, values = column.shapes, column.values
    else:
        sizes = np.broadcast_to(np.array(column.shape[1:], np.int64), (len(column), column.ndim - 1))
        values = column
    kinds = [kind]
    while pa.types.is_list(kinds[-1]) or pa.types.is_fixed_size_list(kinds[-1]):
        kinds.append(kinds[-1].value_type)
    array = _flat(values, kinds[-1])  # type: ignore[arg-type]
    for axis in reversed(range(sizes.shape[1])):
        outer = sizes[:, :axis].prod(axis=1)  # lists of this level in each element
        if pa.types.is_fixed_size_list(kinds[axis]):
            array = pa.FixedSizeListArray.from_arrays(array, type=kinds[axis])
            continue
        ends = np.cumsum(np.repeat(sizes[:, axis], outer))
        offsets = pa.array(np.concatenate(([0], ends)).astype(np.int32))
        array = pa.ListArray.from_arrays(offsets, array, type=kinds[axis])
    return array


def _pieces(block: Block) -> Iterator[Block]:
    """Yield the block in parts whose text has offsets of 32 bits."""
    if block.length > 1 and max((int(column.nbytes) for column in block.columns), default=0) > _MAX_BYTES:
        half = block.length // 2
        yield from _pieces(block.slice(0, half))
        yield from _pieces(block.slice(half))
    else:
        yield block


def record_batches(block: Block, schema: pa.Schema, order: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield a block as record batches, mostly one.

    Args:
        block: The elements.
        schema: What `arrow_schema` returned.
        order: The component of each column, as in `column_names`.
    """
    for piece in _pieces(block):
        arrays = [arrow_array(piece.columns[i], field.type) for i, field in zip(order, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def reader_of(
    blocks: Callable[[], BlockIterator], spec: Structure, max_rows: int | None = None
) -> pa.RecordBatchReader:
    """Return a reader that starts the pipeline when it is first read, and closes it when it is dropped."""
    schema, order = arrow_schema(spec), list(column_names(spec).values())

    def read() -> Iterator[pa.RecordBatch]:
        left = (1 << 62) if max_rows is None else max_rows
        iterator = blocks()
        try:
            while left > 0 and (block := iterator.read(left)) is not None:
                left -= block.length
                yield from record_batches(block, schema, order)
        finally:
            iterator.close()

    return pa.RecordBatchReader.from_batches(schema, read())


def refuse_infinite(method: str, cardinality: int, max_rows: int | None) -> None:
    """Raise SpecError if a method would read an infinite dataset to its end."""
    if max_rows is None and cardinality == INFINITE_CARDINALITY:
        raise SpecError(
            f"{method} reads all elements, and the dataset is infinite",
            hint=f"use {method}(max_rows=...) or take(...)",
        )


def as_pandas(reader: pa.RecordBatchReader) -> Any:
    """Return what is left of a reader as a DataFrame.

    Raises:
        OptionalDependencyError: pandas is not installed.
    """
    try:
        importlib.import_module("pandas")
    except ImportError as error:
        raise OptionalDependencyError(
            "to_pandas needs pandas", hint="pip install 'dataflow-estimators[pandas]'"
        ) from error
    return reader.read_all().to_pandas(date_as_object=False)
