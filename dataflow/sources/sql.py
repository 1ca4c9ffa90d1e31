"""`SqlDataset`: the rows of a query on a SQLite database."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa

from dataflow.block import Block, Column, Origin
from dataflow.errors import DataflowError, InvalidArgumentError, Location, SpecError, StateError
from dataflow.expr.tensor import Tensor
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import BINARY, Structure, TensorSpec, as_dtype, dtype_name, flatten, is_text, pack
from dataflow.storage import files
from dataflow.storage.sqlite import QueryRows, write_example
from dataflow.strings import Strings

_FIRST_ROWS = 256
"""Rows to read before it is known how much memory they take."""
_MOST_ROWS = 1 << 16


@dataclasses.dataclass(frozen=True)
class SqlRows(Node):
    """One element per row of a query: its columns, in order, are the components of `output_spec`."""

    path: str | Tensor
    query: str | Tensor
    output_spec: Structure

    def infer_spec(self) -> Structure:
        """What was declared."""
        return self.output_spec

    def operator(self, *inputs: Operator) -> Operator:
        """Run the query."""
        return SqlRowsOperator(self)


class SqlRowsOperator(Operator):
    """Fetches rows; a bad one raises when its turn comes, and is then passed over."""

    node: SqlRows
    rows: QueryRows | None = None

    def start(self, own: State | None) -> None:
        """Begin with the first row, or behind those that were delivered."""
        self.path, self.query = str(self.node.path), str(self.node.query)
        self.specs = flatten(self.node.output_spec)
        self.row = 0 if own is None else own["row"]  # rows before the next one
        self.failed = False if own is None else own["failed"]
        self.ahead: list[tuple[Any, ...]] = []
        self.error: DataflowError | None = None
        self.row_bytes = 0

    def produce(self) -> Block | None:
        """Return the next rows; a query that cannot be run raises, and gives nothing more."""
        if self.error is not None:
            error, self.error = self.error, None
            self.row += 1
            raise error
        if self.failed:
            return None
        try:
            if self.rows is None:
                self._open()
            rows = self.ahead or self._fetch()
        except (OSError, DataflowError):
            self.failed = True
            self.release()
            raise
        self.ahead = []
        return self._convert(rows) if rows else None

    def _open(self) -> None:
        self.rows = QueryRows(self.path, self.query)
        if len(self.rows.names) != len(self.specs):
            raise InvalidArgumentError(
                f"the query returns {len(self.rows.names)} columns {list(self.rows.names)}, and output_types "
                f"has {len(self.specs)}",
                location=Location(self.path),
                hint="give one dtype for each column",
            )
        missing = self.row
        while missing and (skipped := len(self.rows.fetch(min(missing, _MOST_ROWS)))):
            missing -= skipped
        if missing:
            raise StateError(
                f"the query gave {self.row} rows before, and gives {self.row - missing} now",
                hint="resume on the same data",
            )

    def _fetch(self) -> list[tuple[Any, ...]]:
        size = self.context.options.block_bytes or 1
        count = size // self.row_bytes if self.row_bytes else min(_FIRST_ROWS, size)
        return cast("QueryRows", self.rows).fetch(max(1, min(count, _MOST_ROWS)))

    def _convert(self, rows: list[tuple[Any, ...]]) -> Block | None:
        """Return the rows as a block, or those before the first bad one, which is kept for the next call."""
        columns = self._columns(rows)
        if columns is None:
            bad = next(i for i in range(len(rows)) if self._columns(rows[i : i + 1]) is None)
            self.error, self.ahead, rows = self._explain(rows[bad], bad), rows[bad + 1 :], rows[:bad]
            if not rows:
                return self.produce()
            columns = self._columns(rows)
        assert columns is not None
        block = Block(tuple(columns), len(rows), Origin(self.path, self.row, "row"))
        self.row += len(rows)
        self.row_bytes = max(self.row_bytes, 1, block.nbytes // len(rows))
        return block

    def _columns(self, rows: Sequence[tuple[Any, ...]]) -> list[Column] | None:
        try:
            return [as_values(v, s.dtype) for v, s in zip(zip(*rows, strict=True), self.specs, strict=True)]
        except (InvalidArgumentError, pa.ArrowException):
            return None

    def _explain(self, row: tuple[Any, ...], ahead: int) -> DataflowError:
        """Return the error of a row that does not fit: its first bad value."""
        names = cast("QueryRows", self.rows).names
        for name, value, spec in zip(names, row, self.specs, strict=True):
            where = Location(self.path, self.row + ahead, "row", name, repr(value))
            try:
                as_values((value,), spec.dtype)
            except pa.ArrowException:
                return InvalidArgumentError("the text is not valid UTF-8", location=where, hint=_AS_BYTES)
            except InvalidArgumentError as error:
                error.location = where
                return error
        raise AssertionError("the row has no bad value")

    def release(self) -> None:
        """Close the database."""
        if self.rows is not None:
            self.rows.close()
            self.rows = None

    def own_state(self) -> State:
        """How many rows were delivered or passed over, and whether the query failed."""
        return {"row": self.row, "failed": self.failed}


_AS_BYTES = "take the column as bytes in output_types"


def as_values(values: Sequence[Any], dtype: np.dtype[Any]) -> Column:
    """Convert the values of one column: int, float, bytes or None.

    A null is NaN for floats and None for text.

    Raises:
        InvalidArgumentError: A value is of another kind, or out of range; or an integer is null.
        ArrowException: Text is not UTF-8, or values are of several kinds.
    """
    array = pa.array(values)
    name = dtype_name(dtype)
    null, whole = pa.types.is_null(array.type), pa.types.is_integer(array.type)
    if is_text(dtype):
        if not null and not pa.types.is_binary(array.type):
            raise InvalidArgumentError(f"a number is no {name}", hint="write CAST(x AS TEXT) in the query")
        return Strings(array.cast(pa.binary() if dtype == BINARY else pa.string()))
    if pa.types.is_binary(array.type):
        raise InvalidArgumentError(f"text is no {name}", hint="write CAST(x AS REAL) or AS INTEGER")
    if dtype.kind == "f":
        return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype)
    if array.null_count:
        raise InvalidArgumentError(f"a null is no {name}", hint="write COALESCE(x, 0) in the query")
    if not whole:
        raise InvalidArgumentError(f"a float is no {name}", hint="write CAST(x AS INTEGER) in the query")
    numbers = array.to_numpy()
    if dtype.kind == "b":
        return np.asarray(numbers != 0)
    limits = np.iinfo(dtype)
    if numbers.min() < limits.min or numbers.max() > limits.max:
        raise InvalidArgumentError(f"the number is out of range for {name}")
    return np.asarray(numbers, dtype)


def sql_node(driver_name: str, data_source_name: Any, query: Any, output_types: Structure) -> SqlRows:
    """Check the arguments and return the node.

    Raises:
        InvalidArgumentError: The driver is not ``"sqlite"``, or a dtype has no values in a database.
        SpecError: `output_types` is no structure of dtypes.
    """
    if driver_name != "sqlite":
        raise InvalidArgumentError(f"driver_name must be 'sqlite', not {driver_name!r}")
    if isinstance(output_types, list):
        raise SpecError("output_types must be a dtype, or a tuple or dict of dtypes, not a list")
    leaves = [as_dtype(leaf) for leaf in flatten(output_types)]
    for dtype in leaves:
        if not leaves or dtype.kind not in "biufSU":
            raise InvalidArgumentError(f"a column of a query cannot be {dtype_name(dtype)}")
    path = data_source_name if isinstance(data_source_name, Tensor) else files.as_paths(data_source_name)[0]
    return SqlRows(path, query, pack(output_types, [TensorSpec((), dtype) for dtype in leaves]))


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write a database and return nodes that query it, also where values or queries are wrong."""
    path = write_example(
        files.join(directory, "a.sqlite"),
        "CREATE TABLE t (id INTEGER, fare REAL, name TEXT, data BLOB);"
        "INSERT INTO t VALUES (1, 0.5, 'a', x'00ff'), (2, 1.5, 'b', x''), (3, NULL, NULL, NULL),"
        " ('x', 2, 'c', x'01'), (5, 2.5, CAST(x'ff' AS TEXT), x'02'), (NULL, 3, 'd', x'03'),"
        " (700, 4, 'e', 'f');",
    )
    everything = "SELECT id, fare, name, data FROM t"
    return [
        sql_node(
            "sqlite", path, "SELECT id, fare FROM t WHERE id < 700 AND id IS NOT NULL", (int, np.float32)
        ),
        sql_node("sqlite", path, everything, {"id": np.uint8, "x": np.float64, "y": str, "z": bytes}),
        sql_node("sqlite", path, "SELECT nope FROM t", (int,)),
        sql_node("sqlite", files.join(directory, "missing.sqlite"), everything, (int,)),
    ]
