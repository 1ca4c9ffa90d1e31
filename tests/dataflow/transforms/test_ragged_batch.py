import numpy as np
import pytest

from dataflow import (
    Dataset,
    InvalidArgumentError,
    Options,
    RaggedTensor,
    RaggedTensorSpec,
    SpecError,
    TensorSpec,
)

LISTS = Dataset.from_list([[1], [2, 3], [4, 5, 6], [], [7]])


def rows(dataset):
    return [batch.to_list() for batch in dataset]


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
def test_rows_keep_their_lengths(block_bytes):
    batches = LISTS.ragged_batch(2).with_options(Options(block_bytes=block_bytes))
    assert rows(batches) == [[[1], [2, 3]], [[4, 5, 6], []], [[7]]]
    assert len(batches) == 3


def test_the_last_batch_can_be_left_out():
    batches = LISTS.ragged_batch(2, drop_remainder=True)
    assert rows(batches) == [[[1], [2, 3]], [[4, 5, 6], []]]
    assert batches.element_spec == RaggedTensorSpec((2, None), np.int64)
    assert len(batches) == 2


# What tf.data has for elements of these shapes, of sizes 2 and 3 where they vary: the shape in the spec of
# a batch, its ragged_rank, and the shape of a batch.
SHAPES = {
    (None,): ((None, None), 1, (2, None)),
    (None, 2): ((None, None, 2), 1, (2, None, 2)),
    (2, None): ((None, 2, None), 2, (2, 2, None)),
    (None, None): ((None, None, None), 2, (2, None, None)),
    (2, None, 3): ((None, 2, None, 3), 2, (2, 2, None, 3)),
    (None, None, 2): ((None, None, None, 2), 2, (2, None, None, 2)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_which_dimensions_are_ragged(shape):
    elements = [np.ones([n if size is None else size for size in shape], np.int64) * n for n in (2, 3)]
    signature = TensorSpec(shape, np.int64)
    dataset = Dataset.from_generator(lambda: elements, output_signature=signature).ragged_batch(2)
    wanted, rank, found = SHAPES[shape]
    assert dataset.element_spec == RaggedTensorSpec(wanted, np.int64, rank)
    batch = dataset.get_single_element()
    assert (batch.shape, batch.ragged_rank) == (found, rank)
    assert batch.to_list() == [element.tolist() for element in elements]


def test_components_of_known_shape_are_stacked():
    dataset = Dataset.from_tensor_slices(
        {"a": np.arange(3), "b": RaggedTensor.from_row_lengths([1, 2, 3], [1, 2, 0])}
    )
    batches = dataset.ragged_batch(2)
    assert batches.element_spec == {
        "a": TensorSpec((None,), np.int64),
        "b": RaggedTensorSpec((None, None), np.int64),
    }
    assert [(x["a"].tolist(), x["b"].to_list()) for x in batches] == [([0, 1], [[1], [2, 3]]), ([2], [[]])]


def test_texts():
    assert rows(Dataset.from_list([["a"], ["b", "c"]]).ragged_batch(2)) == [[["a"], ["b", "c"]]]


def test_the_dtype_of_row_splits():
    batches = LISTS.ragged_batch(2, row_splits_dtype=np.int32)
    assert batches.element_spec.row_splits_dtype == np.int32
    assert next(iter(batches)).row_splits.dtype == np.int32
    with pytest.raises(InvalidArgumentError, match="int64 or int32"):
        LISTS.ragged_batch(2, row_splits_dtype=np.int16)


def test_sizes_below_1_are_refused():
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        LISTS.ragged_batch(0)


def test_functions_of_ragged_tensors():
    batches = LISTS.ragged_batch(2)
    assert [x.tolist() for x in batches.map(lambda r: r.row_lengths())] == [[1, 2], [3, 0], [1]]
    assert rows(batches.map(lambda r: r[1:])) == [[[2, 3]], [[]], []]
    assert rows(batches.filter(lambda r: len(r.values) > 1)) == [[[1], [2, 3]], [[4, 5, 6], []]]
    assert [int(x) for x in batches.flat_map(lambda r: Dataset.from_tensor_slices(r.values))] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ]
    assert batches.reduce(np.int64(0), lambda total, r: total + r.values.sum()) == 28


def test_unbatch_is_the_inverse():
    assert [x.tolist() for x in LISTS.ragged_batch(2).unbatch()] == [[1], [2, 3], [4, 5, 6], [], [7]]
    assert LISTS.ragged_batch(2).unbatch().element_spec == TensorSpec((None,), np.int64)


def test_unbatch_of_two_ragged_dimensions():
    elements = [np.ones((1, 2), np.int64), np.ones((2, 1), np.int64)]
    dataset = Dataset.from_generator(lambda: elements, output_signature=TensorSpec((None, None), np.int64))
    inner = dataset.ragged_batch(2).unbatch()
    assert inner.element_spec == RaggedTensorSpec((None, None), np.int64)
    assert rows(inner) == [[[1, 1]], [[1], [1]]]


def test_numpy_values():
    first, _, last = LISTS.ragged_batch(2).as_numpy_iterator()
    assert [row.tolist() for row in first] == [[1], [2, 3]]
    assert last.tolist() == [[7]]


def test_values_are_views_of_the_block():
    block = LISTS.ragged_batch(2).blocks().read(2)
    first, second = block.columns[0]
    assert first.values.base is not None
    assert first.values.base is second.values.base


def test_blocks_know_their_bytes():
    batch = LISTS.ragged_batch(5).get_single_element()
    assert batch.nbytes == (7 + 6) * 8
    assert LISTS.ragged_batch(5).blocks().read(1).nbytes == (7 + 6 + 1) * 8


def test_ragged_tensors_as_sources():
    ragged = RaggedTensor.from_row_lengths([1, 2, 3], [1, 2])
    assert Dataset.from_tensors(ragged).get_single_element().equals(ragged)
    assert [x.tolist() for x in Dataset.from_tensor_slices(ragged)] == [[1], [2, 3]]
    assert rows(Dataset.from_list([ragged, ragged[:1]])) == [[[1], [2, 3]], [[1]]]


@pytest.mark.parametrize("stage", ["batch", "padded_batch", "ragged_batch"])
def test_stages_that_need_arrays_say_what_to_do(stage):
    with pytest.raises(SpecError, match="to_tensor"):
        getattr(LISTS.ragged_batch(2), stage)(2)


def test_unique_and_files_refuse_them(tmp_path):
    with pytest.raises(SpecError, match="not RaggedTensorSpec"):
        LISTS.ragged_batch(2).unique()
    with pytest.raises(SpecError, match="keep them in memory"):
        LISTS.ragged_batch(2).cache(str(tmp_path / "kept"))
