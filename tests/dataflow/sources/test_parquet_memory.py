"""A row group is read in pieces, however large it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[3]
READ = """
import pathlib, re, sys
from dataflow import ParquetDataset
blocks, rows = ParquetDataset(sys.argv[1]).blocks(), 0
while (block := blocks.read(1 << 20)) is not None:
    rows += block.length
status = pathlib.Path("/proc/self/status").read_text()
print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) >> 10)
"""


def peak(path, rows):
    """Write one row group, read it in a process of its own, and return the megabytes at its peak."""
    draws = np.random.default_rng(1).random((8, rows))
    table = pa.table({f"x{i}": column for i, column in enumerate(draws)})
    pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    command = [sys.executable, "-c", READ, str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count, megabytes = map(int, result.stdout.split())
    assert count == rows
    return megabytes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the peak")
def test_a_row_group_of_many_rows_needs_as_much_memory_as_one_of_few(tmp_path):
    small = peak(tmp_path / "small.parquet", 800_000)  # 51 MB
    large = peak(tmp_path / "large.parquet", 3_200_000)  # 205 MB
    assert large < small + 50
