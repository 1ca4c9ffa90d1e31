import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options
from tests.golden_values import golden


def test_stops_at_the_first_false():
    dataset = Dataset.range(10).take_while(lambda x: x < 3)
    assert [int(x) for x in dataset] == golden("stages")["elements"]["take_while<3"]


def test_later_elements_that_fit_do_not_come_back():
    dataset = Dataset.from_tensor_slices([1, 2, 9, 1, 2]).take_while(lambda x: x < 3)
    assert [int(x) for x in dataset.repeat(2)] == [1, 2, 1, 2]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_an_endless_dataset_ends(block_bytes):
    dataset = Dataset.counter().take_while(lambda x: x != 4).with_options(Options(block_bytes=block_bytes))
    assert [int(x) for x in dataset] == [0, 1, 2, 3]


def test_nothing_behind_the_end_is_produced():
    texts = Dataset.from_tensor_slices(["1", "2", "x"]).map(lambda text: text.astype(np.int64))
    assert [int(x) for x in texts.take_while(lambda x: x < 2)] == [1]


def test_the_predicate_must_return_a_bool():
    with pytest.raises(
        InvalidArgumentError, match="take_while must return a scalar bool, and returns a int64"
    ):
        Dataset.range(3).take_while(lambda x: x)
