"""`unbatch`."""

import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError


def test_it_is_the_inverse_of_batch():
    dataset = Dataset.from_tensor_slices((list(range(7)), list("abcdefg")))
    assert list(dataset.batch(3).unbatch()) == list(dataset)


def test_the_size_is_known_where_batches_are():
    assert Dataset.range(7).batch(3, drop_remainder=True).unbatch().cardinality() == 6


def test_empty_elements_give_nothing():
    dataset = Dataset.range(4).map(lambda x: x[None][:0]).unbatch()
    assert list(dataset) == []


def test_scalars_have_no_rows():
    with pytest.raises(
        InvalidArgumentError, match="unbatch needs components of rank 1 or more; a is a scalar"
    ):
        Dataset.from_tensors({"a": 1, "b": [1, 2]}).unbatch()


def test_components_need_one_size():
    with pytest.raises(SpecError, match=r"the components have \[1, 2\]"):
        Dataset.from_tensors(([1], [1, 2])).unbatch()


def test_an_element_with_unequal_sizes_is_passed_over():
    ranges = Dataset.range(1, 4).batch(1).map(lambda x: (x, x))
    uneven = Dataset.zip(
        ranges.map(lambda a, b: a),
        Dataset.range(4).batch(2).take(2).concatenate(Dataset.range(9, 10).batch(1)),
    )
    iterator = iter(uneven.unbatch())
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match=r"have \[1, 2\] rows in one element"):
            next(iterator)
    assert next(iterator) == (3, 9)
