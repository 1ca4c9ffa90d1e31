"""`shuffle("global")`."""

import datetime
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow import (
    Dataset,
    FailedPreconditionError,
    InvalidArgumentError,
    Options,
    ParquetDataset,
    PlanWarning,
    SpecError,
    StateError,
    TensorSpec,
)

ROOT = Path(__file__).parents[3]
IN_FILES = Options(memory_bytes=1)
IN_PARTS = Options(memory_bytes=3000)  # of some rows each, and the parts are cut again


def numbers(dataset):
    return [int(x) for x in dataset]


def chi_square(counts):
    counts = np.asarray(counts, float)
    return float(((counts - counts.mean()) ** 2).sum() / counts.mean())


def test_the_order_has_no_pattern_and_all_elements():
    order = numbers(
        Dataset.range(10_000).shuffle("global", seed=1).with_options(Options(memory_bytes=50_000))
    )
    assert sorted(order) == list(range(10_000))
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.03  # three standard deviations


@pytest.mark.parametrize("memory_bytes", [1, 700, 3000, 100_000])
def test_the_order_does_not_depend_on_memory(memory_bytes):
    def build():
        return Dataset.range(2000).shuffle("global", seed=2).repeat(2)

    assert numbers(build().with_options(Options(memory_bytes=memory_bytes))) == numbers(build())


def test_every_permutation_of_four_is_as_likely():
    found = Counter()
    for seed in range(48):
        dataset = Dataset.range(4).shuffle("global", seed=seed).repeat(50).with_options(IN_FILES)
        found.update(map(tuple, np.reshape(numbers(dataset), (50, 4)).tolist()))
    assert len(found) == 24
    assert chi_square(list(found.values())) < 49.7  # exceeded once in a thousand times


