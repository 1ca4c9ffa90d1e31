"""`python -m estimators predict`, killed with -9 and started again: each row of the input once.

    python benchmarks/predict_kills.py [--short]

A linear model is exported; its job on the command line reads Parquet and writes Parquet. It is killed twice
at random moments, by SIGKILL, and once by SIGTERM, and the same command is started again each time. The
files must be those of a run that nobody interrupts.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from dataflow import Dataset, ParquetDataset, read_manifest
from estimators import LinearRegressor, RunConfig, export, feature_column
from report import write_section
from running import parser

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)
INPUTS, OUTPUTS = 10, 20
PLACES = [str(place) for place in range(50)]


def rows(count: int) -> Dataset:
    """Return rows of five columns."""
    return Dataset.range(count).map(
        lambda x: {
            "id": x,
            "km": ((x * 31) % 10_007) / 500,
            "passengers": x % 6 + 1,
            "place": (x % 61).astype(str),
            "comment": (x * 7).astype(str),
        }
    )


def exported(directory: str) -> str:
    """Train a linear model on some rows, export it, and return the directory of versions."""
    columns = [
        feature_column.numeric_column("km"),
        feature_column.numeric_column("passengers"),
        feature_column.categorical_column_with_vocabulary_list("place", PLACES),
    ]
    config = RunConfig(save_checkpoints_steps=None, tf_random_seed=1, progress=False)
    model = LinearRegressor(columns, f"{directory}/model", config=config)
    model.train(rows(20_000).map(lambda row: (row, 2.5 + 1.7 * row["km"])).batch(100))
    sample = {"km": np.zeros(1, np.float32), "passengers": np.zeros(1, np.int64), "place": np.array(["1"])}
    base = f"{directory}/export"
    model.export_saved_model(base, export.build_raw_serving_input_receiver_fn(sample))
    return base


def command(directory: str, output: str, count: int) -> list[str]:
    """Return the job."""
    return [
        *(sys.executable, "-m", "estimators", "predict", "--model", f"{directory}/export"),
        *("--input", f"{directory}/rows/*.parquet", "--output", output, "--keep", "id", "place"),
        *("--rows-per-file", str(count // OUTPUTS), "--log", "json", "--log-every", "1"),
    ]


def run(directory: str, output: str, count: int) -> subprocess.Popen[str]:
    """Start the job."""
    return subprocess.Popen(command(directory, output, count), stderr=subprocess.PIPE, text=True)


def end(job: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a job, and return the last line of its log."""
    _, text = job.communicate()
    lines = [json.loads(line) for line in text.splitlines()]
    return lines[-1] if lines else {}


def listed(output: str) -> int:
    """Return how many files the manifest lists."""
    there = os.path.exists(f"{output}/_manifest.json")
    return len(read_manifest(output).files) if there else 0


def interrupted(directory: str, output: str, count: int, seconds: float) -> list[dict[str, Any]]:
    """Interrupt jobs at random moments of their work."""
    chances, runs = random.Random(1), []
    for which in SIGNALS:
        before = listed(output)
        job = run(directory, output, count)
        while listed(output) < before + 3 and job.poll() is None:
            time.sleep(0.001)
        time.sleep(chances.uniform(0, 1) * seconds / OUTPUTS)  # while it writes another one
        job.send_signal(which)
        end(job)
        wanted = 143 if which == signal.SIGTERM else -which
        assert job.returncode == wanted, f"it ended with {job.returncode}, not {wanted}"
        manifest = read_manifest(output)
        assert not manifest.complete
        runs.append({"signal": which.name, "rows": manifest.rows, "files": len(manifest.files)})
    return runs


def check(output: str, whole: str, count: int) -> None:
    """Raise unless each row is there once, and the files are those of the other run."""
    manifest = read_manifest(output)
    manifest.verify()
    assert manifest.complete
    assert manifest.rows == count
    assert manifest.files == read_manifest(whole).files, "files differ from those of a run in one go"
    found = ParquetDataset(output, columns=["id"]).batch(1 << 16)
    times = np.bincount(np.concatenate([batch["id"] for batch in found]), minlength=count)
    assert len(times) == count
    assert (times == 1).all(), "a row is missing, or there twice"
    assert sorted(os.listdir(output)) == sorted(["_manifest.json", *(file.path for file in manifest.files)])


def main() -> None:
    """Export, predict, interrupt, check, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    count = 1_000_000 if arguments.short else 5_000_000
    with tempfile.TemporaryDirectory() as directory:
        base = exported(directory)
        rows(count).write_parquet(f"{directory}/rows", rows_per_file=count // INPUTS)
        whole, output = f"{directory}/whole", f"{directory}/interrupted"
        one = end(run(directory, whole, count))
        assert one.get("event") == "done", one
        runs = interrupted(directory, output, count, one["seconds"])
        exported(directory)  # a newer version, which is not for the job that has begun
        assert len(os.listdir(base)) == 2
        last = end(run(directory, output, count))
        assert last.get("event") == "done", last
        check(output, whole, count)
        again = end(run(directory, output, count))
        assert again.get("event") == "complete", again
    text = f"""{count:,} rows of {INPUTS} Parquet files through an exported linear model into {OUTPUTS} \
Parquet files: {one["seconds"]:.1f} s, {one["rows_per_s"]:,.0f} rows/s.

The same command, interrupted and started again:

| after | rows in the manifest | files in the manifest |
|---|---|---|
"""
    for state in runs:
        text += f"| {state['signal']} | {state['rows']:,} | {state['files']} |\n"
    text += f"""| the last run | {last["rows"]:,} | {last["files"]} |

Each of the {count:,} rows is there once; the files have the checksums of those of the run in one go, although
a newer version of the model was exported before the last run. Another run after it finds all done.
"""
    print(text)
    if not arguments.short:
        write_section("Predicting on the command line: killed", text)


if __name__ == "__main__":
    main()
