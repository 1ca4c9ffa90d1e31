"""`train_and_evaluate`, killed with -9 and started again: nothing torn is visible, and weights are the same.

    python benchmarks/train_kills.py [--short]

The program is a taxi fare model: CSV shards, features in `map`, `DNNRegressor`, `TrainSpec`, `EvalSpec` with
`LatestExporter`. It is killed in training, in evaluations, in exports and while it writes checkpoints, and
at last in the evaluation and the export of the end. Meanwhile another process lists checkpoints and exports
again and again, and loads each that it has not seen.
"""

from __future__ import annotations

import argparse
import collections
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

from dataflow import Dataset, TextLineDataset, decode_csv
from estimators import (
    DNNRegressor,
    EvalSpec,
    RunConfig,
    TrainSpec,
    feature_column,
    load_model,
    placeholder,
    train_and_evaluate,
)
from estimators.evaluation import evaluations
from estimators.export import LatestExporter, ServingInputReceiver
from estimators.values import checkpoint as checkpoints
from report import write_section
from running import parser

KILLS = 20
EVERY = 25
"""Steps between evaluations."""
DATA = Path(__file__).parents[1] / "fixtures" / "taxi"
COLUMNS = ["fare", "lon1", "lat1", "lon2", "lat2", "passengers", "payment", "time"]
DEFAULTS = [[0.0], [-73.98], [40.75], [-73.98], [40.75], [1.0], [""], [""]]
PHASES = {
    "Calling checkpoint listeners before": "writing a checkpoint",
    "Calling checkpoint listeners after": "training",
    "Starting evaluation": "an evaluation",
    "Saving dict": "an export",
    "Signatures INCLUDED": "an export",
    "SavedModel written": "training",
}
"""What a program does after a line of its log."""
DELAYS = {"writing a checkpoint": 0.003, "training": 0.03, "an evaluation": 0.03, "an export": 0.015}
"""Seconds within which a kill in a phase comes."""


# The program ------------------------------------------------------------------------------------------


