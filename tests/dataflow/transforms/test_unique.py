import random

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, Options, SpecError
from tests.golden_values import golden


def test_first_occurrence_wins():
    dataset = Dataset.from_tensor_slices([1, 37, 2, 37, 2, 1]).unique()
    assert [int(x) for x in dataset] == golden("stages")["elements"]["unique"]
    assert dataset.cardinality() == -2


@pytest.mark.parametrize("block_bytes", [8, 100, 1 << 20])
@pytest.mark.parametrize("convert", [np.int32, np.int64, str])
def test_is_what_a_dict_keeps(block_bytes, convert):
    rng = random.Random(5)
    values = np.array([rng.randrange(300) * 7919 for _ in range(2000)]).astype(convert)
    dataset = Dataset.from_tensor_slices(values).with_options(Options(block_bytes=block_bytes))
    assert list(dataset.unique()) == list(dict.fromkeys(values.tolist()))


def test_vectors_and_rows_of_text():
    pairs = Dataset.from_tensor_slices([[1, 2], [2, 1], [1, 2]]).unique()
    assert [x.tolist() for x in pairs] == [[1, 2], [2, 1]]
    texts = Dataset.from_tensor_slices([["a", "bc"], ["ab", "c"], ["a", "bc"]]).unique()
    assert [x.tolist() for x in texts] == [["a", "bc"], ["ab", "c"]]


def test_elements_of_different_shapes():
    dataset = Dataset.from_list([[1], [], [1, 1], [1], []]).unique()
    assert [x.tolist() for x in dataset] == [[1], [], [1, 1]]


def test_a_null_is_not_empty_text():
    dataset = Dataset.from_tensor_slices(np.array(["", None, "a", None, ""], object)).unique()
    assert list(dataset) == ["", None, "a"]


def test_floats_are_refused():
    with pytest.raises(SpecError, match="unique takes int32, int64 and text, not float64"):
        Dataset.from_tensor_slices([0.5]).unique()


def test_several_components_are_refused():
    with pytest.raises(InvalidArgumentError, match="one component, and these have 2"):
        Dataset.range(3).enumerate().unique()
