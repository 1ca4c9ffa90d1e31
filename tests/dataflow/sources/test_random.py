import numpy as np

from dataflow import Dataset, Options
from tests.golden_values import golden


def test_numbers_are_those_of_tensorflow():
    dataset = Dataset.random(seed=42).take(5)
    assert [[int(x) for x in dataset] for _ in range(2)] == golden("stages")["random"]


def test_each_iteration_can_have_numbers_of_its_own():
    dataset = Dataset.random(seed=42, rerandomize_each_iteration=True).take(4)
    first, second = list(dataset), list(dataset)
    assert first != second
    again = Dataset.random(seed=42, rerandomize_each_iteration=True).take(4)
    assert [list(again), list(again)] == [first, second]


def test_without_a_seed_a_resumed_run_is_exact():
    iterator = iter(Dataset.random().batch(3).with_options(Options(block_bytes=16)))
    next(iterator)
    state, wanted = iterator.state(), next(iterator).tolist()
    other = iter(Dataset.random().batch(3))
    other.restore(state)
    assert next(other).tolist() == wanted


def test_numbers_are_int64_and_endless():
    dataset = Dataset.random(seed=1)
    assert (dataset.element_spec.dtype, dataset.cardinality()) == (np.int64, -1)
