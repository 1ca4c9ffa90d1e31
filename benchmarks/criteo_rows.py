"""Rows shaped like Criteo's click logs: a label, 13 counts and 26 categories, as Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COUNTS = tuple(f"i{n}" for n in range(1, 14))
CATEGORIES = tuple(f"c{n}" for n in range(1, 27))
CARDINALITIES = tuple(int(n) for n in np.geomspace(3, 400_000, len(CATEGORIES)))
ROWS_PER_GROUP = 125_000
BIAS, SPREAD = -1.2, 0.25
"""Log-odds of a click without features, and the standard deviation of what a category adds."""


def criteo_table(rows: int, seed: int, *, label: bool = True, clicks: bool = False) -> pa.Table:
    """Return random rows: counts follow a geometric law, categories Zipf's law over 8 hex digits each.

    With `clicks` counts have nulls, and labels depend on counts and categories; else labels are chance.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = (
        {"label": pa.array((rng.random(rows) < 0.25).astype(np.int64))} if label else {}
    )
    odds = np.full(rows, BIAS)
    for number, name in enumerate(COUNTS):
        counts = rng.geometric(1 / (2 + 5 * number), rows)
        missing = rng.random(rows) < 0.03 * number if clicks else None
        columns[name] = pa.array(counts, mask=missing)
        if missing is not None:
            odds += (-1) ** number * 0.1 * np.where(missing, 0, np.log1p(counts) - np.log1p(2 + 5 * number))
    for name, size in zip(CATEGORIES, CARDINALITIES, strict=True):
        of_column = np.random.default_rng(size)
        values = pa.array([f"{word:08x}" for word in of_column.integers(0, 1 << 32, size)])
        ranks = np.minimum((size ** rng.random(rows)).astype(np.int64) - 1, size - 1)
        columns[name] = values.take(pa.array(ranks))
        odds += SPREAD * of_column.standard_normal(size)[ranks]
    if clicks:
        columns["label"] = pa.array((rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64))
    return pa.table(columns)


def write_criteo_parquet(
    directory: Path, rows: int, *, files: int, seed: int, clicks: bool = False
) -> list[Path]:
    """Write the rows into `files` Parquet files with page checksums, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        path = directory / f"part-{number:03d}.parquet"
        table = criteo_table(rows // files, seed + number, clicks=clicks)
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, write_page_checksum=True)
        paths.append(path)
    return paths
