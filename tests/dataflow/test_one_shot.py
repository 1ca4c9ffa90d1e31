"""`make_one_shot_iterator().get_next()`: values outside of an `input_fn`."""

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, OutOfRangeError
from dataflow.one_shot import symbolic_elements


def test_values_one_by_one():
    iterator = Dataset.from_tensor_slices({"x": [1, 2], "y": ["a", "b"]}).make_one_shot_iterator()
    assert [iterator.get_next(), iterator.get_next("next")] == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


def test_the_end_is_said_again_and_again():
    iterator = Dataset.range(1).make_one_shot_iterator()
    iterator.get_next()
    for _ in range(2):
        with pytest.raises(OutOfRangeError, match="the dataset has ended"):
            iterator.get_next()


def test_the_end_does_not_end_a_loop_around():
    assert not issubclass(OutOfRangeError, StopIteration)
    assert issubclass(OutOfRangeError, EOFError)


def test_iterators_do_not_disturb_each_other():
    dataset = Dataset.range(3)
    one, other = dataset.make_one_shot_iterator(), dataset.make_one_shot_iterator()
    assert [one.get_next(), one.get_next(), other.get_next()] == [0, 1, 0]


def test_after_an_error_it_goes_on():
    texts = Dataset.from_tensor_slices(["1", "x", "3"]).map(lambda text: text.astype(np.int64))
    iterator = texts.make_one_shot_iterator()
    assert iterator.get_next() == 1
    with pytest.raises(df.InvalidArgumentError):
        iterator.get_next()
    assert iterator.get_next() == 3


def test_the_element_spec_is_the_dataset_s():
    dataset = Dataset.range(3).batch(2)
    assert dataset.make_one_shot_iterator().element_spec == dataset.element_spec


def test_symbolic_elements_end_with_their_context():
    iterator = Dataset.range(3).make_one_shot_iterator()
    with symbolic_elements() as elements:
        node = elements.plan((iterator.get_next() + 1,), "plus")
    assert list(Dataset(node)) == [(1,), (2,), (3,)]
    assert iterator.get_next() == 0
