"""`write_parquet`, killed with -9 and started again: each row once, and no reader sees an unfinished file.

    python benchmarks/write_kills.py [--short]

The rows are shuffled without a seed: the order of a run lives in its manifest alone. Meanwhile another
process lists ``*.parquet`` again and again, and opens each file that it has not seen, and reads it.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow import Dataset, ParquetDataset, WriteResult, read_manifest
from report import write_section
from running import parser

KILLS = 5
FILES = 20


def rows(count: int) -> Dataset:
    """Return shuffled rows of five columns."""
    return (
        Dataset.range(count)
        .map(
            lambda x: {
                "id": x,
                "fare": (x % 9973) / 7,
                "km": ((x * 31) % 100_003) / 13,
                "place": (x % 4001).astype(str),
                "day": x % 365,
            }
        )
        .shuffle(10_000)
    )


def write(directory: str, count: int) -> WriteResult:
    """Write them."""
    return rows(count).write_parquet(directory, rows_per_file=count // FILES)


def watch(directory: str) -> None:
    """Read each file that appears, until there is a file ``.stop`` beside the directory, and report."""
    print("watching", flush=True)
    seen: set[tuple[str, int]] = set()
    unreadable: list[str] = []
    looks = 0
    while not (last := os.path.exists(f"{directory}.stop")) or looks == 0:
        looks += 1
        for file in glob.glob(f"{directory}/*.parquet"):
            try:
                mark = (file, os.stat(file).st_ino)
                if mark in seen:
                    continue
                pq.read_table(file, page_checksum_verification=True)
                seen.add(mark)
            except FileNotFoundError:
                continue  # an orphan of a killed run, removed since it was listed
            except (OSError, pa.ArrowException) as error:
                unreadable.append(f"{file}: {error}")
        if not last:
            time.sleep(0.001)
    print(json.dumps({"looks": looks, "files": len(seen), "unreadable": unreadable}))


def run(role: str, directory: str, count: int) -> subprocess.Popen[str]:
    """Start this program in another role."""
    command = [sys.executable, __file__, role, directory, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def listed(directory: str) -> int:
    """Return how many files the manifest lists."""
    there = os.path.exists(f"{directory}/_manifest.json")
    return len(read_manifest(directory).files) if there else 0


def killed_runs(directory: str, count: int, seconds: float) -> tuple[list[dict[str, Any]], WriteResult]:
    """Kill runs at random moments of their work, and let the last one end."""
    chances, runs = random.Random(1), []
    for number in range(KILLS):
        with run("write", directory, count) as writer:
            while listed(directory) < 2 * number + 1 and writer.poll() is None:
                time.sleep(0.001)
            time.sleep(chances.uniform(0, 2) * seconds / FILES)  # while it writes another one or two
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL, "it ended before it was killed"
        manifest = read_manifest(directory)
        there = len(glob.glob(f"{directory}/*.parquet"))
        runs.append({"rows": manifest.rows, "files": len(manifest.files), "there": there})
        assert not manifest.complete
    return runs, write(directory, count)


def check(directory: str, count: int) -> None:
    """Raise unless the manifest lists each row once, and the directory holds nothing else."""
    manifest = read_manifest(directory)
    manifest.verify()
    assert manifest.complete
    assert manifest.rows == count
    found = ParquetDataset(f"{directory}/_manifest.json", columns=["id"]).batch(1 << 16)
    times = np.bincount(np.concatenate([batch["id"] for batch in found]), minlength=count)
    assert len(times) == count
    assert (times == 1).all(), "a row is missing, or there twice"
    assert sorted(os.listdir(directory)) == sorted(
        ["_manifest.json", *(file.path for file in manifest.files)]
    )


def main() -> None:
    """Write, kill, check, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    count = 400_000 if arguments.short else 5_000_000
    with tempfile.TemporaryDirectory() as temporary:
        write(str(Path(temporary, "warm")), 100_000)
        whole = write(str(Path(temporary, "whole")), count)
        check(whole.path, count)
        directory = str(Path(temporary, "killed"))
        with run("watch", directory, count) as watcher:
            assert watcher.stdout is not None
            watcher.stdout.readline()
            try:
                runs, result = killed_runs(directory, count, whole.seconds)
            finally:
                Path(f"{directory}.stop").touch()
            seen = json.loads(watcher.communicate()[0])
        check(directory, count)
        assert seen["unreadable"] == [], seen["unreadable"]
    text = f"""{count:,} rows of five columns, shuffled without a seed, written as {FILES} Parquet files: \
{whole.seconds:.1f} s, {count / whole.seconds:,.0f} rows/s, {whole.bytes / 1e6:.0f} MB.

The same, killed with SIGKILL {KILLS} times and started again:

| after kill | rows in the manifest | files in the manifest | files of that name |
|---|---|---|---|
"""
    for number, state in enumerate(runs, 1):
        text += f"| {number} | {state['rows']:,} | {state['files']} | {state['there']} |\n"
    text += f"""| the last run | {result.rows:,} | {result.files} | {result.files} |

Each of the {count:,} rows is there once; checksums are as in the manifest, and nothing else is in the
directory. A watcher listed `*.parquet` {seen["looks"]:,} times meanwhile and read each new file,
{seen["files"]} in all: none was unreadable.
"""
    print(text)
    if not arguments.short:
        write_section("Writing: killed five times", text)


if __name__ == "__main__":
    if sys.argv[1:2] in (["write"], ["watch"]):
        roles = argparse.ArgumentParser()
        roles.add_argument("role")
        roles.add_argument("directory")
        roles.add_argument("count", type=int)
        given = roles.parse_args()
        if given.role == "watch":
            watch(given.directory)
        else:
            write(given.directory, given.count)
    else:
        main()
