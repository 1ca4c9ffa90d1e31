"""Canned classifiers on a million rows like Criteo's, beside tf.estimator, Vowpal Wabbit and PyTorch.

    python benchmarks/clicks.py [--short] [--tensorflow PYTHON] [--peers PYTHON] [--memory]

13 counts with nulls and 26 categories (3 to 400,000 words, 100,000 hash buckets each), from 4 Parquet files
through shuffle(10,000) and batch(128), one pass. The clock of each program runs over its training steps;
then 100,000 other rows are evaluated. Programs take turns; tf.estimator runs once. With --memory it trains
on ten million rows, and notes the resident set.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from criteo_rows import CATEGORIES, COUNTS, criteo_table, write_criteo_parquet
from dataflow import Dataset, ParquetDataset
from dataflow.runtime.iterate import BlockIterator
from dataflow.text import to_hash_bucket_fast
from estimators import (
    CheckpointSaverListener,
    DNNClassifier,
    DNNLinearCombinedClassifier,
    LinearClassifier,
    RunConfig,
    feature_column,
)
from estimators.optimizers import Ftrl
from memory import resident_megabytes
from report import machine, write_section
from running import left_out, parser, peer_output, run_self

BUCKETS, WIDTH, UNITS, BATCH, BUFFER = 100_000, 8, (64, 32), 128, 10_000
TURNS = 3
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
KINDS = {
    "linear": "`LinearClassifier`",
    "ftrl": "`LinearClassifier`, `Ftrl(0.1, initial_accumulator_value=1e-4)`",
    "dnn": "`DNNClassifier` [64, 32], 26 embeddings of 8",
    "wide": "`DNNLinearCombinedClassifier`",
}


def rows_of(files: list[Path]) -> Dataset:
    """Return a dataset of features and labels."""
    rows = ParquetDataset([str(path) for path in files], fill_nulls=dict.fromkeys(COUNTS, 0))

    def divided(row):
        features = dict(row)
        return features, features.pop("label")

    return rows.map(divided)


def classifier(kind: str, directory: str, save_steps: int | None = None):
    """Return a canned estimator with the optimizers that it has by default."""
    fc = feature_column
    numbers = [
        fc.numeric_column(name, normalizer_fn=lambda x: np.log1p(x.astype(np.float32))) for name in COUNTS
    ]
    words = [fc.categorical_column_with_hash_bucket(name, BUCKETS) for name in CATEGORIES]
    dense = [*numbers, *(fc.embedding_column(word, WIDTH) for word in words)]
    config = RunConfig(
        directory, tf_random_seed=1, save_checkpoints_steps=save_steps, save_checkpoints_secs=None,
        save_summary_steps=None, log_step_count_steps=None, progress=False, keep_checkpoint_max=1,
    )  # fmt: skip
    if kind == "linear":
        return LinearClassifier([*numbers, *words], config=config)
    if kind == "ftrl":
        optimizer = Ftrl(0.1, initial_accumulator_value=1e-4)
        return LinearClassifier([*numbers, *words], optimizer=optimizer, config=config)
    if kind == "dnn":
        return DNNClassifier(UNITS, dense, config=config)
    return DNNLinearCombinedClassifier(
        linear_feature_columns=words, dnn_feature_columns=dense, dnn_hidden_units=UNITS, config=config
    )


class Clock(CheckpointSaverListener):
    """Takes the time from behind the first checkpoint, before any step, to the last one, after all."""

    def after_save(self, session, global_step_value):
        self.began = time.perf_counter()

    def before_save(self, session, global_step_value):
        self.seconds = time.perf_counter() - getattr(self, "began", 0.0)


class Waits:
    """While it is entered, adds up how long programs wait for their input."""

    def __enter__(self) -> Waits:
        self.seconds, self._read = 0.0, BlockIterator.read

        def timed(blocks, *arguments):
            began = time.perf_counter()
            try:
                return self._read(blocks, *arguments)
            finally:
                self.seconds += time.perf_counter() - began

        BlockIterator.read = timed
        return self

    def __exit__(self, *_) -> None:
        BlockIterator.read = self._read


def ours(kind: str, files: list[Path], test: Path, seed: int) -> dict[str, float]:
    """Train for one pass, and evaluate; return rows/s, the loss, and the share of time spent waiting."""
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        model = classifier(kind, directory)
        with Waits() as waits:
            model.train(
                lambda: rows_of(files).shuffle(BUFFER, seed=seed).batch(BATCH), saving_listeners=[clock]
            )
        result = model.evaluate(lambda: rows_of([test]).batch(1024))
    return {
        "speed": rows / clock.seconds,
        "loss": float(result["average_loss"]),
        "waits": waits.seconds / clock.seconds,
    }


def write_vw(files: list[Path], path: Path) -> None:
    """Write rows as Vowpal Wabbit wants them."""
    with path.open("w") as out:
        for file in files:
            table = pq.read_table(file)
            labels = table["label"].to_pylist()
            counts = [np.log1p(table[name].fill_null(0).to_numpy()) for name in COUNTS]
            words = [table[name].to_pylist() for name in CATEGORIES]
            for row, label in enumerate(labels):
                numbers = " ".join(f"{n}:{x[row]:.6g}" for n, x in zip(COUNTS, counts, strict=True))
                text = " ".join(f"|{n} {x[row]}" for n, x in zip(CATEGORIES, words, strict=True))
                out.write(f"{1 if label else -1} |i {numbers} {text}\n")


def arrays_of(files: list[Path]) -> dict[str, np.ndarray]:
    """Return counts, hashed categories and labels, as PyTorch takes them."""
    table = pa.concat_tables([pq.read_table(path) for path in files])
    counts = [np.log1p(table[name].fill_null(0).to_numpy()).astype(np.float32) for name in COUNTS]
    ids = []
    for name in CATEGORIES:
        coded = table[name].combine_chunks().dictionary_encode()
        hashed = np.asarray(to_hash_bucket_fast(np.array(coded.dictionary.to_pylist(), object), BUCKETS))
        ids.append(hashed[coded.indices.to_numpy()])
    labels = table["label"].to_numpy().astype(np.float32)
    return {"counts": np.stack(counts, 1), "ids": np.stack(ids, 1), "labels": labels}


def write_data(directory: Path, rows: int, *, vw: bool, torch: bool) -> tuple[list[Path], Path]:
    """Write the files for all programs; return those of Parquet, to train with and to test with."""
    files = write_criteo_parquet(directory / "train", rows, files=4, seed=1, clicks=True)
    test = directory / "test.parquet"
    pq.write_table(criteo_table(max(rows // 10, 1000), 77, clicks=True), test)
    if vw:
        write_vw(files, directory / "train.vw")
        write_vw([test], directory / "test.vw")
    if torch:
        of_test = {f"test_{name}": array for name, array in arrays_of([test]).items()}
        np.savez(directory / "rows.npz", **arrays_of(files), **of_test)
    return files, test


def programs(
    directory: Path, files: list[Path], test: Path, rows: int, arguments
) -> dict[str, Callable[[int], dict[str, float]]]:
    """Return what takes turns, by name; ours get the number of the turn as seed."""
    found = {kind: lambda turn, kind=kind: ours(kind, files, test, turn) for kind in KINDS}
    if arguments.tensorflow:
        task = {"text": str(directory / "train.vw"), "test": str(directory / "test.vw"), "rows": rows}
        found["vw"] = lambda turn: peer_output(arguments.tensorflow, "vw_clicks.py", **task)
    for tables in ("many", "one") if arguments.peers else ():
        asked = {"data": str(directory / "rows.npz"), "threads": THREADS, "buckets": BUCKETS, "batch": BATCH}
        found[f"torch, {tables}"] = lambda turn, tables=tables, asked=asked: peer_output(
            arguments.peers, "torch_clicks.py", tables=tables, **asked
        )
    return found


def by_tensorflow(python: str, files: list[Path], test: Path, rows: int) -> dict[str, dict[str, float]]:
    """Return what tf.estimator reaches with each classifier."""
    task = {
        "files": [str(path) for path in files], "test": str(test), "limit": rows,
        "counts": COUNTS, "categories": CATEGORIES, "buckets": BUCKETS,
    }  # fmt: skip
    return {kind: peer_output(python, "tf_clicks.py", kind=kind, **task) for kind in KINDS if kind != "ftrl"}


def compared(runs: dict[str, list[dict]], peers: dict[str, dict]) -> str:
    """Return the table, and the ratios."""
    names = {"vw": "Vowpal Wabbit, its text file, `-b 22`"}
    names["torch, many"] = "PyTorch, as the DNN, data in memory, 26 sparse embeddings"
    names["torch, one"] = "PyTorch, the same, all embeddings in one table"
    text = "| | rows/s | logistic loss | waits for input |\n|---|---|---|---|\n"
    speed = {name: median(run["speed"] for run in found) for name, found in runs.items()}
    speed |= {f"tf {kind}": run["speed"] for kind, run in peers.items()}

    def line(label: str, name: str, loss: float, waits: str = "") -> str:
        return f"| {label} | {speed[name]:,.0f} | {loss:.4f} | {waits} |\n"

    for kind, label in KINDS.items():
        found = runs[kind]
        text += line(
            label, kind, median(run["loss"] for run in found), f"{median(run['waits'] for run in found):.1%}"
        )
        if kind in peers:
            text += line(f"tf.estimator's {label}", f"tf {kind}", peers[kind]["loss"])
    for name, label in names.items():
        if name in runs:
            text += line(label, name, runs[name][-1]["loss"])
    against = [(kind, f"tf {kind}", "tf.estimator") for kind in KINDS]
    against += [("linear", "vw", "Vowpal Wabbit"), ("ftrl", "vw", "Vowpal Wabbit")]
    against += [("dnn", f"torch, {tables}", names[f"torch, {tables}"]) for tables in ("many", "one")]
    for kind, other, label in against:
        if other in speed:
            text += f"\n- {KINDS[kind]}: {speed[kind] / speed[other]:.1f} times {label}"
    return f"""{text}

