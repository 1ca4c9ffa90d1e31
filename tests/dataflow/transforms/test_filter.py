"""`filter`."""

import pytest

from dataflow import Dataset, InvalidArgumentError


def test_elements_are_kept_whole():
    dataset = Dataset.from_tensor_slices(([1, 2, 3], ["a", "b", "c"])).filter(
        lambda number, text: text != "b"
    )
    assert list(dataset) == [(1, "a"), (3, "c")]


def test_a_compiled_predicate():
    dataset = Dataset.range(6).filter(lambda x: x % 2 == 0 if x < 3 else x == 5)
    assert [int(x) for x in dataset] == [0, 2, 5]


def test_ragged_elements():
    dataset = Dataset.range(7).batch(3).filter(lambda batch: (batch > 2).all())
    assert [batch.tolist() for batch in dataset] == [[3, 4, 5], [6]]


def test_a_predicate_that_is_no_scalar_bool_is_refused():
    with pytest.raises(
        InvalidArgumentError, match=r"must return a scalar bool, and returns a bool of shape \(None,\)"
    ):
        Dataset.range(4).batch(2).filter(lambda batch: batch > 1)
