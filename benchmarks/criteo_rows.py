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


def criteo_table(rows: int, seed: int, *, label: bool = True) -> pa.Table:
    """Return random rows: counts follow a geometric law, categories Zipf's law over 8 hex digits each."""
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = (
        {"label": pa.array((rng.random(rows) < 0.25).astype(np.int64))} if label else {}
    )
    for number, name in enumerate(COUNTS):
        columns[name] = pa.array(rng.geometric(1 / (2 + 5 * number), rows))
    for name, size in zip(CATEGORIES, CARDINALITIES, strict=True):
        values = pa.array([f"{word:08x}" for word in np.random.default_rng(size).integers(0, 1 << 32, size)])
        ranks = np.minimum((size ** rng.random(rows)).astype(np.int64) - 1, size - 1)
        columns[name] = values.take(pa.array(ranks))
    return pa.table(columns)


def write_criteo_parquet(directory: Path, rows: int, *, files: int, seed: int) -> list[Path]:
    """Write the rows into `files` Parquet files with page checksums, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        path = directory / f"part-{number:03d}.parquet"
        table = criteo_table(rows // files, seed + number)
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, write_page_checksum=True)
        paths.append(path)
    return paths
