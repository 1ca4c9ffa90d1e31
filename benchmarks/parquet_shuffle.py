"""Click-log rows from Parquet, all columns, shuffled and batched, beside what else reads them.

    python benchmarks/parquet_shuffle.py [--short] [--peers PYTHON]

Ours is read twice over: by columns, as estimators do (text stays coded), and as Python elements (a dict of
NumPy arrays, text as `str`). Beside it, in turn: ``ParquetFile.iter_batches()``, which neither shuffles nor
cuts batches of 128 nor makes `str`. The peers, each in a process of its own, give Python elements.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from criteo_rows import write_criteo_parquet
from dataflow import Dataset, ParquetDataset
from peers.measure import peak_megabytes
from report import machine, write_section
from running import REPEATS, in_turn, left_out, parser, ratio, rows_of_blocks, run_peer, run_self

BUFFER = 10_000
BATCH = 128
SLOW_ROWS = 80_000
"""Rows that the slow peers read: whole windows of the buffer, and whole batches."""


def shuffled(files: list[str]) -> Dataset:
    """Return the pipeline."""
    return ParquetDataset(files).shuffle(BUFFER, seed=1).batch(BATCH)


def by_columns(files: list[str]) -> int:
    """Return the number of rows of all blocks."""
    return rows_of_blocks(shuffled(files))


def as_elements(files: list[str]) -> int:
    """Return the number of rows of all batches."""
    return sum(len(batch["label"]) for batch in shuffled(files))


def iter_batches(files: list[str]) -> int:
    """Return the number of rows of Arrow's record batches."""
    return sum(b.num_rows for path in files for b in pq.ParquetFile(path).iter_batches())


def iter_batches_verified(files: list[str]) -> int:
    """Return the same, with the checksums of pages verified, as ours does."""
    opened = (pq.ParquetFile(path, page_checksum_verification=True) for path in files)
    return sum(batch.num_rows for file in opened for batch in file.iter_batches())


PROGRAMS = {
    "columns": by_columns,
    "elements": as_elements,
    "arrow": iter_batches,
    "verified": iter_batches_verified,
}
LABELS = {
    "columns": "dataflow, read by columns",
    "elements": "dataflow, Python elements",
    "arrow": "ParquetFile.iter_batches() alone",
    "verified": "the same, page checksums verified",
}
PEERS = (
    ("PyTorch, hand-written dataset, no workers", "torch_parquet.py", {"workers": 0}),
    ("the same, DataLoader with 2 workers", "torch_parquet.py", {"workers": 2}),
    ("HuggingFace datasets, streaming", "huggingface_parquet.py", {}),
    ("Grain, window shuffle", "grain_parquet.py", {}),
)


def peer_rows(python: str, files: list[str], rows: int, ours: dict[str, float]) -> str:
    """Run the peers, and return their lines of the table."""
    text = ""
    for label, program, more in PEERS:
        limit = rows if more.get("workers") == 0 else SLOW_ROWS
        run = run_peer(python, program, files=files, buffer=BUFFER, batch=BATCH, limit=limit, **more)
        times = [f"{ours[name] / run.speed:.1f}" for name in ("columns", "elements")]
        text += f"| {label} | {rows / run.speed:.2f} | {run.speed:,.0f} | {run.megabytes:.0f} MB | "
        text += f"{times[0]} | {times[1]} |\n"
    return text


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0], "peers").parse_args()
    if arguments.run:
        name, *files = arguments.run
        print(json.dumps([PROGRAMS[name](files), peak_megabytes()]))
        return
    rows, repeats = (100_000, 1) if arguments.short else (1_000_000, REPEATS)
    python = None if arguments.short else arguments.peers
    with TemporaryDirectory() as directory:
        files = [str(path) for path in write_criteo_parquet(Path(directory), rows, files=4, seed=7)]
        programs = {name: lambda program=program: program(files) for name, program in PROGRAMS.items()}
        seconds = in_turn(programs, rows, repeats)
        speed = {name: rows / median(values) for name, values in seconds.items()}
        peaks = {name: run_self("--run", name, *files)[1] for name in PROGRAMS}
        peers = peer_rows(python, files, rows, speed) if python else ""
    text = f"""{machine()}

{rows:,} rows, 14 columns of numbers and 26 of text, in 4 Parquet files; shuffle({BUFFER:,}), batch({BATCH}).
Ours and Arrow's: median of {repeats} runs in turn, warm file cache, default threads.

| | seconds | rows/s | peak memory | dataflow by columns is faster by | elements are faster by |
|---|---|---|---|---|---|
"""
    for name, label in LABELS.items():
        times = [f"{speed[own] / speed[name]:.2f}" for own in ("columns", "elements")]
        text += f"| {label} | {rows / speed[name]:.2f} | {speed[name]:,.0f} | {peaks[name]:.0f} MB | "
        text += f"{times[0]} | {times[1]} |\n"
    text += peers
    text += f"""
Of the rows/s of iter_batches, dataflow has {ratio(seconds, "columns", "arrow")} by columns and
{ratio(seconds, "elements", "arrow")} as elements; by columns,
{ratio(seconds, "columns", "verified")} beside the one that verifies checksums, as dataflow does.
"""
    if python:
        text += f"""\
Peers: median of 3 processes. PyTorch without workers reads all rows, the others {SLOW_ROWS:,},
and their seconds are reckoned from that. The memory of workers is not counted.
"""
    else:
        text += left_out("peers", "PyTorch, HuggingFace datasets, Grain")
    print(text)
    if not arguments.short:
        write_section("Parquet: click logs, shuffle, batch", text)


if __name__ == "__main__":
    main()
