"""Parquet files that are mangled in random ways, read in child processes.

    python -m tests.fuzz.parquet_fuzz --variants 20000 --seconds 600

A variant fails if the reader crashes, hangs, raises something else than an error of the package, or loses
rows unseen: rows that come out, and rows that errors say are lost, are as many as the footer has.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import resource
import selectors
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
SECONDS_EACH = 30
MEMORY = 6 << 30
ROWS, GROUP = 240, 80
_LOST = re.compile(r"; (\d+) of its (\d+) rows are lost")


def table() -> pa.Table:
    """Return columns of many types."""
    rows = range(ROWS)
    return pa.table(
        {
            "id": pa.array(rows, pa.int64()),
            "small": pa.array([i % 5 for i in rows], pa.int32()),
            "x": pa.array([None if i % 7 == 3 else i / 3 for i in rows]),
            "word": pa.array([None if i % 11 == 5 else f"word {i % 13}" for i in rows]),
            "text": pa.array([f"{i * 7919:x}" * (i % 3) for i in rows]),
            "flag": pa.array([i % 3 == 0 for i in rows]),
            "tags": pa.array([[i, i + 1][: i % 3] for i in rows]),
            "inner": pa.array([{"a": float(i), "b": [str(i)] * (i % 2)} for i in rows]),
            "raw": pa.array([struct.pack("<i", i) for i in rows], pa.binary(4)),
            "day": pa.array(rows, pa.date32()),
        }
    )


def bases() -> list[tuple[bytes, bool]]:
    """Return files as bytes, and whether they have checksums."""
    delta = {"id": "DELTA_BINARY_PACKED", "small": "BYTE_STREAM_SPLIT", "word": "DELTA_BYTE_ARRAY"}
    delta |= {"text": "DELTA_LENGTH_BYTE_ARRAY", "flag": "RLE", "raw": "BYTE_STREAM_SPLIT"}
    ways: list[dict[str, object]] = [
        {"compression": "none"},
        {"compression": "snappy", "write_page_checksum": True},
        {"compression": "zstd", "data_page_version": "2.0", "data_page_size": 100},
        {"compression": "none", "use_dictionary": False, "column_encoding": delta, "data_page_size": 100},
        {"compression": "none", "use_dictionary": False, "write_page_checksum": True},
        {"compression": "lz4", "data_page_version": "2.0", "write_page_checksum": True},
        {"compression": "gzip", "store_schema": False},
        {"compression": "brotli", "use_dictionary": ["word"], "store_schema": False},
    ]
    found = []
    for way in ways:
        sink = pa.BufferOutputStream()
        pq.write_table(table(), sink, row_group_size=GROUP, write_batch_size=20, **way)
        found.append((sink.getvalue().to_pybytes(), "write_page_checksum" in way))
    return found


def _footer_start(data: bytes) -> int:
    return len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]


def _flipped(rng: random.Random, data: bytes, low: int, high: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
        place = rng.randrange(low, max(low + 1, high))
        changed[place] = rng.choice([changed[place] ^ (1 << rng.randrange(8)), rng.randrange(256), 0, 255])
    return bytes(changed)


def mangled(seed: int, files: list[tuple[bytes, bool]]) -> tuple[str, bytes, bool]:
    """Return what was done, the file, and whether its pages have checksums."""
    rng = random.Random(seed)
    data, checksums = rng.choice(files)
    start = _footer_start(data)
    kind = rng.choice(
        ["pages", "pages", "footer", "footer", "any", "cut", "hole", "zeros", "swap", "move", "length"]
    )
    if kind == "pages":
        return kind, _flipped(rng, data, 4, start), checksums
    if kind == "footer":
        return kind, _flipped(rng, data, start, len(data) - 8), checksums
    if kind == "any":
        return kind, _flipped(rng, data, 0, len(data)), checksums
    if kind == "cut":
        return kind, data[: rng.randrange(len(data))], checksums
    low = rng.randrange(4, start)
    size = rng.choice([1, 4, 30, 300, 3000])
    if kind == "hole":  # pages truncated, the footer stays
        return kind, data[:low] + data[min(low + size, start) :], checksums
    if kind == "zeros":
        stop = min(low + size, start)
        return kind, data[:low] + bytes(stop - low) + data[stop:], checksums
    if kind == "swap":
        other, _ = rng.choice(files)
        return kind, data[:start] + other[_footer_start(other) :], checksums
    if kind == "move":
        other = rng.randrange(4, start)
        piece = data[other : other + size][: start - low]
        return kind, data[:low] + piece + data[low + len(piece) :], checksums
    length = struct.pack(
        "<I", rng.choice([0, 1, start, len(data), 2**31 - 1, 2**32 - 1, rng.randrange(2**16)])
    )
    return kind, data[:-8] + length + data[-4:], checksums


def read(path: str, rng: random.Random, known: set[str]) -> dict[str, object]:
    """Read a file to its end and say what happened; raise what must not happen."""
    from dataflow import DataflowError, Options, ParquetDataset
    from dataflow.storage.parquet_footers import outline_of

    try:
        total = sum(outline_of(path).group_rows)
        dataset = ParquetDataset(path, fill_nulls=None, decimals="float64")
    except DataflowError as error:
        return {"outcome": "refused", "error": type(error).__name__}
    options = Options(block_bytes=rng.choice([1, 300, 1 << 20]), threads=rng.choice([0, 2]))
    iterator = iter(dataset.with_options(options))
    out = lost = errors = changed = 0
    while True:
        try:
            row = next(iterator)
        except StopIteration:
            break
        except DataflowError as error:
            errors += 1
            found = _LOST.search(error.message)
            lost += int(found[1]) if found else 1
            if errors > total + 10:
                raise AssertionError("there is no end of errors") from error
            continue
        out += 1
        changed += shown(row) not in known
    if out + lost != total:
        raise AssertionError(f"{out} rows came out and {lost} were said to be lost, of {total}")
    outcome = "lost" if lost else "changed" if changed else "whole"
    return {"outcome": outcome, "changed": changed, "lost": lost}


def shown(row: object) -> str:
    """Return an element as text."""
    return repr(row) if not isinstance(row, dict) else repr([(k, _plain(v)) for k, v in sorted(row.items())])


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return [(k, _plain(v)) for k, v in sorted(value.items())]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def child(first: int, count: int, step: int) -> None:
    """Read variants, one after the other, and print what happened to each."""
    from dataflow import ParquetDataset

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    files = bases()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "mangled.parquet")
        Path(path).write_bytes(files[0][0])
        known = {shown(row) for row in ParquetDataset(path)}
        for seed in range(first, first + count * step, step):
            kind, data, checksums = mangled(seed, files)
            print(json.dumps({"seed": seed, "kind": kind}), flush=True)
            path = os.path.join(directory, f"{seed}.parquet")
            Path(path).write_bytes(data)
            try:
                said = read(path, random.Random(seed), known)
            except Exception as error:  # everything that is no error of the package
                said = {"outcome": "failed", "error": f"{type(error).__name__}: {error}"[:500]}
            os.unlink(path)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(json.dumps({"seed": seed, "kind": kind, "sums": checksums, "mb": peak, **said}), flush=True)


def run(first: int, variants: int, seconds: float = 600.0) -> list[dict[str, object]]:
    """Read variants in child processes; a child that dies or hangs fails its variant, and another goes on."""
    results: list[dict[str, object]] = []
    end, at = time.monotonic() + seconds, first
    while at < first + variants and time.monotonic() < end:
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.parquet_fuzz"]
        command += ["--child", str(at), str(first + variants - at)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            begun = _watch(process, results, end)
            process.kill()
            _, trace = process.communicate()
        if begun is None:
            at = first + variants if results and process.returncode == 0 else _next(results, at)
            continue
        hung = process.returncode == -9 and begun.pop("late", False)
        if not hung and time.monotonic() >= end:
            break
        error = (
            "hangs" if hung else f"dies with {process.returncode}: {trace.decode(errors='replace')[:2000]}"
        )
        results.append({**begun, "outcome": "failed", "error": error})
        at = int(str(begun["seed"])) + 1
    return results


def _next(results: list[dict[str, object]], at: int) -> int:
    return int(str(results[-1]["seed"])) + 1 if results else at + 1


def _watch(
    process: subprocess.Popen[bytes], results: list[dict[str, object]], end: float
) -> dict[str, object] | None:
    """Collect what a child prints; return the variant at which it stopped, None if it was between two."""
    assert process.stdout is not None
    begun: dict[str, object] | None = None
    os.set_blocking(process.stdout.fileno(), False)
    rest, since = b"", time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < end:
            if not selector.select(timeout=1.0):
                if time.monotonic() - since > SECONDS_EACH:
                    return None if begun is None else {**begun, "late": True}
                continue
            data = process.stdout.read()
            if not data:
                process.wait()
                return begun
            since = time.monotonic()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                begun = None if "outcome" in said else said
                if begun is None:
                    results.append(said)
    return begun


def main() -> None:
    """Run, and print figures and failures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--variants", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--child", type=int, nargs=2)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child, 1)
        return
    results = run(arguments.first, arguments.variants, arguments.seconds)
    counts = collections.Counter((str(r["kind"]), str(r["outcome"])) for r in results)
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:8} {outcome:8} {count:7}")
    changed = collections.Counter((r["kind"], r["sums"]) for r in results if r.get("changed"))
    print("values changed unseen, by kind and whether pages have checksums:", dict(changed))
    print("peak MB:", max((int(str(r.get("mb", 0))) for r in results), default=0))
    failures = [r for r in results if r["outcome"] == "failed"]
    for failure in failures[:20]:
        print(json.dumps(failure))
    print(f"{len(results)} variants, {len(failures)} failures")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
