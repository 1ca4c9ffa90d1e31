"""Memory does not grow with the number of rows; the first iterator needs no Numba."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

STREAM = """
import resource
from dataflow import TextLineDataset, decode_csv

def parse(line):
    number, text = decode_csv(line, [[0], [""]])
    return {"n": number, "t": text}

lines = TextLineDataset([PATH] * 60).map(parse).shuffle(2000, seed=1).batch(512)
sizes = []
for i, _ in enumerate(lines):
    if i % 200 == 0:
        sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(i, sizes[-1] / sizes[len(sizes) // 3])
"""


SORTED = """
import resource
from dataflow import Dataset, Options

def peak(rows):
    dataset = Dataset.range(rows).map(lambda x: (x, x * 2, x * 3, x * 0.5)).shuffle("global", seed=1)
    batches = sum(1 for _ in dataset.batch(1000).with_options(Options(memory_bytes=16 << 20)))
    assert batches == rows // 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

peak(1_000)
print(peak(1_000_000), peak(6_000_000))
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_streaming_through_shuffle_and_batch_needs_the_same_memory_all_the_time(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{i},text number {i}\n" for i in range(20_000)))
    batches, grown = run(f"PATH = {str(path)!r}\n{STREAM}").split()
    assert int(batches) == 60 * 20_000 // 512
    assert float(grown) < 1.1  # over 800,000 rows, which are 20 MB of text and more as columns


def test_a_global_shuffle_needs_the_same_memory_for_any_number_of_rows():
    few, many = run(SORTED).split()
    assert int(many) < 1.1 * int(few)  # where rows of 32 MB become rows of 190 MB


def test_a_plan_without_kernels_needs_no_numba():
    code = "import sys; from dataflow import Dataset; list(Dataset.range(9).map(lambda x: x + 1).batch(2)); "
    assert run(code + "print('numba' in sys.modules)").strip() == "False"
