"""Fifty million rows through a shuffle buffer of 100,000: does the resident set stay flat?

    python benchmarks/memory.py [--short]

A process of its own reads 10 columns of Parquet, shuffles, batches, and takes every batch as a Python
element. It notes its resident set (all of it: interpreter, libraries, compiled kernels) every million rows.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow import Options, ParquetDataset
from peers.measure import peak_megabytes
from report import machine, write_section
from running import parser, run_self

BUFFER = 100_000
BATCH = 1024
ROWS_PER_GROUP = 100_000
BUDGET = 400
"""MB that the whole process may have."""
PIPELINE_BUDGET = 256 << 20
"""Bytes of it that the pipeline may use."""


def write_rows(path: Path, rows: int) -> None:
    """Write 5 columns of floats, 3 of integers, one of words and one of keys that are all different."""
    rng = np.random.default_rng(7)
    words = pa.array([f"word{n:05}" for n in range(5000)])
    writer = None
    for start in range(0, rows, ROWS_PER_GROUP):
        n = min(ROWS_PER_GROUP, rows - start)
        columns = {f"f{number}": pa.array(rng.standard_normal(n).astype(np.float32)) for number in range(5)}
        columns |= {f"i{number}": pa.array(rng.integers(0, 10**6, n)) for number in range(3)}
        columns["word"] = words.take(pa.array(rng.integers(0, len(words), n)))
        columns["key"] = pa.array(np.arange(start, start + n)).cast(pa.string())
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, write_page_checksum=True)
        writer.write_table(table, row_group_size=n)
    writer.close()


def resident_megabytes() -> float:
    """Return the resident size of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def stream(path: str, times: int, step: int) -> dict[str, object]:
    """Read the file several times over in one pass, and return samples of (rows, resident MB)."""
    dataset = ParquetDataset([path] * times).shuffle(BUFFER, seed=1).batch(BATCH)
    dataset = dataset.with_options(Options(memory_bytes=PIPELINE_BUDGET))
    rows, due, samples = 0, step, []
    started = time.perf_counter()
    for batch in dataset:
        rows += len(batch["key"])
        if rows >= due:
            samples.append((rows, resident_megabytes()))
            due += step
    seconds = time.perf_counter() - started
    return {"rows": rows, "seconds": seconds, "samples": samples, "peak": peak_megabytes()}


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    if arguments.run:
        path, times, step = arguments.run
        print(json.dumps(stream(path, int(times), int(step))))
        return
    rows, times, step = (300_000, 3, 100_000) if arguments.short else (5_000_000, 10, 1_000_000)
    with TemporaryDirectory() as directory:
        path = Path(directory, "rows.parquet")
        write_rows(path, rows)
        size = path.stat().st_size * times
        run = run_self("--run", str(path), str(times), str(step))
    if run["rows"] != rows * times:
        raise RuntimeError(f"{run['rows']} rows came, not {rows * times}")
    came, resident = np.array(run["samples"]).T
    slope, _ = np.polyfit(came / 1e6, resident, 1)
    shown = [f"{resident[int(at)]:.0f}" for at in np.linspace(0, len(resident) - 1, 6)]
    within = "within" if run["peak"] <= BUDGET else "above"
    text = f"""{machine()}

{run["rows"]:,} rows of 10 columns ({size / 1e9:.1f} GB of Parquet) through shuffle({BUFFER:,}) and
batch({BATCH}), taken as Python elements in {run["seconds"]:.0f} seconds
({run["rows"] / run["seconds"]:,.0f} rows/s).

| resident set | |
|---|---|
| slope, least squares over {len(resident)} samples | {slope:.3f} MB per million rows |
| peak | {run["peak"]:.0f} MB, {within} the budget of {BUDGET} MB |
| from the first sample to the last | {", ".join(shown)} MB |
"""
    print(text)
    if not arguments.short:
        write_section("Memory: fifty million rows in a flat resident set", text)


if __name__ == "__main__":
    main()
