import pytest

from dataflow import Dataset, InvalidArgumentError, TensorSpec
from tests.golden_values import golden

GOLDEN = golden("stages")["elements"]["rebatch"]
BATCHES = Dataset.range(7).batch(3)


@pytest.mark.parametrize(
    ("size", "drop", "name"), [(2, False, "to2"), ([2, 1], False, "cyc[2,1]"), (2, True, "to2drop")]
)
def test_batches_are_those_of_tensorflow(size, drop, name):
    assert [x.tolist() for x in BATCHES] == GOLDEN["in"]
    assert [x.tolist() for x in BATCHES.rebatch(size, drop)] == GOLDEN[name]


def test_the_number_is_unknown_and_the_size_sometimes_known():
    assert BATCHES.rebatch(2).cardinality() == -2
    assert BATCHES.rebatch(2, drop_remainder=True).element_spec == TensorSpec((2,), "int64")
    assert BATCHES.rebatch([2, 1], drop_remainder=True).element_spec == TensorSpec((None,), "int64")


def test_texts_and_structures():
    dataset = Dataset.from_tensor_slices({"a": [1, 2, 3], "b": ["x", "y", "z"]}).batch(3).rebatch(2)
    assert [{k: v.tolist() for k, v in x.items()} for x in dataset] == [
        {"a": [1, 2], "b": ["x", "y"]},
        {"a": [3], "b": ["z"]},
    ]


@pytest.mark.parametrize("size", [0, [2, -1], []])
def test_sizes_below_1_are_refused(size):
    with pytest.raises(InvalidArgumentError, match="batch sizes must be at least 1"):
        BATCHES.rebatch(size)


def test_scalars_are_refused():
    with pytest.raises(ValueError, match="unbatch needs components of rank 1"):
        Dataset.range(3).rebatch(2)


@pytest.mark.parametrize("size", [2.5, [2, 2.5], [[2, 1]], None])
def test_sizes_that_are_no_integers_are_refused(size):
    with pytest.raises(TypeError, match="batch_size must be an integer or several"):
        BATCHES.rebatch(size)
