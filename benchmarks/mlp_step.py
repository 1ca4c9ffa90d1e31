"""A training step of a small network beside the same step written by hand in NumPy, and in PyTorch.

    python benchmarks/mlp_step.py [--short] [--peers PYTHON]

221 → 64 → 32 → 1 with ReLU, mean squared error, Adagrad, float32, batches of 128 in memory. Ours is the
compiled step as the training loop calls it, and then all of `Estimator.train` over a dataset in memory. The
programs take turns, from the same first values, and must come to the same loss.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, RunConfig, layers, losses
from estimators.model import build
from estimators.optimizers import Adagrad
from estimators.running.session import Session
from estimators.values.checkpoint import GLOBAL_STEP
from estimators.values.first_values import first_values
from report import machine, write_section
from running import left_out, parser, peer_output, ratio

SIZES = (221, 64, 32, 1)
BATCH = 128
RATE = 0.01
EPSILON = 1e-7
WARM = 200
"""Steps before the timed ones; the losses are compared after them."""
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
CONFIG = RunConfig(tf_random_seed=0, save_checkpoints_steps=None, log_step_count_steps=None, progress=False)
LABELS = {
    "ours": "estimators, the compiled step",
    "numpy": "NumPy, written by hand",
    "torch": "PyTorch, eager",
    "train": "estimators, `Estimator.train`: with the input and the loop",
}


def model_fn(features, labels, mode):
    """A plain network."""
    x = layers.dense(features["x"], SIZES[1], activation="relu")
    x = layers.dense(x, SIZES[2], activation="relu")
    loss = losses.mean_squared_error(labels, layers.dense(x, SIZES[3]))
    return EstimatorSpec(mode, loss=loss, train_op=Adagrad(RATE, epsilon=EPSILON).minimize(loss))


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, SIZES[0])).astype(np.float32)
    return x, np.sin(x[:, :3].sum(axis=1, keepdims=True))


class Ours:
    """The compiled step."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        data = Dataset.from_tensor_slices(({"x": x}, y)).batch(BATCH)
        model = build(model_fn, data, "train", {}, CONFIG)
        self.values = first_values(model, 0, None)
        self.session = Session(model, self.values)
        self.columns = [np.array(column[0]) for column in self.session.dataset.blocks().read(1).columns]
        self.count = 0

    def weights(self) -> dict[str, np.ndarray]:
        """Return copies of the weights by name: w1, b1, w2, …."""
        found = {}
        for i, layer in enumerate(("dense", "dense_1", "dense_2"), start=1):
            found[f"w{i}"] = self.values[f"{layer}/kernel"].copy()
            found[f"b{i}"] = self.values[f"{layer}/bias"].copy()
        return found

    def step(self) -> float:
        loss = float(self.session.run(self.columns, self.count)["loss"])
        self.count += 1
        self.values[GLOBAL_STEP][...] = self.count
        return loss


class ByHand:
    """The step in NumPy: no array is made where a result can go into one that is there."""

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: dict[str, np.ndarray]) -> None:
        self.x, self.y = x, y
        self.weights = {name: array.copy() for name, array in weights.items()}
        self.sums = {name: np.full_like(array, 0.1) for name, array in weights.items()}

    def step(self) -> float:
        w, x = self.weights, self.x
        first = x @ w["w1"]
        first += w["b1"]
        np.maximum(first, 0, out=first)
        second = first @ w["w2"]
        second += w["b2"]
        np.maximum(second, 0, out=second)
        error = second @ w["w3"]
        error += w["b3"]
        error -= self.y
        loss = float(np.vdot(error, error)) / len(x)
        error *= np.float32(2 / len(x))
        to_second = error @ w["w3"].T
        to_second *= second > 0
        to_first = to_second @ w["w2"].T
        to_first *= first > 0
        self.move("w3", second.T @ error)
        self.move("b3", error.sum(axis=0))
        self.move("w2", first.T @ to_second)
        self.move("b2", to_second.sum(axis=0))
        self.move("w1", x.T @ to_first)
        self.move("b1", to_first.sum(axis=0))
        return loss

    def move(self, name: str, gradient: np.ndarray) -> None:
        """Take a step of Adagrad."""
        total = self.sums[name]
        total += gradient * gradient
        divisor = np.sqrt(total)
        divisor += np.float32(EPSILON)
        gradient *= np.float32(RATE)
        gradient /= divisor
        self.weights[name] -= gradient


def timed(step, steps: int) -> float:
    """Return the seconds of a step: the median."""
    times = [time.perf_counter()]
    for _ in range(steps):
        step()
        times.append(time.perf_counter())
    return float(np.median(np.diff(times)))


def seconds_of_train(steps: int) -> float:
    """Return what a step takes through `Estimator.train`: the difference of a long and a short run."""
    x, y = examples(100 * BATCH)
    data = Dataset.from_tensor_slices(({"x": x}, y)).repeat().batch(BATCH)
    seconds = []
    for count in (WARM, WARM + steps):
        with tempfile.TemporaryDirectory() as directory:
            began = time.perf_counter()
            Estimator(model_fn, directory, CONFIG).train(data, steps=count)
            seconds.append(time.perf_counter() - began)
    return (seconds[1] - seconds[0]) / steps


def measured(repeats: int, steps: int, python: str | None) -> tuple[dict[str, list[float]], str]:
    """Measure in turn; return the seconds of steps, and the version of PyTorch."""
    x, y = examples(BATCH)
    ours = Ours(x, y)
    weights = ours.weights()
    by_hand = ByHand(x, y, weights)
    programs = {"ours": ours, "numpy": by_hand}
    reached = {name: [program.step() for _ in range(WARM)][-1] for name, program in programs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in LABELS if python or name != "torch"}
    version = ""
    with tempfile.TemporaryDirectory() as directory:
        file = str(Path(directory, "mlp.npz"))
        np.savez(file, x=x, y=y, **weights)
        for _ in range(repeats):
            for name, program in programs.items():
                seconds[name].append(timed(program.step, steps))
            if python:
                run = peer_output(python, "torch_mlp.py", data=file, threads=THREADS, warm=WARM, steps=steps)
                seconds["torch"].append(run["step"])
                reached["torch"], version = run["loss"], run["torch"]
            seconds["train"].append(seconds_of_train(steps))
    if not np.allclose(list(reached.values()), reached["numpy"], rtol=1e-3):
        raise RuntimeError(f"losses differ after {WARM} steps: {reached}")
    return seconds, version


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0], "peers").parse_args()
    logging.getLogger("estimators").setLevel(logging.WARNING)
    repeats, steps = (1, 200) if arguments.short else (9, 3000)
    python = None if arguments.short else arguments.peers
    seconds, version = measured(repeats, steps, python)
    text = f"""{machine()}

{" → ".join(map(str, SIZES))}, ReLU, mean squared error, Adagrad, float32, batches of {BATCH} in memory;
median step, median of {repeats} turns of {steps:,} steps; `Estimator.train`: the mean step.

| | microseconds per step |
|---|---|
"""
    for name, values in seconds.items():
        text += f"| {LABELS[name]} | {1e6 * median(values):.0f} |\n"
    text += f"\nThe compiled step takes {ratio(seconds, 'numpy', 'ours')} of the time of NumPy's"
    if python:
        text += f",\n{ratio(seconds, 'torch', 'ours')} of PyTorch's ({version}; {THREADS} threads).\n"
    else:
        text += ".\n" + left_out("peers", "PyTorch")
    print(text)
    if not arguments.short:
        write_section("Small network: one training step", text)


if __name__ == "__main__":
    main()
