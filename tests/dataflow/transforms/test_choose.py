from collections import Counter

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, SpecError
from tests.golden_values import golden

GOLDEN = golden("stages")


def endless(*values):
    return [Dataset.from_tensors(np.int64(value)).repeat() for value in values]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_draws_are_those_of_tensorflow(block_bytes):
    case = GOLDEN["sample"]
    dataset = Dataset.sample_from_datasets(endless(0, 1, 2), case["w"], seed=case["seed"])
    dataset = dataset.take(20).with_options(Options(block_bytes=block_bytes))
    assert [int(x) for x in dataset] == [int(x) for x in dataset] == case["out"]


def test_an_exhausted_dataset_is_passed_over_or_ends_it():
    inputs = [Dataset.range(2), Dataset.range(10, 20)]
    some = Dataset.sample_from_datasets(inputs, [0.5, 0.5], seed=1)
    assert sorted(int(x) for x in some) == [0, 1, *range(10, 20)]
    choice = Dataset.from_tensor_slices([0, 0, 0, 1])
    assert [int(x) for x in Dataset.choose_from_datasets(inputs, choice)] == [0, 1]
    rest = Dataset.choose_from_datasets(inputs, choice, stop_on_empty_dataset=False)
    assert [int(x) for x in rest] == [0, 1, 10]


def test_chooses_in_the_given_order():
    choice = Dataset.range(3).repeat(2)
    dataset = Dataset.choose_from_datasets(endless(0, 1, 2), choice)
    assert [int(x) for x in dataset] == GOLDEN["choose"]
    assert dataset.cardinality() == -2


def test_weights_are_proportions():
    drawn = Dataset.sample_from_datasets(endless(0, 1, 2), [1, 6, 3], seed=5).take(10000)
    counts = Counter(int(x) for x in drawn)
    assert [round(counts[i] / 1000) for i in range(3)] == [1, 6, 3]


def test_each_iteration_can_have_draws_of_its_own():
    dataset = Dataset.sample_from_datasets(endless(0, 1), seed=5, rerandomize_each_iteration=True).take(20)
    assert [int(x) for x in dataset] != [int(x) for x in dataset]


def test_weights_may_change_from_draw_to_draw():
    weights = Dataset.from_tensor_slices([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    dataset = Dataset.sample_from_datasets(endless(0, 1), weights, seed=5)
    assert [int(x) for x in dataset] == [0, 1, 1]


def test_a_weight_of_0_leaves_the_dataset_out():
    dataset = Dataset.sample_from_datasets([Dataset.range(3), Dataset.range(5, 7)], [0.0, 1.0])
    assert [int(x) for x in dataset] == [5, 6]


@pytest.mark.parametrize("number", [-1, 2])
def test_a_number_without_a_dataset_is_an_error_in_its_place(number):
    choice = Dataset.from_tensor_slices([1, number, 0])
    iterator = iter(Dataset.choose_from_datasets(endless(0, 1), choice))
    assert next(iterator) == 1
    with pytest.raises(InvalidArgumentError, match=f"says {number}, and there are 2 datasets"):
        next(iterator)
    assert [int(x) for x in iterator] == [0]


@pytest.mark.parametrize("weights", [[0.5], [0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(InvalidArgumentError, match="weights"):
        Dataset.sample_from_datasets(endless(0, 1), weights)


def test_no_datasets_are_refused():
    with pytest.raises(InvalidArgumentError, match="no datasets"):
        Dataset.sample_from_datasets([])


def test_datasets_of_different_kinds_are_refused():
    with pytest.raises(SpecError, match="elements of one kind"):
        Dataset.sample_from_datasets([Dataset.range(3), Dataset.from_tensors("text")])


def test_a_choice_of_floats_is_refused():
    with pytest.raises(SpecError, match="scalars of int64"):
        Dataset.choose_from_datasets(endless(0, 1), Dataset.from_tensors(0.5))
