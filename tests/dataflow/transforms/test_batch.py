"""`batch`."""

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, TensorSpec


@pytest.mark.parametrize("block_bytes", [1, 24, 1 << 20])
def test_a_short_last_batch(block_bytes):
    dataset = Dataset.range(7).batch(3).with_options(Options(block_bytes=block_bytes))
    assert [batch.tolist() for batch in dataset] == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_size_is_known_only_without_a_remainder():
    assert Dataset.range(7).batch(3).element_spec == TensorSpec((None,), np.int64)
    assert Dataset.range(7).batch(3, drop_remainder=True).element_spec == TensorSpec((3,), np.int64)


def test_text_and_structures():
    dataset = Dataset.from_tensor_slices({"n": [1, 2], "t": ["a", "b"]}).batch(2)
    (batch,) = dataset
    assert batch["n"].tolist() == [1, 2]
    assert batch["t"].tolist() == ["a", "b"]


def test_batches_of_batches():
    dataset = Dataset.range(9).batch(2, drop_remainder=True).batch(2)
    assert [batch.tolist() for batch in dataset] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_different_shapes_cannot_be_stacked_and_name_the_component():
    spec = {"tags": TensorSpec((None,), np.int64)}
    ragged = Dataset.from_generator(lambda: ({"tags": [0] * n} for n in (1, 2, 3, 3)), output_signature=spec)
    iterator = iter(ragged.batch(2))
    with pytest.raises(InvalidArgumentError, match=r"component tags has shapes \[\(1,\), \(2,\)\]"):
        next(iterator)
    assert next(iterator)["tags"].tolist() == [[0, 0, 0], [0, 0, 0]]
