"""What the benchmarks share: options, passes in turn, and peers in environments of their own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataflow import Dataset

PEERS = Path(__file__).with_name("peers")
REPEATS = 5
"""Passes that are timed, after one that warms up."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one program measured of itself."""

    rows: int
    seconds: float
    megabytes: float

    @property
    def speed(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


def parser(description: str, *environments: str) -> argparse.ArgumentParser:
    """Return a parser of what all benchmarks take, with an option for each environment of peers."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--short", action="store_true", help="few rows, no peers, nothing written")
    options.add_argument("--run", nargs="+", help=argparse.SUPPRESS)  # what `run_self` asks for
    for name in environments:
        variable = f"{name.upper()}_PYTHON"
        options.add_argument(
            f"--{name}",
            metavar="PYTHON",
            default=os.environ.get(variable),
            help=f"the interpreter of requirements-{name}.txt; default: that of {variable}, else left out",
        )
    return options


def in_turn(programs: Mapping[str, Callable[[], int]], rows: int, repeats: int) -> dict[str, list[float]]:
    """Run all programs one after the other, several times, and return the seconds of each.

    The first turn compiles kernels and warms the file cache, and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(repeats + 1):
        for name, program in programs.items():
            started = time.perf_counter()
            got = program()
            if turn:
                seconds[name].append(time.perf_counter() - started)
            if got != rows:
                raise RuntimeError(f"{name} gave {got} rows, not {rows}")
    return seconds


def rows_of_blocks(dataset: Dataset) -> int:
    """Read a dataset of batches by columns, and return the number of rows."""
    blocks, rows = dataset.blocks(), 0
    while (block := blocks.read(1 << 62)) is not None:
        rows += block.length * block.columns[0].shape[1]
    return rows


def ratio(seconds: Mapping[str, list[float]], name: str, other: str) -> str:
    """Return how fast a program is beside another, turn by turn: the median and the range."""
    ratios = sorted(b / a for a, b in zip(seconds[name], seconds[other], strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def peer_output(python: str, program: str, **task: Any) -> Any:
    """Return the JSON that a program in `peers/` prints, run by another interpreter."""
    with tempfile.TemporaryDirectory() as directory:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1", "HF_HOME": directory}
        command = [python, str(PEERS / program), json.dumps(task)]
        done = subprocess.run(
            command, env={**os.environ, **quiet}, text=True, capture_output=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_peer(python: str, program: str, repeats: int = 3, **task: Any) -> Figures:
    """Return the median run of a program in `peers/` by another interpreter."""
    runs = [Figures(**peer_output(python, program, **task)) for _ in range(repeats)]
    return sorted(runs, key=lambda run: run.speed)[len(runs) // 2]


def run_self(*arguments: str) -> Any:
    """Return the JSON that the running benchmark prints with other arguments, in a process of its own."""
    return json.loads(subprocess.check_output([sys.executable, sys.argv[0], *arguments], text=True))


def left_out(name: str, what: str) -> str:
    """Say which peers are not shown, and how to have them."""
    return f"\nLeft out: {what} (`--{name} PYTHON` names the interpreter of requirements-{name}.txt).\n"
