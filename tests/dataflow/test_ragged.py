import numpy as np
import pytest

from dataflow import InvalidArgumentError, RaggedTensor, RaggedTensorSpec, SpecError, TensorSpec

ROWS = RaggedTensor.from_row_lengths([1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 0, 1])


def nested():
    """Return [[[1], [2, 3]], [], [[4, 5, 6]]]."""
    inner = RaggedTensor.from_row_lengths([1, 2, 3, 4, 5, 6], [1, 2, 3])
    return RaggedTensor.from_row_lengths(inner, [2, 0, 1])


def test_rows():
    assert ROWS.to_list() == [[1], [2, 3], [4, 5, 6], [], [7]]
    assert [row.tolist() for row in ROWS] == ROWS.to_list()
    assert (len(ROWS), ROWS.nrows(), ROWS.row_lengths().tolist()) == (5, 5, [1, 2, 3, 0, 1])
    assert (ROWS.shape, ROWS.dtype, ROWS.ragged_rank, ROWS.bounding_shape()) == (
        (5, None),
        np.int64,
        1,
        (5, 3),
    )


def test_indexing():
    assert (ROWS[1].tolist(), ROWS[-1].tolist(), ROWS[2, 1]) == ([2, 3], [7], 5)
    assert ROWS[1:3].to_list() == [[2, 3], [4, 5, 6]]
    assert (ROWS[1:3].row_splits.tolist(), ROWS[4:1].to_list()) == ([0, 2, 5], [])
    assert (nested()[0].to_list(), nested()[0, 1].tolist(), nested()[2, 0, 1]) == ([[1], [2, 3]], [2, 3], 5)


@pytest.mark.parametrize("key", [5, -6])
def test_a_row_that_is_not_there(key):
    with pytest.raises(IndexError, match="there are 5 rows"):
        ROWS[key]


def test_two_levels_of_rows():
    assert nested().to_list() == [[[1], [2, 3]], [], [[4, 5, 6]]]
    assert (nested().ragged_rank, nested().shape, nested().bounding_shape()) == (
        2,
        (3, None, None),
        (3, 2, 3),
    )
    assert [splits.tolist() for splits in nested().nested_row_splits] == [[0, 2, 2, 3], [0, 1, 3, 6]]
    assert nested().values.to_list() == [[1], [2, 3], [4, 5, 6]]
    assert nested().flat_values.tolist() == [1, 2, 3, 4, 5, 6]


def test_to_tensor():
    assert RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]).to_tensor(-1).tolist() == [[1, -1], [2, 3]]
    assert nested().to_tensor().tolist()[2] == [[4, 5, 6], [0, 0, 0]]
    assert nested().to_tensor(shape=(2, 1, 2)).tolist() == [[[1, 0]], [[0, 0]]]
    pairs = RaggedTensor.from_row_lengths(np.arange(6).reshape(3, 2), [1, 2])
    assert pairs.to_tensor().tolist() == [[[0, 1], [0, 0]], [[2, 3], [4, 5]]]


def test_texts():
    texts = RaggedTensor.from_row_lengths(["a", "b", "c"], [1, 2])
    assert texts.dtype.kind == "U"
    assert texts.to_list() == [["a"], ["b", "c"]]
    assert texts.to_tensor().tolist() == [["a", ""], ["b", "c"]]


def test_numpy():
    assert np.asarray(RaggedTensor.from_row_lengths([1, 2, 3, 4], [2, 2])).tolist() == [[1, 2], [3, 4]]
    found = RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]).numpy()
    assert found.dtype == object
    assert [row.tolist() for row in found] == [[1], [2, 3]]


def test_equality_is_asked_for():
    assert ROWS.equals(RaggedTensor.from_row_splits(np.arange(1, 8), [0, 1, 3, 6, 6, 7]))
    assert not ROWS.equals(RaggedTensor.from_row_lengths(np.arange(1, 8), [2, 1, 3, 0, 1]))
    assert not ROWS.equals(RaggedTensor.from_row_lengths(np.arange(1.0, 8.0), [1, 2, 3, 0, 1]))
    assert not ROWS.equals([[1]])


def test_values_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        ROWS.values[0] = 9


@pytest.mark.parametrize("splits", [[0, 1, 4], [1, 3], [0, 2, 1, 3], [], [[0, 3]]])
def test_wrong_row_splits(splits):
    with pytest.raises(InvalidArgumentError, match="row_splits"):
        RaggedTensor.from_row_splits([1, 2, 3], splits)


def test_row_splits_that_are_no_integers():
    with pytest.raises(SpecError, match="must be integers"):
        RaggedTensor.from_row_splits([1], [0.0, 1.0])


def test_repr():
    assert repr(RaggedTensor.from_row_lengths([1, 2, 3], [1, 2])) == "<RaggedTensor [[1], [2, 3]]>"
    long = RaggedTensor.from_row_lengths(np.arange(2000), [2000])
    assert repr(long) == "<RaggedTensor shape=(1, None), dtype=int64>"


def test_specs():
    spec = ROWS.value_spec
    assert spec == RaggedTensorSpec((5, None), np.int64)
    assert RaggedTensorSpec((None, None), np.int64).is_compatible_with(spec)
    assert not RaggedTensorSpec((4, None), np.int64).is_compatible_with(spec)
    assert not TensorSpec((5, None), np.int64).is_compatible_with(spec)
    assert not spec.is_compatible_with(TensorSpec((5, None), np.int64))
    narrow = RaggedTensorSpec((5, None), np.int64, row_splits_dtype=np.int32)
    assert repr(narrow).endswith("ragged_rank=1, row_splits_dtype=int32)")


@pytest.mark.parametrize(
    "arguments", [((None,), np.int64), ((2, None), np.int64, 2), ((2, None), np.int64, 0)]
)
def test_specs_that_cannot_be(arguments):
    with pytest.raises(InvalidArgumentError, match="ragged_rank must be"):
        RaggedTensorSpec(*arguments)


@pytest.mark.parametrize("function", [np.sum, np.mean, lambda ragged: np.add(ragged, 1)])
def test_functions_of_numpy_are_refused_with_a_way_out(function):
    with pytest.raises(TypeError, match=r"does not take ragged tensors(?s:.*)to_tensor\(\)"):
        function(RaggedTensor.from_row_lengths([1, 2, 3], [1, 2]))
