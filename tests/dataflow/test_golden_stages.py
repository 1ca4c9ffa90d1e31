"""Cardinalities, values and error classes of further stages are those of tf.data."""

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset
from tests.dataflow.test_golden import elements, plain
from tests.golden_values import golden

GOLDEN = golden("stages")
FIVE = Dataset.range(5)
ENDLESS = [Dataset.from_tensors(np.int64(i)).repeat() for i in range(2)]
LISTS = Dataset.from_list([[1], [2, 3], [4, 5, 6]])


def group(key, window):
    return window.batch(2)


CARDINALITY = {
    "window(2)": FIVE.window(2),
    "window(2,shift=1)": FIVE.window(2, shift=1),
    "window(3,1,drop)": FIVE.window(3, 1, drop_remainder=True),
    "random": Dataset.random(),
    "counter": Dataset.counter(),
    "unique": FIVE.unique(),
    "group_by_window": FIVE.group_by_window(lambda x: x, group, 2),
    "take_while": FIVE.take_while(lambda x: x < 2),
    "scan": FIVE.scan(np.int64(0), lambda state, x: (state + x, state)),
    "padded_batch(2)": LISTS.concatenate(LISTS).take(5).padded_batch(2),
    "ignore_errors": FIVE.ignore_errors(),
    "sample_from(2 finite)": Dataset.sample_from_datasets([FIVE, FIVE]),
    "choose_from": Dataset.choose_from_datasets([FIVE, FIVE], Dataset.range(2)),
    "rebatch": FIVE.batch(2).rebatch(3),
    "assert_cardinality": FIVE.filter(lambda x: x < 9).assert_cardinality(5),
}


@pytest.mark.parametrize("name", GOLDEN["cardinality"])
def test_cardinality(name):
    assert CARDINALITY[name].cardinality() == GOLDEN["cardinality"][name]


def halves():
    return Dataset.from_tensor_slices(["1", "x", "0.5"]).map(lambda text: text.astype(np.float32))


CASES = {
    "window size 0": lambda: FIVE.window(0),
    "window shift 0": lambda: FIVE.window(1, shift=0),
    "get_single_element 0": lambda: Dataset.range(0).get_single_element(),
    "get_single_element 2": lambda: Dataset.range(2).get_single_element(),
    "unique float": lambda: Dataset.from_tensor_slices([0.5]).unique(),
    "choose bad index": lambda: Dataset.choose_from_datasets(ENDLESS, Dataset.range(3)),
    "sample weights len": lambda: Dataset.sample_from_datasets(ENDLESS, [1.0]),
    "sample none": lambda: Dataset.sample_from_datasets([]),
    "sample weights 0 skipped": lambda: Dataset.sample_from_datasets([FIVE, Dataset.range(5, 7)], [0.0, 1.0]),
    "padded too small": lambda: LISTS.padded_batch(2, [1]),
    "padded wrong pad type": lambda: LISTS.padded_batch(2, padding_values="x"),
    "padded strings": lambda: Dataset.from_list([["a"], ["b", "c"]]).padded_batch(2),
    "padded none pad value in tuple": lambda: Dataset.from_list([([1], 0), ([2, 3], 1)]).padded_batch(
        2, padding_values=(7, None)
    ),
    "ignore_errors": lambda: halves().ignore_errors(),
    "group_by_window both": lambda: FIVE.group_by_window(lambda x: x, group, 2, lambda key: 2),
    "group_by_window neither": lambda: FIVE.group_by_window(lambda x: x, group),
    "group_by_window size 0": lambda: FIVE.group_by_window(lambda x: x, group, 0),
    "assert_cardinality wrong": lambda: FIVE.assert_cardinality(6),
}
ERRORS = {
    "InvalidArgumentError": df.InvalidArgumentError,
    "DataLossError": df.DataLossError,
    "FailedPreconditionError": df.FailedPreconditionError,
    "ValueError": ValueError,
    "TypeError": TypeError,
}


@pytest.mark.parametrize("name", CASES)
def test_behaviour(name):
    wanted = GOLDEN["behaviour"][name]
    if "ok" in wanted:
        found = CASES[name]()
        assert (elements(found) if isinstance(found, Dataset) else plain(found)) == wanted["ok"]
    else:
        with pytest.raises(ERRORS[wanted["error"]]):
            list(CASES[name]())


def test_every_case_of_tensorflow_is_tried():
    assert (CASES.keys(), CARDINALITY.keys()) == (GOLDEN["behaviour"].keys(), GOLDEN["cardinality"].keys())
