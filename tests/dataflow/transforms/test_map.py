"""`map`."""

import threading

import numpy as np
import pytest

from dataflow import AUTOTUNE, Dataset, InvalidArgumentError, Options, TextLineDataset
from dataflow.storage import files


def test_structures_go_in_and_come_out():
    dataset = Dataset.from_tensor_slices({"a": [1, 2], "b": ["x", "y"]})
    mapped = dataset.map(lambda row: (row["b"], {"twice": row["a"] * 2}))
    assert list(mapped) == [("x", {"twice": 2}), ("y", {"twice": 4})]


@pytest.mark.parametrize("calls", [None, AUTOTUNE, 1, 4])
def test_order_is_kept_with_any_number_of_threads(calls):
    dataset = Dataset.range(5000).map(lambda x: x * 2, num_parallel_calls=calls)
    assert [int(x) for x in dataset] == list(range(0, 10_000, 2))


def test_elements_of_different_shapes():
    dataset = Dataset.range(5).batch(2).map(lambda x: (x.sum(), x * 10))
    assert [(int(total), tens.tolist()) for total, tens in dataset] == [
        (1, [0, 10]),
        (5, [20, 30]),
        (4, [40]),
    ]


def test_constants_are_the_same_for_all_elements():
    assert list(Dataset.range(2).map(lambda x: (x, "name", np.float32(0.5)))) == [
        (0, "name", 0.5),
        (1, "name", 0.5),
    ]


def test_no_threads_is_refused():
    with pytest.raises(
        InvalidArgumentError, match="num_parallel_calls must be at least 1 or AUTOTUNE, not 0"
    ):
        Dataset.range(2).map(lambda x: x, num_parallel_calls=0)


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
@pytest.mark.parametrize("rewrites", [True, False])
def test_a_function_that_counts_its_calls_is_called_in_order_by_one_thread(rewrites):
    calls, threads = [], set()

    def count(x):
        threads.add(threading.current_thread().name)
        calls.append(len(calls))
        return x * 0 + calls[-1]

    dataset = Dataset.range(3000).map(count, num_parallel_calls=4)
    dataset = dataset.with_options(Options(block_bytes=64, threads=4, rewrites=rewrites))
    found = [int(x) for x in dataset]
    assert found == list(range(found[0], found[0] + 3000))
    assert not any(name.startswith("dataflow-map") for name in threads)


@pytest.mark.parametrize("calls", [1, 4])
def test_good_rows_come_before_an_error_of_another_kind(tmp_path, calls, monkeypatch):
    good, bad = tmp_path / "a.txt", tmp_path / "b.txt"
    good.write_text("1\n2\n")
    bad.write_text("3\n")

    def refuse(path):
        if path == str(bad):
            raise PermissionError(path)
        return open(path, "rb")

    monkeypatch.setattr(files, "open_binary", refuse)
    lines = TextLineDataset([str(good), str(bad), str(good)]).map(
        lambda t: t.astype(int), num_parallel_calls=calls
    )
    iterator = iter(lines.with_options(Options(threads=4)))
    assert [int(next(iterator)), int(next(iterator))] == [1, 2]
    with pytest.raises(PermissionError):
        next(iterator)
    assert [int(x) for x in iterator] == [1, 2]


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_maps_that_are_fused_are_compared_with_plain_python_once():
    calls = []

    def note(x):
        calls.append(1)
        return x + 1

    dataset = Dataset.range(5).map(note).map(lambda x: x * 2)
    assert [[int(x) for x in dataset] for _ in range(3)] == [[2, 4, 6, 8, 10]] * 3
    assert len(calls) == 3
