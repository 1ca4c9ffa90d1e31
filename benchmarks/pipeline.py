"""The tutorial's pipeline on sharded CSV, beside Arrow's CSV reader and tf.data on the same files.

    python benchmarks/pipeline.py [--short] [--tensorflow PYTHON]

Ours: list_files -> flat_map(TextLineDataset) -> map(decode_line) -> shuffle(1000) -> batch(128), every batch
taken by a Python loop. Arrow: ``pyarrow.csv.open_csv`` with one thread, every record batch taken. Both run in
turn in one process, after a warm-up. Then each runs over one and over four times the rows in processes of
their own, for the growth of peak memory. tf.data runs the stages of ours, in an interpreter of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.csv as pc

from dataflow import Dataset, TextLineDataset, decode_csv
from peers.measure import peak_megabytes
from report import machine, write_section
from running import REPEATS, Figures, in_turn, left_out, parser, ratio, run_peer, run_self
from taxi_rows import COLUMNS, write_taxi_csv

DEFAULTS = [[0.0], [-74.0], [40.0], [-74.0], [40.7], [1.0], ["nokey"]]
TFDATA_ROWS = 400_000
LABELS = {
    "ours": "dataflow, shuffled and batched",
    "arrow": "pyarrow.csv.open_csv, one thread",
    False: "tf.data, the same stages",
    True: "tf.data, map with AUTOTUNE, and prefetch",
}


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


PROGRAMS = {"ours": ours, "arrow": arrow}


def tfdata(python: str, pattern: str) -> dict[bool, Figures]:
    """Return what tf.data measures of itself, as the tutorial writes it and with parallel stages."""
    settings = {"pattern": pattern, "limit": TFDATA_ROWS, "columns": COLUMNS, "defaults": DEFAULTS}
    return {way: run_peer(python, "tfdata_csv.py", parallel=way, **settings) for way in (False, True)}


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    options = parser(__doc__.splitlines()[0], "tensorflow")
    arguments = options.parse_args()
    if arguments.run:
        rows = PROGRAMS[arguments.run[0]](arguments.run[1])
        print(json.dumps([rows, peak_megabytes()]))
        return
    rows, repeats = (100_000, 1) if arguments.short else (2_000_000, REPEATS)
    with TemporaryDirectory() as directory:
        for name, factor in (("small", 1), ("large", 4)):
            write_taxi_csv(Path(directory, name), rows * factor, shards=8, seed=7)
        small, large = (f"{directory}/{name}/*" for name in ("small", "large"))
        size = sum(path.stat().st_size for path in Path(directory, "small").iterdir())
        programs = {name: lambda program=program: program(small) for name, program in PROGRAMS.items()}
        seconds = in_turn(programs, rows, repeats)
        peaks = {n: [run_self("--run", n, pattern)[1] for pattern in (small, large)] for n in PROGRAMS}
        python = None if arguments.short else arguments.tensorflow
        peers = tfdata(python, small) if python else {}
    text = f"""{machine()}

{rows:,} rows of {size / rows:.0f} bytes in 8 CSV shards; median of {repeats} runs in turn, warm file cache.
Ours uses the default threads; Arrow's reader has one.

| | seconds | rows/s | peak memory, {rows:,} rows | {4 * rows:,} rows | growth |
|---|---|---|---|---|---|
"""
    speed = {name: rows / median(values) for name, values in seconds.items()}
    for name, (once, more) in peaks.items():
        text += f"| {LABELS[name]} | {rows / speed[name]:.2f} | {speed[name]:,.0f} | "
        text += f"{once:.0f} MB | {more:.0f} MB | {more - once:.1f} MB |\n"
    for way, run in peers.items():
        text += f"| {LABELS[way]} | {rows / run.speed:.1f} | {run.speed:,.0f} | | | |\n"
    text += f"\ndataflow has {ratio(seconds, 'ours', 'arrow')} of Arrow's rows/s.\n"
    if peers:
        times = [f"{speed['ours'] / run.speed:.0f}" for run in peers.values()]
        text += f"""\
It has {times[0]} times the rows/s of tf.data 2.15, and {times[1]} times with its parallel stages.
tf.data reads {TFDATA_ROWS:,} rows after a first batch, median of 3 processes; seconds are reckoned from that.
"""
    else:
        text += left_out("tensorflow", "tf.data")
    print(text)
    if not arguments.short:
        write_section("Pipeline: text lines, decode_csv, shuffle, batch", text)


if __name__ == "__main__":
    main()
