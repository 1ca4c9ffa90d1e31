"""Rows a second from S3: our readers, and pyarrow over its own S3 file system, of the same objects.

Run `python benchmarks/s3_read.py`; the server is moto's, in a process of its own. `--short` reads little,
writes no results, and ends at once where moto or s3fs is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.fs
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dataflow import CsvDataset, Dataset, ParquetDataset  # noqa: E402
from dataflow.storage import files  # noqa: E402
from report import write_section  # noqa: E402

BUCKET = "benchmark"
COLUMNS = 8
BATCH = 1 << 16


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Run moto's server and yield its host and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def write(shards: int, rows: int) -> None:
    """Write the shards."""
    for shard in range(shards):
        random = np.random.default_rng(shard)
        table = pa.table({f"c{i}": random.normal(size=rows).astype(np.float32) for i in range(COLUMNS)})
        with files.atomic_writer(f"s3://{BUCKET}/rows-{shard:03}.parquet") as file:
            pq.write_table(table, file, row_group_size=max(1, rows // 4))
        with files.atomic_writer(f"s3://{BUCKET}/rows-{shard:03}.csv") as file:
            pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False))


def names(suffix: str) -> list[str]:
    """Return the URLs of the shards."""
    return list(Dataset.list_files(f"s3://{BUCKET}/rows-*.{suffix}", shuffle=False))


def ours_parquet(_: pyarrow.fs.FileSystem) -> int:
    """Count the rows that our Parquet reader delivers."""
    return sum(len(batch["c0"]) for batch in ParquetDataset(names("parquet")).batch(BATCH))


def ours_csv(_: pyarrow.fs.FileSystem) -> int:
    """Count the rows that our CSV reader delivers."""
    defaults = [np.float32(0)] * COLUMNS
    return sum(len(batch[0]) for batch in CsvDataset(names("csv"), defaults).batch(BATCH))


def arrow_parquet(system: pyarrow.fs.FileSystem) -> int:
    """Count the rows that Arrow's Parquet reader delivers."""
    rows = 0
    for name in names("parquet"):
        with system.open_input_file(name.removeprefix("s3://")) as file:
            reader = pq.ParquetFile(file, pre_buffer=True)
            rows += sum(batch.num_rows for batch in reader.iter_batches(BATCH))
    return rows


def arrow_csv(system: pyarrow.fs.FileSystem) -> int:
    """Count the rows that Arrow's CSV reader delivers."""
    rows = 0
    columns = [f"c{i}" for i in range(COLUMNS)]
    types = dict.fromkeys(columns, pa.float32())
    for name in names("csv"):
        with system.open_input_stream(name.removeprefix("s3://")) as file:
            reader = pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(column_names=columns, block_size=4 << 20),
                convert_options=pyarrow.csv.ConvertOptions(column_types=types),
            )
            rows += sum(batch.num_rows for batch in reader)
    return rows


def measure(read: Callable[[pyarrow.fs.FileSystem], int], system: pyarrow.fs.FileSystem, rows: int) -> float:
    """Return rows a second."""
    start = time.perf_counter()
    assert read(system) == rows
    return rows / (time.perf_counter() - start)


def main() -> None:
    """Measure, print, and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="read little, write no results")
    short = parser.parse_args().short
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "s3fs")):
        print("skipped: pip install -e '.[test-cloud]'")
        return
    shards, rows, runs = (2, 20_000, 1) if short else (6, 400_000, 5)
    with server() as address:
        os.environ.update(AWS_ENDPOINT_URL=f"http://{address}", AWS_DEFAULT_REGION="us-east-1")
        os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
        system = pyarrow.fs.S3FileSystem(
            access_key="key",
            secret_key="secret",
            endpoint_override=address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        system.create_dir(BUCKET)
        write(shards, rows)
        lines = ["| format | ours, rows/s | pyarrow.fs, rows/s | ratio |", "|---|---|---|---|"]
        for kind, ours, arrow in (("Parquet", ours_parquet, arrow_parquet), ("CSV", ours_csv, arrow_csv)):
            measure(ours, system, shards * rows)  # kernels are compiled
            pairs = [[measure(read, system, shards * rows) for read in (ours, arrow)] for _ in range(runs)]
            mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            lines.append(f"| {kind} | {mine:,.0f} | {theirs:,.0f} | {ratio:.2f} |")
    text = (
        f"{shards} shards of {rows:,} rows of {COLUMNS} float32, moto's server beside; median of {runs}.\n\n"
    )
    text += "\n".join(lines)
    print(text)
    if not short:
        write_section("Reading from S3", text)


if __name__ == "__main__":
    main()
