"""What is not read: columns that nobody uses, and row groups that a filter drops.

    python benchmarks/pruning.py [--short]

A Parquet file of 20 columns of floats, the first one sorted, and 20 of text. The pipelines end in
``batch(1024)`` and are read by columns, in turn in one process, after a warm-up.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow import Dataset, Options, ParquetDataset
from dataflow.rewrites import plan_at
from dataflow.sources.parquet import ParquetRows
from report import machine, write_section
from running import REPEATS, in_turn, parser, ratio, rows_of_blocks

FLOATS = tuple(f"f{n:02}" for n in range(20))
TEXTS = tuple(f"t{n:02}" for n in range(20))
USED = ("f00", "f01", "f02", "t00", "t01")
ROWS_PER_GROUP = 100_000
KEPT = 0.1
"""Share of the rows that the filter keeps."""


def write_wide_parquet(path: Path, rows: int) -> None:
    """Write the file, a row group at a time."""
    rng = np.random.default_rng(7)
    words = pa.array([f"word{n:05}" for n in range(1000)])
    schema = pa.schema([(n, pa.float64()) for n in FLOATS] + [(n, pa.string()) for n in TEXTS])
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for start in range(0, rows, ROWS_PER_GROUP):
            n = min(ROWS_PER_GROUP, rows - start)
            floats = [pa.array(rng.standard_normal(n)) for _ in FLOATS[1:]]
            texts = [words.take(pa.array(rng.integers(0, len(words), n))) for _ in TEXTS]
            first = pa.array(np.arange(start, start + n) / rows)
            writer.write_table(pa.table([first, *floats, *texts], schema=schema), row_group_size=n)


def use_five(row):
    """Use 5 of the 40 columns."""
    return {"sum": row["f00"] + row["f01"] * row["f02"], "first": row["t00"], "second": row["t01"]}


def rows_scanned(dataset: Dataset) -> int:
    """Return how many rows the scan gives to the stages above it."""
    node = plan_at("placed", dataset.node, dataset.options().resolved())
    while not isinstance(node, ParquetRows):
        (node,) = node.inputs
    return rows_of_blocks(Dataset(node).batch(1024))


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    rows, repeats = (200_000, 1) if arguments.short else (2_000_000, REPEATS)
    off = Options(rewrites=False)
    with TemporaryDirectory() as directory:
        path = Path(directory, "wide.parquet")
        write_wide_parquet(path, rows)
        size = path.stat().st_size
        every, five = ParquetDataset(path), ParquetDataset(path, columns=USED)
        end = five.filter(lambda row: row["f00"] >= 1 - KEPT).map(use_five).batch(1024)
        columns = {
            "pruned": every.map(use_five).batch(1024),
            "named": five.map(use_five).batch(1024),
            "all": every.batch(1024),
        }
        filters = {"pushed": end, "not pushed": end.with_options(off)}
        seconds = in_turn(_programs(columns), rows, repeats)
        seconds |= in_turn(_programs(filters), rows - int(rows * (1 - KEPT)), repeats)
        scanned = {name: rows_scanned(dataset) for name, dataset in filters.items()}
    text = f"""{machine()}

{rows:,} rows of 40 columns in one Parquet file of {size / 1e6:.0f} MB, row groups of {ROWS_PER_GROUP:,} rows;
median of {repeats} runs in turn, warm file cache.

| columns | seconds | rows/s |
|---|---|---|
"""
    labels = {
        "pruned": "map uses 5, none named",
        "named": "`columns=` names the same 5",
        "all": "all 40, no map",
    }
    for name, label in labels.items():
        took = median(seconds[name])
        text += f"| {label} | {took:.3f} | {rows / took:,.0f} |\n"
    text += f"""
Without naming columns, a map of 5 has {ratio(seconds, "pruned", "named")} of the rows/s of naming them,
and {ratio(seconds, "pruned", "all")} times those of reading all.

| filter on a sorted column that keeps {KEPT:.0%}, 5 columns | seconds | rows read |
|---|---|---|
"""
    labels = {"pushed": "row groups skipped by their statistics", "not pushed": "`Options(rewrites=False)`"}
    for name, label in labels.items():
        text += f"| {label} | {median(seconds[name]):.3f} | {scanned[name]:,} |\n"
    text += f"\nSkipping makes it {ratio(seconds, 'pushed', 'not pushed')} times as fast.\n"
    print(text)
    if not arguments.short:
        write_section("Pruning: columns and row groups that are not read", text)


def _programs(datasets):
    return {name: lambda dataset=dataset: rows_of_blocks(dataset) for name, dataset in datasets.items()}


if __name__ == "__main__":
    main()
