"""From starting Python to the first trained step of a linear model, with an empty and a full kernel cache.

    python benchmarks/first_step.py [--short]

Each run is a process of its own: it imports both packages, reads the example's taxi files, and trains.
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

from report import machine, write_section
from running import parser

EXAMPLES = Path(__file__).parents[1] / "examples"
TURNS = 5


def train_one_step() -> None:
    """Train the model of the example for one step."""
    sys.path.append(str(EXAMPLES))
    import taxi_fare

    from estimators import LinearRegressor, RunConfig, feature_column

    logging.getLogger("estimators").setLevel(logging.ERROR)
    columns = [
        feature_column.numeric_column("distance_km"),
        feature_column.bucketized_column(feature_column.numeric_column("passengers"), [2, 4]),
        feature_column.categorical_column_with_vocabulary_list("payment", ["card", "cash", "dispute"]),
    ]
    files = str(EXAMPLES.parent / "fixtures" / "taxi" / "train.csv-*")
    model = LinearRegressor(columns, config=RunConfig(progress=False))
    model.train(lambda: taxi_fare.read(files).shuffle(1000, seed=1).batch(128), steps=1)


def seconds(cache: str) -> float:
    """Return how long a process takes that keeps its kernels there."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, __file__, "--run", "step"], env={**os.environ, "NUMBA_CACHE_DIR": cache}, check=True
    )
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and write the section of RESULTS.md."""
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    if arguments.run:
        train_one_step()
        return
    empty, full = [], []
    for _ in range(1 if arguments.short else TURNS):
        with tempfile.TemporaryDirectory() as cache:
            empty.append(seconds(cache))
            full.append(seconds(cache))
    text = f"""{machine()}

A `LinearRegressor` over CSV files, one step, the whole process with its exit, median (and range) of
{len(full)} turns.

| cache of compiled kernels | seconds |
|---|---|
| empty | {median(empty):.1f} ({min(empty):.1f} to {max(empty):.1f}) |
| full | {median(full):.2f} ({min(full):.2f} to {max(full):.2f}) |
"""
    print(text)
    if not arguments.short:
        write_section("First step of a linear model", text)


if __name__ == "__main__":
    main()
