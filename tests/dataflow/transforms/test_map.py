"""`map`."""

import numpy as np
import pytest

from dataflow import AUTOTUNE, Dataset, InvalidArgumentError


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
