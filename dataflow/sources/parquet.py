"""`ParquetDataset`: rows of Parquet files as dicts of columns."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pyarrow as pa

from dataflow.errors import DataflowError, InvalidArgumentError, TraceError
from dataflow.expr.tensor import Tensor
from dataflow.options import UNKNOWN_CARDINALITY
from dataflow.plan.node import Node
from dataflow.runtime.operator import Operator
from dataflow.sources.parquet_reader import ParquetRowsOperator
from dataflow.sources.parquet_schemas import (
    STRICT,
    Layout,
    checked_fills,
    chosen_groups,
    layout_of,
    outlines_of,
    spec_of_leaf,
)
from dataflow.sources.partitions import Partition, partitions_of
from dataflow.spec import Structure
from dataflow.storage.files import as_paths, join, make_directory
from dataflow.storage.parquet import write_example
from dataflow.storage.parquet_schema import Path, keys
from dataflow.storage.parquet_statistics import Condition
from dataflow.storage.tree import expanded


@dataclasses.dataclass(frozen=True)
class ParquetRows(Node):
    """Dicts of the columns, files and row groups in order.

    With `threads` above 1, the columns of a row group are decoded side by side, in Arrow's threads.
    `skip_rows` leaves out the first rows. Row groups of which statistics say that no row meets all
    conditions of `where` are passed over, and files of which the partitions say so are not opened; the
    rows of the others come all. With `spans`, only these rows of each file are read.
    """

    paths: tuple[str, ...]
    columns: tuple[Path, ...]
    types: tuple[pa.DataType, ...] = dataclasses.field(repr=False)
    row_groups: tuple[int, ...] | None = None
    fill_nulls: tuple[tuple[Path, Any], ...] = ()
    partitions: tuple[Partition, ...] = ()
    layout: Layout | None = dataclasses.field(default=None, repr=False)
    schema: str = STRICT
    decimals: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    skip_rows: int = 0
    threads: int = dataclasses.field(default=1, metadata={"physical": True})
    where: tuple[Condition, ...] = dataclasses.field(default=(), metadata={"physical": True})

    def check(self) -> None:
        """Elements need a component."""
        if not self.columns and not self.partitions:
            raise InvalidArgumentError("the files have no columns", hint="give at least one column")

    def infer_spec(self) -> Structure:
        """The columns; fields of structs are in dicts of their own. Partitions come last."""
        element: dict[str, Any] = {}
        leaves = [(p, spec_of_leaf(p, kind)) for p, kind in zip(self.columns, self.types, strict=True)]
        for path, spec in [*leaves, *((p.name, p.spec) for p in self.partitions)]:
            *above, last = keys(path)
            place = element
            for key in above:
                place = place.setdefault(key, {})
            place[last] = spec
        return element

    @property
    def components(self) -> list[Path]:
        """What the leaves of the element are, in `flatten` order."""
        return sorted((*self.columns, *(p.name for p in self.partitions)), key=keys)

    def infer_cardinality(self) -> int:
        """The number of rows, as the footers of all files say; unknown with conditions."""
        return UNKNOWN_CARDINALITY if self.where else self._rows

    @functools.cached_property
    def _rows(self) -> int:
        try:
            total = sum(len(rows) for rows in self._rows_of_files)
        except (OSError, DataflowError):
            return UNKNOWN_CARDINALITY  # the error is raised where the file is read
        return max(total - self.skip_rows, 0)

    @functools.cached_property
    def _rows_of_files(self) -> list[range]:
        """The numbers of the rows of each file that are read."""
        counts = [
            sum(outline.group_rows[group] for group in chosen_groups(outline, self.row_groups))
            for outline in outlines_of(self.paths)
        ]
        spans = [(0, count) for count in counts] if self.spans is None else self.spans
        return [range(count)[start:stop] for count, (start, stop) in zip(counts, spans, strict=True)]

    def count_elements(self) -> int | None:
        """The number of rows; a file that cannot be read raises."""
        if self.where:
            return None
        return max(sum(len(rows) for rows in self._rows_of_files) - self.skip_rows, 0)

    def take_run(self, start: int, stop: int) -> Self | None:
        """Return the node over the files, and the rows of them, that have these elements."""
        if self.where:
            return None
        before, kept = -self.skip_rows, []
        for number, rows in enumerate(self._rows_of_files):
            part = rows[max(0, start - before) : max(0, stop - before)]
            before += len(rows)
            if part:
                kept.append((number, (part.start, part.stop)))
        files = [number for number, _ in kept] or [0]
        partitions = [
            dataclasses.replace(p, values=tuple(p.values[file] for file in files)) for p in self.partitions
        ]
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[file] for file in files),
            partitions=tuple(partitions),
            spans=tuple(span for _, span in kept) or ((0, 0),),
            skip_rows=0,
        )

    def operator(self, *inputs: Operator) -> Operator:
        """Read row groups."""
        return ParquetRowsOperator(self)

    def with_columns(self, components: Sequence[int]) -> Self:
        """Return the node that reads only some components, numbered in `flatten` order."""
        order = self.components
        kept = {order[i] for i in components}
        pairs = [(c, k) for c, k in zip(self.columns, self.types, strict=True) if c in kept]
        return dataclasses.replace(
            self,
            columns=tuple(c for c, _ in pairs),
            types=tuple(k for _, k in pairs),
            partitions=tuple(p for p in self.partitions if p.name in kept),
        )

    def excludes(self, file: int) -> bool:
        """Tell whether no row of a file meets the conditions, as far as its partitions tell."""
        return any(partition.excludes(file, self.where) for partition in self.partitions)


def parquet_node(
    filenames: Any,
    columns: Sequence[str] | None = None,
    row_groups: Sequence[int] | None = None,
    fill_nulls: Mapping[str, Any] | None = None,
    partitions: bool | Mapping[str, Any] | None = None,
    schema: str | Mapping[str, Any] = STRICT,
    decimals: str | None = None,
) -> ParquetRows:
    """Find the files, read the schema of the first one, or of all, and return the node."""
    if isinstance(filenames, Tensor):
        raise TraceError("the columns of a Parquet file are known from the file itself")
    fills = dict(fill_nulls or {})
    files = [(path, root) for given in as_paths(filenames) for path, root in expanded(given)]
    if not files:
        raise InvalidArgumentError("ParquetDataset needs at least one file")
    paths, roots = zip(*files, strict=True)
    pinned = schema if isinstance(schema, Mapping) else {}
    found = partitions_of(paths, roots, partitions, pinned, fills)
    names = [partition.name for partition in found]
    layout = layout_of(paths, columns, schema, decimals, fills, names)
    groups = None if row_groups is None else tuple(row_groups)
    kinds = dict(zip(layout.columns, layout.types, strict=True))
    rest = {name: value for name, value in fills.items() if name not in names}
    if layout.rule == STRICT:  # fills may be for columns that are not chosen
        kinds = dict(layout_of(paths[:1], None, STRICT, decimals, fills, names).pairs) | kinds
    checked = checked_fills(kinds, rest, paths[0])
    used = found if columns is None else [partition for partition in found if partition.name in columns]
    return ParquetRows(
        paths,
        layout.columns,
        layout.types,
        groups,
        checked,
        tuple(used),
        layout,
        layout.rule,
        decimals,
    )


EXAMPLES = ()


def file_examples(directory: str) -> list[Node]:
    """Write files and return nodes that read them: row groups, nulls, dictionaries, structs, partitions."""
    table = pa.table(
        {
            "id": pa.array(range(9), pa.int32()),
            "fare": pa.array([None if i == 4 else i / 2 for i in range(9)]),
            "kind": pa.array(["a", "b", None] * 3).dictionary_encode(),
            "tags": pa.array([[i] * (i % 3) for i in range(9)]),
        }
    )
    paths = [write_example(join(directory, f"{name}.parquet"), table, 4) for name in "ab"]
    whole = parquet_node(paths)
    for year in (2023, 2024):
        make_directory(join(directory, "tree", f"year={year}"))
        inside = pa.array([{"x": i, "words": [str(i)] * (i % 2)} for i in range(5)])
        more = {"z": pa.array(range(5), pa.int16())} if year == 2024 else {}
        other = pa.table({"s": inside, "n": pa.array([1, None, 3, 4, 5]), **more})
        write_example(join(directory, "tree", f"year={year}", "part.parquet"), other, 2)
    tree = parquet_node(join(directory, "tree"), schema="union", fill_nulls={"z": -1})
    return [
        whole,
        dataclasses.replace(whole, skip_rows=11),
        dataclasses.replace(whole, where=(("id", "greater", 3),)),
        parquet_node(paths, ["kind", "id"], row_groups=[1]),
        parquet_node(paths, ["tags"]),
        tree,
        dataclasses.replace(tree, where=(("year", "equal", 2024),)),
        tree.with_columns([tree.components.index("year")]),
    ]
