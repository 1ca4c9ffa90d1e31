"""How kernels are compiled, kept on the disk, and loaded: in processes of their own."""

import os
import subprocess
import sys

import pytest

from dataflow.kernels.jit import ENABLED

pytestmark = pytest.mark.skipif(not ENABLED, reason="kernels are plain Python")
DRAW = """
import sys
import numpy as np
from dataflow.kernels import shuffle
words = np.zeros(2, np.uint32)
shuffle.philox(1, 2, 0, words)
print(words.tolist(), "numba.np.arraymath" in sys.modules)
"""
OTHER_NUMBA = """
import numba
numba.version_info = (99, 0, 0)
"""
READ = """
from dataflow import CsvDataset
from dataflow.kernels import jit
dataset = CsvDataset("rows.csv", [0.0, ""]).shuffle(10, seed=1)
print([(float(x), y) for x, y in dataset], jit.QUICK)
"""


ROWS = '1,"a ""b"""\n-2.5,c\n'


def printed(program, directory):
    """Return what a new process prints that keeps its kernels there."""
    (directory / "rows.csv").write_text(ROWS, encoding="utf-8")
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(directory)}
    child = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={**settings, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return child.stdout.strip().rsplit(maxsplit=1)


def test_a_kernel_from_the_disk_needs_no_compiler(tmp_path):
    compiled, loaded = printed(DRAW, tmp_path), printed(DRAW, tmp_path)
    assert (compiled[1], loaded[1]) == ("True", "False")
    assert compiled[0] == loaded[0]


def test_a_numba_that_is_not_known_compiles_in_its_own_way(tmp_path):
    (tmp_path / "other").mkdir()
    quick, other = printed(READ, tmp_path), printed(OTHER_NUMBA + READ, tmp_path / "other")
    assert (quick[1], other[1]) == ("True", "False")
    assert quick[0] == other[0]
    assert "-2.5" in quick[0]
