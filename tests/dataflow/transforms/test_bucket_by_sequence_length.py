import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, TensorSpec
from tests.golden_values import golden

GOLDEN = golden("stages")["bucket_by_sequence_length"]
ELEMENTS = Dataset.from_list(GOLDEN["elements"])


def bucketed(dataset=ELEMENTS, **settings):
    found = dataset.bucket_by_sequence_length(
        np.size, GOLDEN["boundaries"], GOLDEN["batch_sizes"], **settings
    )
    return [x.tolist() for x in found]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("default", {}), ("drop_remainder", {"drop_remainder": True}), ("padding_-1", {"padding_values": -1})],
)
def test_batches_are_those_of_tensorflow(name, settings):
    assert bucketed(**settings) == GOLDEN[name]


def test_pads_to_the_boundary():
    assert bucketed(ELEMENTS.take(3), pad_to_bucket_boundary=True) == GOLDEN["pad_to_bucket_boundary_first3"]


def test_what_is_longer_than_all_boundaries_cannot_be_padded_to_one():
    with pytest.raises(InvalidArgumentError, match="elements must be shorter than 5"):
        bucketed(pad_to_bucket_boundary=True)


def test_without_padding_lengths_must_agree():
    same = Dataset.from_list([[1, 2], [3], [4, 5], [6]])
    found = same.bucket_by_sequence_length(np.size, [2], [2, 2], no_padding=True)
    assert [x.tolist() for x in found] == [[[1, 2], [4, 5]], [[3], [6]]]


def test_the_spec_holds_for_all_buckets():
    dataset = ELEMENTS.bucket_by_sequence_length(np.size, [3], [2, 4], drop_remainder=True)
    assert dataset.element_spec == TensorSpec((None, None), np.int64)


@pytest.mark.parametrize(
    ("boundaries", "sizes", "message"),
    [
        ([3], [2], "1 boundaries make 2 buckets"),
        ([], [1], "must not be empty"),
        ([3, 3], [1, 1, 1], "must increase"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(boundaries, sizes, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ELEMENTS.bucket_by_sequence_length(np.size, boundaries, sizes)
