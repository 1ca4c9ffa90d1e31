import numpy as np
import pytest

from dataflow import (
    Dataset,
    InvalidArgumentError,
    Options,
    SpecError,
    StateError,
    TensorSpec,
    UserFunctionError,
)
from tests.golden_values import golden

CASES = golden("stages")["group_by_window"]
KEYS = {"x%2": lambda x: x % 2, "x%3": lambda x: x % 3}
REDUCE = {"batch(3)": lambda key, group: group.batch(3), "batch(2)": lambda key, group: group.batch(2)}


@pytest.mark.parametrize("block_bytes", [1, 32, 1 << 20])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["key"])
def test_groups_are_those_of_tensorflow(case, block_bytes):
    dataset = Dataset.range(case["n"]).with_options(Options(block_bytes=block_bytes))
    dataset = dataset.group_by_window(KEYS[case["key"]], REDUCE[case["reduce"]], case["window_size"])
    assert [x.tolist() for x in dataset] == case["out"]
    assert (dataset.cardinality(), dataset.element_spec) == (-2, TensorSpec((None,), np.int64))


def test_the_size_may_depend_on_the_key():
    dataset = Dataset.range(6).group_by_window(
        lambda x: x % 2, lambda key, group: group.batch(9), window_size_func=lambda key: 1 + key
    )
    assert [x.tolist() for x in dataset] == [[0], [2], [1, 3], [4], [5]]


def test_the_function_gets_the_key():
    dataset = Dataset.range(4).group_by_window(
        lambda x: x % 2, lambda key, group: group.map(lambda x: x * key), 2
    )
    assert [int(x) for x in dataset] == [0, 0, 1, 3]


def test_structures_and_texts():
    pairs = Dataset.from_tensor_slices(([0, 1, 0, 1], ["a", "b", "c", "d"]))
    dataset = pairs.group_by_window(lambda k, t: k, lambda key, group: group.batch(2), 2)
    assert [(k.tolist(), t.tolist()) for k, t in dataset] == [([0, 0], ["a", "c"]), ([1, 1], ["b", "d"])]


def test_an_endless_dataset():
    dataset = Dataset.counter().group_by_window(lambda x: x % 2, lambda key, group: group.batch(2), 2)
    assert [x.tolist() for x in dataset.take(3)] == [[0, 2], [1, 3], [4, 6]]


@pytest.mark.parametrize("sizes", [{}, {"window_size": 1, "window_size_func": lambda key: 1}])
def test_exactly_one_size_is_given(sizes):
    with pytest.raises(InvalidArgumentError, match="either window_size or window_size_func"):
        Dataset.range(3).group_by_window(lambda x: x, lambda key, group: group, **sizes)


def test_a_size_of_0_is_an_error_of_each_element():
    iterator = iter(Dataset.range(2).group_by_window(lambda x: x, lambda key, group: group, 0))
    for key in (0, 1):
        with pytest.raises(InvalidArgumentError, match=f"window size of key {key} must be at least 1, not 0"):
            next(iterator)
    assert list(iterator) == []


def test_a_key_that_is_no_integer_is_refused():
    with pytest.raises(InvalidArgumentError, match="key_func must return a scalar integer"):
        Dataset.range(3).group_by_window(lambda x: x / 2, lambda key, group: group, 2)


def test_a_function_that_returns_no_dataset_is_refused():
    with pytest.raises(SpecError, match="must return a Dataset, and returned int"):
        Dataset.range(3).group_by_window(lambda x: x, lambda key, group: 5, 2)


def test_a_function_that_fails_is_named():
    def fails(key, group):
        return group.batch({0: 2}[int(key)])

    iterator = iter(Dataset.range(2).group_by_window(lambda x: x, fails, 1))
    assert next(iterator).tolist() == [0]
    with pytest.raises(UserFunctionError, match="fails raised KeyError: 1"):
        next(iterator)


def test_a_saved_position_is_of_one_window_size():
    two, three = (
        Dataset.range(9).group_by_window(lambda x: x % 2, lambda key, group: group, n) for n in (2, 3)
    )
    with pytest.raises(StateError, match="belongs to another pipeline"):
        iter(three).restore(iter(two).state())
