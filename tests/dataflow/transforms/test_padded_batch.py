import numpy as np
import pytest

from dataflow import DataLossError, Dataset, InvalidArgumentError, SpecError, TensorSpec
from tests.golden_values import golden

GOLDEN = golden("stages")["elements"]
LISTS = Dataset.from_list([[1], [2, 3], [4, 5, 6]])


def test_pads_to_the_largest_in_the_batch():
    dataset = LISTS.padded_batch(2)
    assert [x.tolist() for x in dataset] == GOLDEN["padded"]
    assert (dataset.element_spec, len(dataset)) == (TensorSpec((None, None), np.int64), 2)


def test_pads_to_a_fixed_size_with_a_value():
    dataset = LISTS.padded_batch(2, [4], -1)
    assert [x.tolist() for x in dataset] == GOLDEN["padded_to4_-1"]
    assert dataset.element_spec == TensorSpec((None, 4), np.int64)


def test_pads_text():
    dataset = Dataset.from_list([["a"], ["b", "c"]]).padded_batch(2)
    assert dataset.get_single_element().tolist() == [["a", ""], ["b", "c"]]


def test_pads_matrices_on_both_axes():
    dataset = Dataset.from_list([[[1, 2, 3]], [[4], [5]]]).padded_batch(2, padding_values=9)
    assert dataset.get_single_element().tolist() == [[[1, 2, 3], [9, 9, 9]], [[4, 9, 9], [5, 9, 9]]]


def test_each_component_has_its_shape_and_value():
    dataset = Dataset.from_list([([1], 0), ([2, 3], 1)]).padded_batch(2, ((None,), ()), (7, None))
    a, b = dataset.get_single_element()
    assert (a.tolist(), b.tolist()) == ([[1, 7], [2, 3]], [0, 1])


def test_dense_elements_are_padded_many_at_once():
    dataset = Dataset.range(6).batch(2).padded_batch(2, [3])
    assert [x.tolist() for x in dataset] == [[[0, 1, 0], [2, 3, 0]], [[4, 5, 0]]]


def test_drops_the_remainder():
    dataset = LISTS.padded_batch(2, drop_remainder=True)
    assert [x.tolist() for x in dataset] == GOLDEN["padded"][:1]
    assert (dataset.element_spec.shape, len(dataset)) == ((2, None), 1)


def test_an_element_larger_than_the_fixed_size_is_data_loss_and_the_next_batch_comes():
    iterator = iter(LISTS.padded_batch(2, [1]))
    with pytest.raises(
        DataLossError, match=r"shape \(2,\) does not fit the padded shape \(1,\) of component 0"
    ):
        next(iterator)
    with pytest.raises(DataLossError, match=r"shape \(3,\)"):
        next(iterator)
    assert list(iterator) == []


@pytest.mark.parametrize("value", ["x", 0.5, np.int32(1), True, 2**70])
def test_a_padding_value_of_another_dtype_is_refused(value):
    with pytest.raises((SpecError, OverflowError)):
        LISTS.padded_batch(2, padding_values=value)


def test_a_padding_value_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match="must be a scalar"):
        LISTS.padded_batch(2, padding_values=[1, 2])


@pytest.mark.parametrize("shape", [[1, 1], []])
def test_a_shape_of_another_rank_is_refused(shape):
    with pytest.raises(InvalidArgumentError, match="does not fit component 0, which has shape"):
        LISTS.padded_batch(2, shape)


def test_a_shape_smaller_than_the_known_one_is_refused():
    with pytest.raises(InvalidArgumentError, match="does not fit component"):
        Dataset.range(6).batch(3, drop_remainder=True).padded_batch(2, [2])


def test_a_batch_size_of_0_is_refused():
    with pytest.raises(InvalidArgumentError, match="batch_size must be at least 1"):
        LISTS.padded_batch(0)
