"""`zip`, `concatenate` and `enumerate`."""

import numpy as np
import pytest

from dataflow import Dataset, Options, SpecError, TensorSpec


def test_zip_of_a_structure():
    dataset = Dataset.zip({"a": Dataset.range(2), "b": (Dataset.range(5, 9),)})
    assert list(dataset) == [{"a": 0, "b": (5,)}, {"a": 1, "b": (6,)}]


def test_zip_of_elements_that_are_structures():
    pairs = Dataset.from_tensor_slices(([1, 2], ["a", "b"]))
    assert list(Dataset.zip(pairs, Dataset.range(2))) == [((1, "a"), 0), ((2, "b"), 1)]


def test_concatenate_keeps_what_both_have():
    dataset = (
        Dataset.range(4)
        .batch(2, drop_remainder=True)
        .concatenate(Dataset.range(3).batch(3, drop_remainder=True))
    )
    assert dataset.element_spec == TensorSpec((None,), np.int64)
    assert [batch.tolist() for batch in dataset] == [[0, 1], [2, 3], [0, 1, 2]]


def test_concatenate_refuses_other_kinds():
    with pytest.raises(SpecError, match="concatenate needs elements of one kind: dicts have different keys"):
        Dataset.from_tensors({"a": 1}).concatenate(Dataset.from_tensors({"b": 1}))


def test_enumerate_counts_over_epochs():
    assert [int(i) for i, _ in Dataset.range(2).repeat(2).enumerate(start=10)] == [10, 11, 12, 13]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_enumerate_counts_elements_that_cannot_be_made(block_bytes):
    texts = Dataset.from_tensor_slices(["1", "x", "3", "4", "y", "6"])
    numbers = texts.map(lambda text: text.astype(np.int64)).enumerate(start=10).ignore_errors()
    pairs = list(numbers.with_options(Options(block_bytes=block_bytes)))
    assert [(int(i), int(x)) for i, x in pairs] == [(10, 1), (12, 3), (13, 4), (15, 6)]


@pytest.mark.parametrize("cut", range(12))
def test_concatenate_resumes_the_epochs_of_the_input_that_is_closed(cut):
    def make():
        first, second = Dataset.range(4).shuffle(4, seed=1), Dataset.range(10, 12).shuffle(2, seed=2)
        return first.concatenate(second).repeat(2)

    iterator = iter(make())
    taken = [int(next(iterator)) for _ in range(cut)]
    resumed = iter(make())
    resumed.restore(iterator.state())
    assert taken + [int(x) for x in resumed] == [int(x) for x in make()]