def test_every_row_comes_to_every_place_as_often():
    counts = np.zeros((20, 20))
    dataset = Dataset.range(1000).shuffle("global", seed=3).repeat(60).with_options(IN_PARTS)
    rows = np.array(numbers(dataset)).reshape(60, 1000)
    for epoch in rows:
        np.add.at(counts, (epoch // 50, np.arange(1000) // 50), 1)
    assert chi_square(counts) < 439  # 361 degrees of freedom: exceeded three times in a thousand


@pytest.mark.parametrize("options", [IN_FILES, IN_PARTS, Options()])
def test_all_kinds_of_components_come_back(options):
    rows = {
        "text": np.array(["a", None, "", "héllo", "a", "x"] * 50, object),
        "pairs": np.array([[b"\x00", b""], [b"ab", b"c"], [b"q", b"\xff"]] * 100, object),
        "flag": np.arange(300) % 3 == 0,
        "when": np.arange(300).astype("datetime64[s]"),
        "matrix": np.arange(1200, dtype=np.float32).reshape(300, 2, 2),
        "number": np.arange(300),
    }
    found = list(Dataset.from_tensor_slices(rows).shuffle("global", seed=1).with_options(options))
    assert sorted(int(row["number"]) for row in found) == list(range(300))
    for row in found:
        n = int(row["number"])
        assert (row["text"], bool(row["flag"])) == (rows["text"][n], bool(rows["flag"][n]))
        assert row["pairs"].tolist() == rows["pairs"][n].tolist()
        assert row["when"] == np.datetime64(datetime.datetime(1970, 1, 1, 0, n // 60, n % 60))
        assert row["matrix"].tolist() == rows["matrix"][n].tolist()


@pytest.mark.parametrize("options", [IN_FILES, IN_PARTS, Options()])
@pytest.mark.parametrize(("dtype", "make"), [(np.int64, int), (str, str)])
def test_elements_of_different_shapes_come_back(options, dtype, make):
    rows = [[make(i)] * (i % 4) for i in range(100)]
    dataset = Dataset.from_generator(lambda: iter(rows), output_signature=TensorSpec((None,), dtype))
    found = [x.tolist() for x in dataset.shuffle("global", seed=1).with_options(options)]
    assert found != rows
    assert sorted(found) == sorted(rows)


def test_dictionary_encoded_text_comes_back(tmp_path):
    names = [f"name {i % 7}" for i in range(500)]
    path = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table({"n": range(500), "name": names}), path, row_group_size=100)
    dataset = ParquetDataset(path).shuffle("global", seed=1).with_options(IN_PARTS)
    found = {int(row["n"]): row["name"] for row in dataset}
    assert [found[n] for n in range(500)] == names


def test_epochs_have_orders_of_their_own_unless_told_otherwise():
    dataset = Dataset.range(20).shuffle("global", seed=5).repeat(2)
    order = numbers(dataset)
    assert order[:20] != order[20:]
    assert sorted(order[:20]) == sorted(order[20:]) == list(range(20))
    order = numbers(Dataset.range(20).shuffle("global", seed=5, reshuffle_each_iteration=False).repeat(2))
    assert order[:20] == order[20:]


def test_without_a_seed_runs_differ_and_a_resumed_run_does_not():
    def build():
        return Dataset.range(100).shuffle("global")

    assert numbers(build()) != numbers(build())
    iterator, other = iter(build()), iter(build())
    for _ in range(40):
        next(iterator)
    other.restore(iterator.state())
    assert numbers(other) == numbers(iterator)


def test_a_saved_position_can_be_resumed_with_another_memory():
    dataset = Dataset.range(3000).shuffle("global", seed=9).batch(7)
    iterator = iter(dataset.with_options(Options(memory_bytes=3000, block_bytes=100)))
    for _ in range(200):
        next(iterator)
    other = iter(dataset)
    other.restore(iterator.state())
    assert [b.tolist() for b in other] == [b.tolist() for b in iterator]


@pytest.mark.parametrize("size", [10, 49, 51, 70])
def test_a_position_of_other_data_is_refused(size):
    sizes = [50]
    source = Dataset.from_generator(lambda: iter(range(sizes[0])), output_signature=TensorSpec((), np.int64))
    dataset = source.shuffle("global", seed=9).with_options(Options(block_bytes=8))
    iterator = iter(dataset)
    for _ in range(5):
        next(iterator)
    state = iterator.state()
    sizes[0] = size
    with pytest.raises(StateError, match="other elements"):
        iter(dataset).restore(state)


def test_errors_of_the_input_come_first_and_good_rows_are_kept():
    text = Dataset.from_tensor_slices(np.array(["4", "x", "6", "y", "8"]))
    iterator = iter(text.map(lambda t: t.astype(np.int64)).shuffle("global", seed=1).with_options(IN_FILES))
    for _ in range(2):
        with pytest.raises(InvalidArgumentError):
            next(iterator)
    assert sorted(numbers(iterator)) == [4, 6, 8]


def test_what_cannot_be_shuffled_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"needs an input that ends(.|\n)*behind shuffle"):
        Dataset.range(3).repeat().shuffle("global")
    with pytest.raises(InvalidArgumentError, match="a number of elements or 'global', not 'all'"):
        Dataset.range(3).shuffle("all")
    with pytest.raises(SpecError, match=r"cannot put Dataset(.|\n)*shuffle before"):
        Dataset.range(3).window(2).shuffle("global")


def test_a_directory_that_cannot_be_written_to_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert len(numbers(Dataset.range(9).shuffle("global"))) == 9  # needs no file
    with pytest.raises(FailedPreconditionError, match=r"missing cannot be written(.|\n)*TMPDIR"):
        numbers(Dataset.range(9).shuffle("global").with_options(IN_FILES))


FULL_DISK = """
import resource
from dataflow import Dataset, FailedPreconditionError, Options
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
dataset = Dataset.range(1_000_000).shuffle("global").ignore_errors()
iterator = iter(dataset.with_options(Options(memory_bytes=1 << 22)))
for _ in range(3):
    try:
        print(next(iterator))
    except FailedPreconditionError as error:
        print(error.message, "|", error.hint)
iterator.close()
"""


def test_no_element_is_lost_silently_when_the_disk_is_full():
    command = [sys.executable, "-c", FULL_DISK]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, *others = result.stdout.splitlines()
    assert "cannot be written: [Errno 27] File too large" in first
    assert "TMPDIR to a directory with room" in first
    assert [line.split(" | ")[0] for line in others] == [
        "elements were lost when they could not be put aside"
    ] * 2


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs a list of open files")
def test_files_are_gone_when_the_iterator_is_closed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    iterator = iter(Dataset.range(1000).shuffle("global").with_options(IN_PARTS))
    next(iterator)
    assert len(os.listdir("/proc/self/fd")) > before
    iterator.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path) == []


def test_columns_that_nobody_reads_are_left_out(tmp_path):
    path = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table({"a": range(9), "b": range(9)}), path)
    dataset = ParquetDataset(path).shuffle("global", seed=1).map(lambda row: row["a"])
    assert "columns=('a',)" in dataset.explain()
    assert sorted(numbers(dataset)) == list(range(9))


def test_a_cache_behind_it_is_a_trap():
    with pytest.warns(PlanWarning, match="keeps the first order"):
        Dataset.range(3).shuffle("global").cache()