Ratios are of medians of {TURNS} turns, each in another order of rows; tf.estimator runs once.
"""


def train_on_many(times: int, files: list[str]) -> list[tuple[int, float]]:
    """Train on the files several times over in one pass; return samples of (rows, resident MB)."""
    samples: list[tuple[int, float]] = []
    rows = sum(pq.read_metadata(path).num_rows for path in files)

    class Sample(CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            samples.append((int(global_step_value) * BATCH, resident_megabytes()))

    with tempfile.TemporaryDirectory() as directory:
        model = classifier("linear", directory, save_steps=rows // BATCH)
        paths = [Path(path) for path in files] * times
        model.train(lambda: rows_of(paths).shuffle(BUFFER, seed=1).batch(BATCH), saving_listeners=[Sample()])
    return samples


def memory_text(files: list[Path], times: int) -> str:
    """Train in a process of its own, and say how its resident set grows."""
    came, resident = np.array(run_self("--run", str(times), *map(str, files))).T
    slope, _ = np.polyfit(came[2:] / 1e6, resident[2:], 1)
    shown = ", ".join(f"{size:.0f}" for size in resident)
    return f"""`LinearClassifier` trained on {int(came[-1]):,} rows in one pass, in a process of its own:
its resident set grows by {slope:.2f} MB per million rows (least squares, after the first two
samples). Samples: {shown} MB.
"""


def main() -> None:
    """Measure, print, and write the sections of RESULTS.md."""
    options = parser(__doc__.splitlines()[0], "tensorflow", "peers")
    options.add_argument("--memory", action="store_true", help="ten million rows, and the resident set")
    arguments = options.parse_args()
    logging.getLogger("estimators").setLevel(logging.WARNING)
    if arguments.run:
        times, *paths = arguments.run
        print(json.dumps(train_on_many(int(times), paths)))
        return
    rows, turns = (20_000, 1) if arguments.short else (1_000_000, TURNS)
    if arguments.short:
        arguments.tensorflow = arguments.peers = None
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        speeds = not arguments.memory
        vw, torch = bool(arguments.tensorflow and speeds), bool(arguments.peers and speeds)
        files, test = write_data(directory, rows, vw=vw, torch=torch)
        if arguments.memory:
            title, text = "memory", memory_text(files, 10)
        else:
            taking_turns = programs(directory, files, test, rows, arguments)
            runs: dict[str, list[dict]] = {name: [] for name in taking_turns}
            for turn in range(turns + 1):
                for name, program in taking_turns.items():
                    found = program(turn)
                    runs[name] += [found] if turn or arguments.short else []  # the first warms up
            peers = by_tensorflow(arguments.tensorflow, files, test, rows) if vw else {}
            title, text = "speed and loss", compared(runs, peers)
            text += "" if vw else left_out("tensorflow", "tf.estimator and Vowpal Wabbit")
            text += "" if torch else left_out("peers", "PyTorch")
    text = f"""{machine()}

{rows:,} rows of {len(COUNTS)} counts with nulls and {len(CATEGORIES)} categories, from 4 Parquet files,
through shuffle({BUFFER:,}) and batch({BATCH}).

{text}"""
    print(text)
    if not arguments.short:
        write_section(f"Clicks: {title}", text)


if __name__ == "__main__":
    main()
