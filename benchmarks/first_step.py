"""From starting Python to the first trained step of a linear model, with an empty and a full kernel cache.

    python benchmarks/first_step.py [--short]

Each run is a process of its own: it imports both packages, reads the example's taxi files, and trains. Python
finds its bytecode on the disk, as that of installed packages is.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

EXAMPLES = Path(__file__).parents[1] / "examples"
TURNS = 5


def train_one_step() -> None:
    """Train the model of the example for one step, and print when that was done, in seconds since 1970."""
    sys.path.append(str(EXAMPLES))
    import taxi_fare

    from estimators import LinearRegressor, RunConfig, SessionRunHook, feature_column

    class Clock(SessionRunHook):
        """Prints the time after the step."""

        def after_run(self, run_context, run_values):
            print(time.time())

    logging.getLogger("estimators").setLevel(logging.ERROR)
    columns = [
        feature_column.numeric_column("distance_km"),
        feature_column.bucketized_column(feature_column.numeric_column("passengers"), [2, 4]),
        feature_column.categorical_column_with_vocabulary_list("payment", ["card", "cash", "dispute"]),
    ]
    files = str(EXAMPLES.parent / "fixtures" / "taxi" / "train.csv-*")
    model = LinearRegressor(columns, config=RunConfig(progress=False))
    model.train(lambda: taxi_fare.read(files).shuffle(1000, seed=1).batch(128), steps=1, hooks=[Clock()])


def seconds(kernels: str, bytecode: str) -> tuple[float, float]:
    """Return how long a process takes to its first step, and to its exit, with its caches there."""
    settings = {"NUMBA_CACHE_DIR": kernels, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    began = time.time()
    child = subprocess.run(
        [sys.executable, __file__, "--step"],
        env={**os.environ, **settings},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(child.stdout) - began, time.time() - began


def row(cache: str, times: list[tuple[float, float]]) -> str:
    """Return a line of the table."""
    cells = [f"{median(turn):.2f} ({min(turn):.2f} to {max(turn):.2f})" for turn in zip(*times, strict=True)]
    return f"| {cache} | {cells[0]} | {cells[1]} |"


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    from report import machine, write_section  # not in the process that is measured
    from running import parser

    arguments = parser(__doc__.splitlines()[0]).parse_args()
    empty, full = [], []
    with tempfile.TemporaryDirectory() as bytecode:
        with tempfile.TemporaryDirectory() as kernels:
            seconds(kernels, bytecode)  # writes the bytecode
        for _ in range(1 if arguments.short else TURNS):
            with tempfile.TemporaryDirectory() as kernels:
                empty.append(seconds(kernels, bytecode))
                full.append(seconds(kernels, bytecode))
    text = f"""{machine()}

A `LinearRegressor` over CSV files, one step; seconds, median (and range) of {len(full)} turns.

| cache of compiled kernels | to the end of the first step | to the exit |
|---|---|---|
{row("empty", empty)}
{row("full", full)}
"""
    print(text)
    if not arguments.short:
        write_section("First step of a linear model", text)


if __name__ == "__main__":
    if "--step" in sys.argv:
        train_one_step()
    else:
        main()
