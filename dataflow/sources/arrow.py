"""`from_arrow`: tables in memory and streams of record batches as dicts of columns."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import pyarrow as pa

from dataflow.arrow_columns import block_of, checked_fills, filled, kept_columns, refuse_unknown, specs_of
from dataflow.block import Block, Origin
from dataflow.errors import (
    DataflowError,
    FailedPreconditionError,
    InvalidArgumentError,
    OptionalDependencyError,
    SpecError,
    StateError,
    UserFunctionError,
)
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator, State
from dataflow.spec import Structure, TensorSpec


@dataclasses.dataclass(frozen=True)
class ArrowRows(Node):
    """Dicts of the columns of a table in memory; only the rows of `span`, if given."""

    table: pa.Table = dataclasses.field(compare=False, repr=False)
    columns: tuple[str, ...]
    specs: tuple[TensorSpec, ...] = dataclasses.field(repr=False)
    fill_nulls: tuple[tuple[str, Any], ...] = ()
    span: tuple[int, int] | None = None

    def check(self) -> None:
        """Elements need a component."""
        if not self.columns:
            raise InvalidArgumentError("the table has no columns", hint="give at least one column")

    def infer_spec(self) -> Structure:
        """The columns."""
        return dict(zip(self.columns, self.specs, strict=True))

    def infer_cardinality(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def rows(self) -> range:
        """The numbers of the rows."""
        return range(self.table.num_rows)[slice(*(self.span or (None,)))]

    def take_run(self, start: int, stop: int) -> Self | None:
        """A narrower span."""
        part = self.rows[start:stop]
        return dataclasses.replace(self, span=(part.start, part.stop))

    def operator(self, *inputs: Operator) -> Operator:
        """Slice record batches."""
        return ArrowRowsOperator(self)

    def with_columns(self, components: Sequence[int]) -> Self:
        """Return the node that reads only some components, numbered in `flatten` order."""
        return dataclasses.replace(self, **kept_columns(self.columns, self.specs, components))

    def batches_from(self, row: int) -> Iterator[pa.RecordBatch]:
        """Return the record batches from a row on."""
        batches = self.table.slice(0, self.rows.stop).select(list(self.columns)).to_batches()
        ends = list(itertools.accumulate(batch.num_rows for batch in batches))
        first = bisect.bisect_right(ends, row)
        if first < len(batches):
            batches[first] = batches[first].slice(row - ends[first] + batches[first].num_rows)
        return iter(batches[first:])


class Stream:
    """What gives record batches: an object that is asked anew each time, or a reader that is read once.

    Args:
        data: A `pyarrow.RecordBatchReader`, or anything with ``__arrow_c_stream__``.
    """

    def __init__(self, data: Any) -> None:
        self.data = data
        self.once = isinstance(data, pa.RecordBatchReader)
        self.taken = False
        """Whether a reader that can be read once has been."""
        self._ready: pa.RecordBatchReader | None = self._ask()
        self._ahead: list[pa.RecordBatch] = []
        self.schema: pa.Schema = self._ready.schema

    def _ask(self) -> pa.RecordBatchReader:
        return self.data if self.once else pa.RecordBatchReader.from_stream(self.data)

    def open(self) -> Iterator[pa.RecordBatch]:
        """Return all record batches.

        Raises:
            FailedPreconditionError: They have been read already.
        """
        if self.once and self.taken:
            raise FailedPreconditionError(
                "the RecordBatchReader given to from_arrow has been read, and can be read only once",
                hint="give from_arrow(reader.read_all()), or put cache() behind from_arrow",
            )
        self.taken = True
        reader = self._ask() if self._ready is None else self._ready
        self._ready = None
        ahead, self._ahead = self._ahead, []
        return itertools.chain(ahead, reader)

    def first(self) -> pa.Table:
        """Return the first record batch with rows, which `open` will return again."""
        if self._ready is None:
            return pa.Table.from_batches([], self.schema)
        while not any(batch.num_rows for batch in self._ahead):
            try:
                self._ahead.append(self._ready.read_next_batch())
            except StopIteration:
                break
        return pa.Table.from_batches(self._ahead, self.schema)


@dataclasses.dataclass(frozen=True)
class ArrowStream(ArrowRows):
    """Dicts of the columns of a stream of record batches."""

    table: Stream = dataclasses.field(compare=False, repr=False)

    def infer_cardinality(self) -> int:
        """Only a full pass could tell."""
        return Node.infer_cardinality(self)

    def take_run(self, start: int, stop: int) -> None:
        """A stream has no way to row `start` but to read."""

    def batches_from(self, row: int) -> Iterator[pa.RecordBatch]:
        """Return the record batches from a row on; those before are read again."""
        left = row
        for batch in self.table.open():
            skipped = min(left, batch.num_rows)
            left -= skipped
            yield batch.slice(skipped).select(list(self.columns))
        if left:
            raise StateError(
                f"the stream has {row - left} rows, and the saved position is behind row {row}",
                hint="resume on the same data",
            )

    def sample(self) -> ArrowRows:
        """Return the node of the first rows, which leaves the stream as it is."""
        return ArrowRows(self.table.first(), self.columns, self.specs, self.fill_nulls)


class ArrowRowsOperator(Operator):
    """Cuts record batches into blocks."""

    node: ArrowRows
    batches: Iterator[pa.RecordBatch]

    def start(self, own: State | None) -> None:
        """Begin with the first row, or seek to the saved one."""
        source = self.node.table
        if own is not None and isinstance(source, Stream) and source.once and source.taken:
            raise StateError(
                "a RecordBatchReader that has been read cannot go back to a saved position",
                hint="give from_arrow(reader.read_all()), or a new reader over the same data",
            )
        start = 0 if isinstance(source, Stream) else self.node.rows.start
        self.row = start if own is None else own["row"]
        self.batches = self.node.batches_from(self.row)
        self.rest: pa.RecordBatch | None = None

    def produce(self) -> Block | None:
        """Return the next rows; a bad one raises when its turn comes, and is then passed over."""
        while self.rest is None or not self.rest.num_rows:
            self.rest = self._next_batch()
            if self.rest is None:
                return None
            row_bytes = sum(_bytes(array) for array in self.rest.columns) // max(self.rest.num_rows, 1)
            self.rows = max(1, (self.context.options.block_bytes or 1) // max(row_bytes, 1))
        piece = self.rest.slice(0, self.rows)
        try:
            block = self._block(piece)
        except DataflowError as error:
            if error.row is None:
                raise
            if error.row == 0:
                self._advance(1)
                raise
            block = self._block(piece.slice(0, error.row))
        self._advance(block.length)
        return block

    def _next_batch(self) -> pa.RecordBatch | None:
        try:
            return next(self.batches, None)
        except DataflowError:
            self.batches = iter(())
            raise
        except Exception as error:
            self.batches = iter(())
            raise UserFunctionError(f"the stream of record batches failed: {error}") from error

    def _block(self, batch: pa.RecordBatch) -> Block:
        fills = dict(self.node.fill_nulls)
        arrays = [
            filled(batch.column(n), fills[n]) if n in fills else batch.column(n) for n in self.node.columns
        ]
        ordered = sorted(zip(self.node.columns, arrays, strict=True), key=lambda pair: pair[0])
        batch = pa.RecordBatch.from_arrays([a for _, a in ordered], names=[n for n, _ in ordered])
        return block_of(batch, Origin(None, self.row, "row"))

    def _advance(self, rows: int) -> None:
        assert self.rest is not None
        self.row += rows
        self.rest = self.rest.slice(rows)

    def own_state(self) -> State:
        """Number of the next row."""
        return {"row": self.row}


def _bytes(array: pa.Array) -> int:
    """Return the bytes of an array; a dictionary is shared, so it does not count."""
    return int((array.indices if pa.types.is_dictionary(array.type) else array).nbytes)


def arrow_node(
    data: Any, columns: Sequence[str] | None = None, fill_nulls: Mapping[str, Any] | None = None
) -> ArrowRows:
    """Return the node over whatever holds Arrow data."""
    library = type(data).__module__.partition(".")[0]
    if library == "pandas" and hasattr(data, "columns"):
        return pandas_node(data, columns, fill_nulls)
    if library == "polars" and hasattr(data, "collect_schema"):
        return polars_node(data, columns, fill_nulls)
    source: pa.Table | Stream
    try:
        if isinstance(data, pa.Table):
            source = data
        elif isinstance(data, pa.RecordBatch):
            source = pa.Table.from_batches([data])
        elif hasattr(data, "__arrow_c_array__"):
            source = pa.Table.from_batches([pa.record_batch(data)])
        elif hasattr(data, "__arrow_c_stream__") and not isinstance(data, pa.ChunkedArray):
            source = Stream(data)
        else:
            raise SpecError(
                f"from_arrow takes a table or a stream of record batches, not {type(data).__name__}",
                hint="of single arrays make a table: pyarrow.table({'name': array})",
            )
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, DataflowError):
            raise
        raise SpecError(
            f"{type(data).__name__} does not hold columns with names: {error}",
            hint="of single arrays make a table: pyarrow.table({'name': array})",
        ) from error
    return _node(source, columns, fill_nulls)


def _node(
    source: pa.Table | Stream, columns: Sequence[str] | None, fill_nulls: Mapping[str, Any] | None
) -> ArrowRows:
    names = tuple(source.schema.names if columns is None else columns)
    specs = specs_of(source.schema, names, "the table")
    fills = checked_fills(source.schema, fill_nulls, "the table")
    kind = ArrowStream if isinstance(source, Stream) else ArrowRows
    return kind(source, names, specs, tuple((name, value) for name, value in fills if name in names))


def pandas_node(
    frame: Any,
    columns: Sequence[str] | None = None,
    fill_nulls: Mapping[str, Any] | None = None,
    index: bool = False,
) -> ArrowRows:
    """Return the node over a pandas DataFrame.

    Raises:
        SpecError: It is none, or a column has values of several kinds.
    """
    if not (hasattr(frame, "reset_index") and hasattr(frame, "columns")):
        raise SpecError(
            f"from_pandas takes a pandas.DataFrame, not {type(frame).__name__}",
            hint="of a Series make one: series.to_frame()",
        )
    if index:
        frame = frame.reset_index()
    if columns is not None:
        refuse_unknown(columns, map(str, frame.columns), "the DataFrame")
        frame = frame.loc[:, [str(name) in set(columns) for name in frame.columns]]
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        text = ": ".join(str(part) for part in error.args)
        raise SpecError(
            f"the DataFrame does not fit into columns of one type each: {text}",
            hint="give each column one type, for example frame['name'].astype(str), and names that differ",
        ) from error
    except ImportError as error:
        raise OptionalDependencyError(
            "from_pandas needs pandas", hint="pip install 'dataflow-estimators[pandas]'"
        ) from error
    return _node(table.replace_schema_metadata(None), columns, fill_nulls)


def polars_node(
    frame: Any, columns: Sequence[str] | None = None, fill_nulls: Mapping[str, Any] | None = None
) -> ArrowRows:
    """Return the node over a polars DataFrame, or a LazyFrame, which is collected now.

    Raises:
        SpecError: It is neither.
    """
    if not hasattr(frame, "collect_schema"):
        raise SpecError(
            f"from_polars takes a polars.DataFrame or LazyFrame, not {type(frame).__name__}",
            hint="of a Series make one: series.to_frame()",
        )
    if columns is not None:
        refuse_unknown(columns, frame.collect_schema().names(), "the frame")
        frame = frame.select(list(columns))
    if hasattr(frame, "collect"):
        frame = frame.collect()
    return _node(frame.to_arrow(), columns, fill_nulls)


def _example_table() -> pa.Table:
    table = pa.table(
        {
            "id": pa.array(range(7), pa.int32()),
            "x": pa.array([None if i == 4 else i / 2 for i in range(7)]),
            "n": pa.array([None if i in (0, 5) else i for i in range(7)]),
            "kind": pa.array(["a", "b", None, "a", "c", "b", "a"]).dictionary_encode(),
            "tags": pa.array([[i] * (i % 3) for i in range(7)]),
            "pair": pa.array([[i, -i] for i in range(7)], pa.list_(pa.int64(), 2)),
        }
    )
    return pa.concat_tables([table.slice(0, 3), table.slice(3)])


class _Restartable:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _example_table().__arrow_c_stream__(requested_schema)


EXAMPLES = (
    lambda: arrow_node(_example_table()),
    lambda: arrow_node(_example_table(), ["tags", "n"], {"n": -1}),
    lambda: arrow_node(_Restartable(), ["pair", "n", "kind"]),
)
