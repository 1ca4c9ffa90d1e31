import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, TensorSpec


def shares(dataset):
    classes = np.array([int(c) for c, _ in dataset])
    return (np.bincount(classes) / len(classes)).round(1).tolist()


@pytest.mark.parametrize("initial", [None, [0.25, 0.5, 0.25]])
@pytest.mark.parametrize("target", [[0.6, 0.2, 0.2], [0.1, 0.1, 0.8]])
def test_classes_come_as_often_as_wanted(target, initial):
    classes = np.tile([0, 1, 1, 2], 5000)
    dataset = Dataset.from_tensor_slices(classes).rejection_resample(lambda x: x, target, initial, seed=3)
    assert shares(dataset) == target


def test_a_class_that_is_not_wanted_is_gone():
    dataset = Dataset.range(1000).rejection_resample(lambda x: x % 2, [0, 1], [0.5, 0.5], seed=3)
    assert {int(c) for c, _ in dataset} == {1}


def test_nothing_is_drawn_where_all_is_as_wanted():
    dataset = Dataset.range(6).rejection_resample(lambda x: x % 2, [1, 1], [3, 3])
    assert [(int(c), int(x)) for c, x in dataset] == [(0, 0), (1, 1), (0, 2), (1, 3), (0, 4), (1, 5)]


def test_elements_keep_their_structure():
    pairs = Dataset.from_tensor_slices(([0, 1] * 50, ["a", "b"] * 50))
    dataset = pairs.rejection_resample(lambda k, text: k, [0.5, 0.5], seed=1)
    assert dataset.element_spec == (TensorSpec((), np.int64), (TensorSpec((), np.int64), TensorSpec((), str)))
    assert {(int(c), text) for c, (_, text) in dataset} == {(0, "a"), (1, "b")}


def test_the_same_seed_gives_the_same_elements():
    runs = [Dataset.range(200).rejection_resample(lambda x: x % 2, [0.7, 0.3], seed=s) for s in (1, 1, 2)]
    found = [[int(x) for _, x in run] for run in runs]
    assert found[0] == found[1] == [int(x) for _, x in runs[0]] != found[2]


def test_an_unknown_class_is_an_error():
    with pytest.raises(InvalidArgumentError, match="class_func returned 2, and target_dist has 2 classes"):
        list(Dataset.range(5).rejection_resample(lambda x: x, [0.9, 0.1], [0.5, 0.5], seed=1))


@pytest.mark.parametrize("target", [[], [-1.0, 2.0], [0.0, 0.0], [[1.0]]])
def test_a_wrong_distribution_is_refused(target):
    with pytest.raises(InvalidArgumentError, match="target_dist must be"):
        Dataset.range(5).rejection_resample(lambda x: x, target)


def test_distributions_of_different_lengths_are_refused():
    with pytest.raises(InvalidArgumentError, match="initial_dist has 1 classes, and target_dist 2"):
        Dataset.range(5).rejection_resample(lambda x: x, [1, 1], [1])
