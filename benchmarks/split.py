"""Four workers over one big CSV file, and over three Parquet files of unequal size, by contiguous shards.

    python benchmarks/split.py [--short]

Each worker is a process that builds its shard and reads all of it; all run at once. What they compute for
building is set beside the seconds that they read, all together. The numbers of the rows show that each row
comes to one worker. Each process reads a small file of the same kind before, so that kernels are loaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dataflow import CsvDataset, Dataset, ParquetDataset
from report import machine, write_section
from running import parser

WORKERS = 4
BATCH = 128
CHUNK = 250_000
FILE_BYTES = 1 << 30
PARQUET_ROWS = (6_000_000, 500_000, 2_500_000)
NOTE = '"a ""note"",\nof two lines"'
CASES = ("plain CSV", "CSV with quoted line ends", "Parquet")


def rows_of(first: int, rows: int) -> pa.Table:
    """Make rows that are numbered from `first` on."""
    rng = np.random.default_rng(first)
    numbers = np.round(rng.standard_normal((4, rows)), 6)
    return pa.table([range(first, first + rows), *numbers], names=list("iabcd"))


def write_csv(path: Path, size: int, quoted: bool) -> int:
    """Write a CSV file of at least `size` bytes, with one quoted field in a hundred, and return its rows."""
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    first = 0
    with path.open("wb") as file:
        while file.tell() < size:
            rows = min(CHUNK, max(100, size // 40))
            sink = pa.BufferOutputStream()
            pyarrow.csv.write_csv(rows_of(first, rows), sink, options)
            lines = sink.getvalue().to_pybytes().split(b"\n")[:-1]
            if quoted:
                lines[::100] = [line + b"," + NOTE.encode() for line in lines[::100]]
            fields = b",\n" if quoted else b",note\n"
            file.write(b"".join(line + (b"\n" if line.endswith(b'"') else fields) for line in lines))
            first += rows
    return first


def write_parquet(folder: Path, counts: tuple[int, ...]) -> int:
    """Write one file for each number of rows, and return the rows of all."""
    first = 0
    for number, count in enumerate(counts):
        table = pa.concat_tables(
            rows_of(at, min(CHUNK, first + count - at)) for at in range(first, first + count, CHUNK)
        )
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=100_000)
        first += count
    return first


def read(case: str, folder: str) -> Dataset:
    """Return the rows of a folder, as records that are not batched."""
    if case == "Parquet":
        return ParquetDataset([str(path) for path in sorted(Path(folder).glob("*.parquet"))])
    return CsvDataset(str(Path(folder) / "a.csv"), [np.int64, 0.0, 0.0, 0.0, 0.0, ""], select_cols=None)


def work(case: str, folder: str, index: int, even: bool) -> dict[str, float]:
    """Build and read a shard; return the seconds, and which rows came."""
    started, computing = time.perf_counter(), time.process_time()
    dataset = read(case, folder)
    dataset = (dataset.batch(BATCH) if even else dataset).shard(WORKERS, index, contiguous=True, even=even)
    dataset = dataset if even else dataset.batch(BATCH)
    built, computing = time.perf_counter(), time.process_time() - computing
    blocks, rows, batches, first, last = dataset.blocks(), 0, 0, -1, -1
    while (block := blocks.read(1 << 62)) is not None:
        column = block.columns[4] if case == "Parquet" else block.columns[0]
        numbers = column.ravel()
        first = int(numbers[0]) if first < 0 else first
        if (int(numbers[0]) != last + 1 and last >= 0) or (np.diff(numbers) != 1).any():
            raise RuntimeError(f"the rows behind {last} do not follow it")
        last, rows, batches = int(numbers[-1]), rows + len(numbers), batches + block.length
    ended = time.perf_counter()
    return {
        "build": built - started, "computing": computing, "read": ended - built, "first": first,
        "last": last, "rows": rows, "batches": batches,
    }  # fmt: skip


def run_workers(case: str, folder: Path, small: Path, even: bool) -> list[dict[str, float]]:
    """Return what all workers found, checked against each other."""
    command = [sys.executable, sys.argv[0], "--run", case, str(folder), str(small), str(int(even))]
    running = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, text=True) for i in range(WORKERS)
    ]
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError(f"a worker over {case} failed")
    found = [json.loads(output) for output in outputs]
    ends = [-1, *(worker["last"] for worker in found)]
    if [worker["first"] for worker in found] != [end + 1 for end in ends[:-1]]:
        raise RuntimeError(f"the workers over {case} have other rows: {found}")
    return found


def measure(case: str, folder: Path, short: bool) -> str:
    """Write the data of a case, run the workers without and with equal numbers; return lines of a table."""
    small = folder / "small"
    small.mkdir()
    size = 2 << 20 if short else FILE_BYTES
    counts = tuple(n // 100 for n in PARQUET_ROWS) if short else PARQUET_ROWS
    if case == "Parquet":
        rows = write_parquet(folder, counts)
        write_parquet(small, (1000,))
    else:
        rows = write_csv(folder / "a.csv", size, case != "plain CSV")
        write_csv(small / "a.csv", 1 << 16, case != "plain CSV")
    lines = []
    for even in (False, True):
        found = run_workers(case, folder, small, even)
        total = sum(worker["rows"] for worker in found)
        if even and len({worker["batches"] for worker in found}) > 1:
            raise RuntimeError("the workers have unequal numbers of batches")
        if total != rows and not (even and rows - total < WORKERS * BATCH):
            raise RuntimeError(f"{total} of {rows} rows came")
        built, computing, seconds = (
            sum(worker[name] for worker in found) for name in ("build", "computing", "read")
        )
        batches = sorted(int(worker["batches"]) for worker in found)
        lines.append(
            f"| {case}{', equal numbers' if even else ''} | {batches[0]:,} to {batches[-1]:,} | "
            f"{1000 * built / WORKERS:.1f} ms | {1000 * computing:.1f} ms | {seconds:.2f} s | "
            f"{computing / seconds:.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure all cases and write the section of the results."""
    options = parser(__doc__ or "").parse_args()
    if options.run:
        case, folder, small, even, index = options.run
        work(case, small, 0, bool(int(even)))
        print(json.dumps(work(case, folder, int(index), even == "1")))
        return
    tables = []
    for case in CASES:
        with TemporaryDirectory() as folder:
            tables.append(measure(case, Path(folder), options.short))
    text = "\n".join(
        [
            f"Each row came to one of {WORKERS} workers. {machine()}.\n",
            "| Data | batches per worker | each waits for it | all compute for it | all read | share |",
            "|---|---|---|---|---|---|",
            *tables,
        ]
    )
    print(text)
    if not options.short:
        write_section("Contiguous shards", text)


if __name__ == "__main__":
    main()
