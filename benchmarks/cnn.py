"""The convolutional network of `examples/mnist_cnn.py` beside the same one in PyTorch: accuracy and speed.

    python benchmarks/cnn.py [--short] [--data DIR] [--peers PYTHON] [--seeds N]

With --seeds it compares accuracies, else speed.

Ours is trained through `Estimator.train`, with the example's input pipeline running (shuffle, scaling, noise,
batches). PyTorch has its images in memory, scaled already, and adds the noise batch by batch. The two take
turns; PyTorch runs in a process of its own, with as many threads as there are cores. Both warm up for an
epoch. Without --data, digits are drawn.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median

import numpy as np

from estimators import Estimator, EstimatorSpec, RunConfig, SessionRunHook, metrics
from estimators.model import build
from estimators.running.session import Session
from estimators.values.first_values import first_values
from report import machine, write_section
from running import REPEATS, left_out, parser, peer_output, ratio

sys.path.append(str(Path(__file__).parents[1] / "examples"))
import mnist_cnn

EPOCHS = (5, 15)
TIMED = 2
"""Epochs that are timed in each turn, after one that warms up."""
STEPS = 100
"""Steps over one batch that are timed in each turn."""
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Clock(SessionRunHook):
    """Notes when each step is over."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def after_run(self, run_context, run_values) -> None:
        self.times.append(time.perf_counter())


def quiet(seed: int) -> RunConfig:
    """Return settings that show nothing and save only at the ends."""
    return RunConfig(
        tf_random_seed=seed, save_checkpoints_steps=None, log_step_count_steps=None, progress=False
    )


def seconds_per_epoch(train) -> float:
    """Return what an epoch takes through `Estimator.train`."""
    clock, data = Clock(), mnist_cnn.training_data(train, seed=0, epoch=0).repeat(TIMED + 1)
    with tempfile.TemporaryDirectory() as directory:
        Estimator(mnist_cnn.model_fn, directory, quiet(0)).train(data, hooks=[clock])
    steps = len(clock.times) // (TIMED + 1)
    return (clock.times[-1] - clock.times[steps - 1]) / TIMED


def seconds_per_step(train) -> float:
    """Return what a step over a batch in memory takes, without the input pipeline and the loop."""
    data = mnist_cnn.training_data(train, seed=0, epoch=0)
    model = build(mnist_cnn.model_fn, data, "train", {}, quiet(0))
    session = Session(model, first_values(model, 0, None))
    columns = [np.array(column[0]) for column in session.dataset.blocks().read(1).columns]
    for step in range(5):
        session.run(columns, step)
    began = time.perf_counter()
    for step in range(STEPS):
        session.run(columns, step)
    return (time.perf_counter() - began) / STEPS


def own_statistics(features, labels, mode):
    """Evaluate with the mean and variance of each batch in place of their moving averages."""
    logits = mnist_cnn.network(features["image"], training=True)
    found = {"accuracy": metrics.accuracy(labels, logits.argmax(axis=1))}
    return EstimatorSpec(mode, loss=np.mean(logits), eval_metric_ops=found)


def accuracies(train, test, seed: int) -> list[tuple[float, float]]:
    """Return the test accuracies after each epoch: with moving averages, and with batches' own statistics."""
    found = []
    with tempfile.TemporaryDirectory() as directory:
        model = Estimator(mnist_cnn.model_fn, directory, quiet(seed))
        other = Estimator(own_statistics, directory, quiet(seed))
        for _, result in mnist_cnn.train_and_test(model, train, test, max(EPOCHS), seed):
            own = other.evaluate(mnist_cnn.test_data(test))
            found.append((float(result["accuracy"]), float(own["accuracy"])))
    return found


