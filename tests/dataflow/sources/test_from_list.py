import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError, TensorSpec


def test_elements_of_one_shape():
    dataset = Dataset.from_list([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}])
    assert list(dataset) == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]
    assert len(dataset) == 2


def test_elements_of_different_shapes():
    dataset = Dataset.from_list([[1, 2], [], [3]])
    assert [x.tolist() for x in dataset] == [[1, 2], [], [3]]
    assert dataset.element_spec == TensorSpec((None,), np.int64)


def test_texts_of_different_lengths():
    dataset = Dataset.from_list([["a"], [], ["b", "c"]])
    assert [x.tolist() for x in dataset] == [["a"], [], ["b", "c"]]


def test_an_empty_list_is_refused():
    with pytest.raises(InvalidArgumentError, match="at least one element"):
        Dataset.from_list([])


@pytest.mark.parametrize("other", ["text", 0.5, [1], (1, 2)])
def test_an_element_of_another_kind_is_named(other):
    with pytest.raises(SpecError, match="element 1 differs from element 0"):
        Dataset.from_list([1, other])


def test_a_thing_that_is_not_a_list_is_refused():
    with pytest.raises(SpecError, match="takes a list of elements, not int"):
        Dataset.from_list(5)