def features_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the model learns from."""
    east, north = (row["lon2"] - row["lon1"]) * 84.3, (row["lat2"] - row["lat1"]) * 111.2
    return {**row, "distance_km": np.hypot(east, north)}


def read(pattern: str) -> Dataset:
    """Return one pass over the rows of all files that match."""

    def decode(line: Any) -> Any:
        row = dict(zip(COLUMNS, decode_csv(line, DEFAULTS), strict=True))
        fare = row.pop("fare")
        del row["time"]
        return features_of(row), fare

    return Dataset.list_files(f"{DATA}/{pattern}", shuffle=False).flat_map(TextLineDataset).map(decode)


def serving_input() -> ServingInputReceiver:
    """Return what requests give."""
    names = [name for name in COLUMNS[1:6]]
    given = {name: placeholder(np.float32, [None], name) for name in names}
    given["payment"] = placeholder(str, [None], "payment")
    return ServingInputReceiver(features_of(given), given)


def model_in(directory: str) -> DNNRegressor:
    """Return the model of a directory."""
    numbers = [feature_column.numeric_column(name) for name in ("distance_km", *COLUMNS[1:6])]
    payments = ["card", "cash", "dispute", "no_charge"]
    payment = feature_column.categorical_column_with_vocabulary_list("payment", payments)
    return DNNRegressor(
        hidden_units=[32, 8],
        feature_columns=[*numbers, feature_column.embedding_column(payment, 2)],
        model_dir=directory,
        optimizer="Adagrad",
        dropout=0.1,
        config=RunConfig(tf_random_seed=7, save_checkpoints_steps=EVERY, progress=False),
    )


def train(directory: str, steps: int) -> None:
    """Train, evaluate and export."""
    train_and_evaluate(
        model_in(directory),
        TrainSpec(lambda: read("train.csv-*").shuffle(1000, seed=1).repeat().batch(128), max_steps=steps),
        EvalSpec(
            lambda: read("valid.csv-*").batch(128),
            steps=None,
            exporters=LatestExporter("taxi", serving_input),
            throttle_secs=0,
        ),
    )


# Watching ---------------------------------------------------------------------------------------------


def watch(directory: str) -> None:
    """Load each checkpoint and export that appears, until there is a file ``.stop``, and report."""
    print("watching", flush=True)
    seen: dict[str, set[Any]] = {"checkpoints": set(), "exports": set()}
    broken: list[str] = []
    looks = 0
    while not (last := os.path.exists(f"{directory}.stop")) or looks == 0:
        looks += 1
        for path in Path(directory).glob("model.ckpt-*.safetensors"):
            _look(path, seen["checkpoints"], lambda found: checkpoints.load(str(found)), broken)
        for path in Path(directory, "export", "taxi").glob("[0-9]*"):
            _look(path, seen["exports"], lambda found: load_model(str(found)), broken)
        try:
            checkpoints.listed(directory)
            evaluations.read(f"{directory}/eval")
        except Exception as error:
            broken.append(str(error))
        if not last:
            time.sleep(0.002)
    counts = {name: len(marks) for name, marks in seen.items()}
    print(json.dumps({"looks": looks, **counts, "broken": broken}))


def _look(path: Path, seen: set[Any], load: Any, broken: list[str]) -> None:
    try:
        mark = path, path.stat().st_ino
        if mark not in seen:
            load(path)
            seen.add(mark)
    except Exception as error:
        if path.exists() and path.stat().st_ino == mark[1]:  # else it has been removed meanwhile, as too old
            broken.append(f"{path}: {error}")


# Killing ----------------------------------------------------------------------------------------------


def run(role: str, directory: str, steps: int) -> subprocess.Popen[str]:
    """Start this program in another role."""
    command = [sys.executable, __file__, role, directory, str(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(directory: str, steps: int, texts: list[str], seconds: float) -> str:
    """Run the program, kill it after lines of its log have come, and return what it was doing."""
    with run("train", directory, steps) as job:
        assert job.stderr is not None
        lines: list[str] = []
        for text in texts:
            while (line := job.stderr.readline()) and text not in line:
                lines.append(line)
            assert line, f"it ended without {text!r}:\n{''.join(lines[-20:])}"
            lines.append(line)
        time.sleep(seconds)
        job.send_signal(signal.SIGKILL)
        lines += job.stderr.readlines()
    assert job.returncode == -signal.SIGKILL, "it ended before it was killed"
    phases = [phase for line in lines for start, phase in PHASES.items() if f":{start}" in line]
    return phases[-1]


def killed_runs(directory: str, steps: int, kills: int) -> list[tuple[str, int, int]]:
    """Kill runs at random moments; return phase, step of the checkpoint, and number of exports."""
    chances, runs = random.Random(3), []
    wanted = [list(DELAYS)[i % len(DELAYS)] for i in range(kills - 2)]
    moments = []
    for phase in wanted:
        text = next(start for start, following in PHASES.items() if following == phase)
        moments.append(([text] * chances.randint(1, 3), chances.uniform(0, DELAYS[phase])))
    end = [f"Saving checkpoints for {steps} into", "Starting evaluation"]
    moments.append((end, chances.uniform(0, 0.005)))
    moments.append((["Signatures INCLUDED in export"], chances.uniform(0, 0.003)))
    for texts, seconds in moments:
        phase = kill(directory, steps, texts, seconds)
        path = checkpoints.latest(directory)
        step = checkpoints.load(path).step if path else 0
        exports = sorted(Path(directory, "export", "taxi").glob("[0-9]*"))
        for export in exports:
            load_model(str(export))
        runs.append((phase, step, len(exports)))
    return runs


def check(directory: str, whole: str, steps: int) -> int:
    """Raise unless both have ended with the same weights; return the number of their arrays."""
    found, expected = (checkpoints.load(str(checkpoints.latest(name))) for name in (directory, whole))
    assert found.step == expected.step == steps
    assert sorted(found.arrays) == sorted(expected.arrays)
    differing = [
        name for name, value in found.arrays.items() if value.tobytes() != expected.arrays[name].tobytes()
    ]
    assert not differing, differing
    last = [evaluations.read(f"{name}/eval")[-1] for name in (directory, whole)]
    assert last[0] == last[1], last
    names = os.listdir(directory)
    assert not [name for name in names if name.endswith(".tmp")], names
    return len(found.arrays)


def main() -> None:
    """Train, kill, check, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    kills, steps = (3, 100) if arguments.short else (KILLS, 60 * EVERY)
    with tempfile.TemporaryDirectory() as temporary:
        whole, directory = str(Path(temporary, "whole")), str(Path(temporary, "killed"))
        began = time.perf_counter()
        train(whole, steps)
        seconds = time.perf_counter() - began
        with run("watch", directory, steps) as watcher:
            assert watcher.stdout is not None
            watcher.stdout.readline()
            try:
                runs = killed_runs(directory, steps, kills)
                train(directory, steps)
            finally:
                Path(f"{directory}.stop").touch()
            seen = json.loads(watcher.communicate()[0])
        arrays = check(directory, whole, steps)
        assert seen["broken"] == [], seen["broken"]
    counts = collections.Counter(phase for phase, _, _ in runs)
    text = f"""`train_and_evaluate` on the taxi fixtures: {steps:,} steps of 128 rows, an evaluation over \
2,000 rows and an
export every {EVERY} steps, {seconds:.1f} s without a break. The same, killed with SIGKILL {kills} times and \
started again:

| killed in | times | steps of the checkpoints then |
|---|---|---|
"""
    for phase in DELAYS:
        at = ", ".join(str(step) for where, step, _ in runs if where == phase)
        text += f"| {phase} | {counts[phase]} | {at} |\n"
    text += f"""
All {arrays} arrays of the last checkpoint (weights, slots, step) have the bits of the run that was not \
killed, and so
has the last evaluation. A watcher listed checkpoints and exports {seen["looks"]:,} times meanwhile and \
loaded each
new one, {seen["checkpoints"]} checkpoints and {seen["exports"]} exports: none was torn.
"""
    print(text)
    if not arguments.short:
        write_section("Training: killed twenty times", text)


if __name__ == "__main__":
    if sys.argv[1:2] in (["train"], ["watch"]):
        roles = argparse.ArgumentParser()
        roles.add_argument("role")
        roles.add_argument("directory")
        roles.add_argument("steps", type=int)
        given = roles.parse_args()
        if given.role == "watch":
            watch(given.directory)
        else:
            train(given.directory, given.steps)
    else:
        main()
