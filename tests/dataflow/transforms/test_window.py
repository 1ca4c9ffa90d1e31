import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, TensorSpec
from tests.golden_values import golden


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
@pytest.mark.parametrize("case", golden("stages")["window"])
def test_windows_are_those_of_tensorflow(case, block_bytes):
    dataset = Dataset.range(case["n"]).window(**case["args"], as_batch=True)
    dataset = dataset.with_options(Options(block_bytes=block_bytes))
    assert [x.tolist() for x in dataset] == case["windows"]
    assert len(dataset) == len(case["windows"])


def test_components_and_texts():
    dataset = Dataset.from_tensor_slices((np.arange(3), np.array(["a", "b", "c"]))).window(
        2, 1, as_batch=True
    )
    assert [(x.tolist(), y.tolist()) for x, y in dataset][:2] == [([0, 1], ["a", "b"]), ([1, 2], ["b", "c"])]


def test_the_size_is_known_where_nothing_is_shorter():
    assert Dataset.range(9).window(3, as_batch=True).element_spec == TensorSpec((None,), np.int64)
    fixed = Dataset.range(9).window(3, drop_remainder=True, as_batch=True)
    assert fixed.element_spec == TensorSpec((3,), np.int64)


def test_an_endless_dataset():
    dataset = Dataset.counter().window(2, 3, as_batch=True)
    assert dataset.cardinality() == -1
    assert [x.tolist() for x in dataset.take(2)] == [[0, 1], [3, 4]]


@pytest.mark.parametrize("arguments", [(0,), (2, 0), (2, 1, 0)])
def test_numbers_below_1_are_refused(arguments):
    with pytest.raises(InvalidArgumentError, match="must be at least 1"):
        Dataset.range(5).window(*arguments, as_batch=True)


def test_windows_that_are_datasets_are_refused_with_a_way_out():
    with pytest.raises(InvalidArgumentError, match="as_batch=True"):
        Dataset.range(5).window(2)