def speeds(train, repeats: int, python: str | None, file: str) -> tuple[str, str]:
    """Measure in turn; return the text about it, and the version of PyTorch."""
    names = {"ours": "estimators", "torch": "PyTorch", "last": "PyTorch, channels last"}
    epochs: dict[str, list[float]] = {name: [] for name in names}
    steps: dict[str, list[float]] = {name: [] for name in names}
    version = ""
    for _ in range(repeats):
        epochs["ours"].append(seconds_per_epoch(train))
        steps["ours"].append(seconds_per_step(train))
        for name in ("torch", "last") if python else ():
            task = {
                "data": file,
                "seed": 0,
                "epochs": TIMED,
                "threads": THREADS,
                "timed": STEPS,
                "glorot": True,
                "channels_last": name == "last",
            }
            run = peer_output(python, "torch_cnn.py", **task)
            epochs[name].append(run["epoch"])
            steps[name].append(run["step"])
            version = run["torch"]
    text = "| | images/s of training | one step, a batch in memory |\n|---|---|---|\n"
    for name, label in names.items():
        if epochs[name]:
            speed, step = len(train[1]) / median(epochs[name]), 1000 * median(steps[name])
            text += f"| {label} | {speed:,.0f} | {step:.1f} ms |\n"
    if python:
        text += f"\nestimators have {ratio(epochs, 'ours', 'torch')} of PyTorch's images/s,"
        text += f"\nand {ratio(steps, 'ours', 'torch')} of its steps/s; with its channels last they have"
        text += f"\n{ratio(epochs, 'ours', 'last')} and {ratio(steps, 'ours', 'last')}.\n"
    return text, version


def compared(train, test, python: str, file: str, seeds: int) -> str:
    """Return a table of test accuracies."""
    runs = {"estimators": [accuracies(train, test, seed) for seed in range(seeds)]}
    task = {"data": file, "epochs": max(EPOCHS), "threads": THREADS, "timed": 0}
    for name, glorot in (("PyTorch", True), ("PyTorch, its own first values", False)):
        runs[name] = [
            peer_output(python, "torch_cnn.py", seed=s, glorot=glorot, **task) for s in range(seeds)
        ]
    text = ""
    for which, what in enumerate(("moving averages", "statistics of the test batches")):
        text += f"\n| test accuracy with {what}, % | "
        text += " | ".join(f"{epochs} epochs" for epochs in EPOCHS) + " |\n|---|---|---|\n"
        for name, found in runs.items():
            text += f"| {name} |"
            for epochs in EPOCHS:
                reached = [100 * run[epochs - 1][which] for run in found]
                text += f" {mean(reached):.2f} ({min(reached):.2f} to {max(reached):.2f}) |"
            text += "\n"
    text += f"""
Mean and range of {seeds} seeds. Moving averages lag behind weights that change quickly, by chance, in
both libraries; the statistics of the test batches show what the weights have learnt.
"""
    return text


SETTING = f"""batches of 128, Adam 1e-3, noise of stddev {mnist_cnn.NOISE}. Two convolutions 3×3 of 32 and 64
filters, each with batch normalization, ReLU and max-pooling 3×3/2; mean over space; dense 10."""
PEER = """images [batch, channels, height, width] unless said otherwise. First values are Glorot's, unless
said otherwise; batch normalization has epsilon 1e-3 and keeps 0.9 of its averages in both."""


def main() -> None:
    """Measure, print, and write the sections of RESULTS.md."""
    options = parser(__doc__.splitlines()[0], "peers")
    options.add_argument("--data", metavar="DIR", help="folder of MNIST's t10k files; default: drawn digits")
    options.add_argument(
        "--seeds", type=int, default=0, help="compare the accuracies of so many runs, instead of speed"
    )
    arguments = options.parse_args()
    logging.getLogger("estimators").setLevel(logging.WARNING)
    train, test = mnist_cnn.load(arguments.data)
    if arguments.short:
        train = tuple(part[:1000] for part in train)
    digits = "MNIST digits (from its t10k files)" if arguments.data else "drawn digits"
    head = f"{machine()}\n\n{len(train[1]):,} {digits} for training, {len(test[1]):,} for testing; {SETTING}"
    repeats, python = (1, None) if arguments.short else (REPEATS, arguments.peers)
    with tempfile.TemporaryDirectory() as directory:
        file = str(Path(directory, "digits.npz"))
        np.savez(file, train_images=train[0], train_labels=train[1], test_images=test[0], test_labels=test[1])
        if arguments.seeds and python:
            title, text = "accuracy", compared(train, test, python, file, arguments.seeds)
            text += f"\nPyTorch: {PEER}\n"
        else:
            title, (text, version) = "speed of training", speeds(train, repeats, python, file)
            text = f"Median of {repeats} turns, each of {TIMED} epochs and {STEPS} steps.\n\n{text}"
            peer = f"\nPyTorch {version} with {THREADS} threads, {PEER}\n"
            text += peer if python else left_out("peers", "PyTorch")
    print(f"{head}\n{text}")
    if not arguments.short:
        write_section(f"Convolutional network: {title}", f"{head}\n{text}")


if __name__ == "__main__":
    main()
