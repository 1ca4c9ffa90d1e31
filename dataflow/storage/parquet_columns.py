"""Arrays of a Parquet file as the columns of blocks: text checked, values converted, nulls filled."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflow.arrow_columns import column_of, filled, is_plain_number
from dataflow.block import Block, Column, Origin
from dataflow.errors import DataflowError, DataLossError, InvalidArgumentError
from dataflow.storage.parquet_schema import Path, Schema, converted, label, value_type
from dataflow.storage.parquet_values import Constant, first_refused, validate
from dataflow.strings import Dictionary

NO_FILL: Any = object()
"""Stands for: a column has no value for nulls."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A component to read.

    Attributes:
        path: Where it is in the file.
        kind: The type that it gets.
        fill: What stands for nulls, or `NO_FILL`.
    """

    path: Path
    kind: pa.DataType
    fill: Any = NO_FILL


class Columns:
    """Makes blocks of arrays.

    Args:
        wanted: The components, in `flatten` order.
        leaves: What the file has.
        constants: Components that are the same for all rows.
    """

    def __init__(self, wanted: Sequence[Wanted], leaves: Schema, constants: Mapping[Path, Constant]) -> None:
        self._wanted = wanted
        self.leaves = leaves
        self._constants = constants
        self._dictionaries: dict[Path, Dictionary] = {}

    def block(self, arrays: Mapping[Path, pa.Array], rows: int, origin: Origin) -> Block:
        """Return the block of the components that are in the file.

        Raises:
            InvalidArgumentError: A null has no value, or a value does not fit; ``row`` is its place.
            DataLossError: Text is not UTF-8; ``row`` is its place.
        """
        failed: DataflowError | None = None
        columns: list[Column] = []
        for want in self._wanted:
            try:
                columns.append(self._column(want, arrays.get(want.path), rows, origin))
            except DataflowError as error:
                if error.row is None:
                    raise
                if failed is None or error.row < (failed.row or 0):
                    failed = error
        if failed is not None:
            raise failed
        return Block(tuple(columns), rows, origin)

    def _column(self, want: Wanted, array: pa.Array | None, rows: int, origin: Origin) -> Column:
        if want.path in self._constants:
            return self._constants[want.path](rows)
        name = label(want.path)
        if (
            array is not None
            and array.type == want.kind
            and is_plain_number(array.type)
            and not array.null_count
        ):
            return column_of(array, name, origin)
        if array is None:
            array = pa.nulls(rows, want.kind)
        else:
            kind = self.leaves[want.path].kind
            if value_type(want.kind) == value_type(kind) == pa.string():
                array = self._valid_text(want.path, array, origin)
            try:
                array = converted(array, kind, want.kind)
            except pa.ArrowInvalid as error:
                row = first_refused(array, lambda part: converted(part, kind, want.kind))
                refused = InvalidArgumentError(
                    f"column {name!r} has a value that cannot be read as {want.kind}: {error}",
                    location=origin.location(row, name, str(array[row])),
                    hint="choose a dtype for it that holds all values, with schema={...}",
                )
                refused.row = row
                raise refused from error
        if want.fill is not NO_FILL:
            array = filled(array, want.fill)
        return column_of(self._shared(want.path, array), name, origin)

    def _valid_text(self, path: Path, array: pa.Array, origin: Origin) -> pa.Array:
        """Return the array if its text is UTF-8, which Arrow does not look at while it reads."""
        if pa.types.is_dictionary(array.type):
            known = self._dictionaries.get(path)
            if known is not None and known.values.equals(array.dictionary):
                return array
        try:
            validate(array)
        except pa.ArrowInvalid:
            if pa.types.is_dictionary(array.type):  # entries that no row has do not matter
                array = array.dictionary_decode()
        else:
            return array
        try:
            validate(array)
        except pa.ArrowInvalid as error:
            row, name = first_refused(array, validate), label(path)
            failure = DataLossError(
                f"column {name!r} has text that is not UTF-8",
                location=origin.location(row, name),
                hint=f"read it as bytes: schema={{{name!r}: bytes, ...}}",
            )
            failure.row = row
            raise failure from error
        return array

    def _shared(self, path: Path, array: pa.Array) -> pa.Array:
        """Return the array over the dictionary of the batch before it, if that has the same entries."""
        if not pa.types.is_dictionary(array.type):
            return array
        known = self._dictionaries.get(path)
        if known is not None and known.values.equals(array.dictionary):
            return pa.DictionaryArray.from_arrays(array.indices, known.values)
        self._dictionaries[path] = Dictionary.of(array.dictionary)
        return array
