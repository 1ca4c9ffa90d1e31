"""The tutorial's pipeline on sharded CSV, beside Arrow's CSV reader on the same files.

    python benchmarks/pipeline.py [--short]

Ours: list_files -> flat_map(TextLineDataset) -> map(decode_line) -> shuffle(1000) -> batch(128), every batch
taken by a Python loop. Arrow: ``pyarrow.csv.open_csv`` with one thread, every record batch taken. Both run in
turn in one process, after a warm-up. Then each runs over one and over four times the rows in processes of
their own, for the growth of peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from dataflow import Dataset, TextLineDataset, decode_csv
from report import machine, write_section
from taxi_rows import COLUMNS, write_taxi_csv

DEFAULTS = [[0.0], [-74.0], [40.0], [-74.0], [40.7], [1.0], ["nokey"]]


def decode_line(line):
    """Turn a line into features and label, as the tutorial does."""
    features = dict(zip(COLUMNS, decode_csv(line, DEFAULTS), strict=True))
    return features, features.pop("fare_amount")


def ours(pattern: str) -> int:
    """Return the number of rows that the pipeline gives."""
    dataset = Dataset.list_files(pattern, shuffle=False).flat_map(TextLineDataset).map(decode_line)
    return sum(len(label) for _, label in dataset.shuffle(1000, seed=1).batch(128))


def arrow(pattern: str) -> int:
    """Return the number of rows that Arrow's reader gives, with one thread and our column types."""
    types = dict.fromkeys(COLUMNS[:-1], pa.float32()) | {COLUMNS[-1]: pa.string()}
    rows = 0
    for path in sorted(Path(pattern).parent.glob(Path(pattern).name)):
        reader = pc.open_csv(
            path,
            pc.ReadOptions(use_threads=False, column_names=list(COLUMNS)),
            convert_options=pc.ConvertOptions(column_types=types),
        )
        rows += sum(batch.num_rows for batch in reader)
    return rows


def peak_megabytes() -> float:
    """Return the peak resident size of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone: ru_maxrss starts with what the parent process had
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_memory(which: str, pattern: str) -> tuple[int, float]:
    """Return (rows, peak resident MB) of a run in a process of its own."""
    text = subprocess.check_output([sys.executable, __file__, "--run", which, pattern], text=True)
    rows, megabytes = json.loads(text)
    return rows, megabytes


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="few rows, nothing written: does it still run?")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        rows = {"ours": ours, "arrow": arrow}[arguments.run[0]](arguments.run[1])
        print(json.dumps([rows, peak_megabytes()]))
        return
    rows, repeats = (100_000, 1) if arguments.short else (2_000_000, 5)
    with tempfile.TemporaryDirectory() as directory:
        for name, factor in (("small", 1), ("large", 4)):
            write_taxi_csv(Path(directory, name), rows * factor, shards=8, seed=7)
        small, large = (f"{directory}/{name}/*" for name in ("small", "large"))
        size = sum(path.stat().st_size for path in Path(directory, "small").iterdir())
        seconds: dict[str, list[float]] = {"ours": [], "arrow": []}
        for turn in range(repeats + 1):
            for name, run in (("ours", ours), ("arrow", arrow)):
                started = time.perf_counter()
                assert run(small) == rows
                if turn:  # the first one compiles kernels and warms the file cache
                    seconds[name].append(time.perf_counter() - started)
        memory = {name: [peak_memory(name, pattern) for pattern in (small, large)] for name in seconds}
    median = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = sorted(a / o for o, a in zip(seconds["ours"], seconds["arrow"], strict=True))
    growth = {name: runs[1][1] - runs[0][1] for name, runs in memory.items()}
    text = f"""{machine()}

{rows:,} rows of {size / rows:.0f} bytes in 8 CSV shards; median of {repeats} runs in turn, warm file cache.
Ours uses the default threads; Arrow's reader has one.

| | seconds | rows/s | peak memory, {rows:,} rows | {4 * rows:,} rows | growth |
|---|---|---|---|---|---|
"""
    for name, label in (
        ("ours", "dataflow, shuffled and batched"),
        ("arrow", "pyarrow.csv.open_csv, one thread"),
    ):
        peaks = [megabytes for _, megabytes in memory[name]]
        text += f"| {label} | {median[name]:.2f} | {rows / median[name]:,.0f} | "
        text += f"{peaks[0]:.0f} MB | {peaks[1]:.0f} MB | {growth[name]:.1f} MB |\n"
    spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    text += f"\ndataflow has {statistics.median(ratios):.2f} of Arrow's rows/s {spread}.\n"
    print(text)
    if not arguments.short:
        write_section("Pipeline: text lines, decode_csv, shuffle, batch", text)


if __name__ == "__main__":
    main()
