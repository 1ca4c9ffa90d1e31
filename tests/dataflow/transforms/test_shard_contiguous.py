"""`shard` with contiguous runs: of known numbers, through other stages, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

import dataflow as df
from dataflow import Dataset, InvalidArgumentError


def runs(dataset, number, **settings):
    return [[as_int(x) for x in dataset.shard(number, i, contiguous=True, **settings)] for i in range(number)]


def as_int(element):
    return np.asarray(element["x"] if isinstance(element, dict) else element).tolist()


SOURCES = {
    "range": lambda: Dataset.range(10, 20, 1),
    "slices": lambda: Dataset.from_tensor_slices(np.arange(10, 20)),
    "list": lambda: Dataset.from_list(list(range(10, 20))),
    "arrow": lambda: Dataset.from_arrow(pa.table({"x": range(10, 20)})),
    "generated": lambda: Dataset.from_generator(
        lambda: iter(range(10, 20)), output_signature=df.TensorSpec((), np.int64)
    ).apply(lambda dataset: dataset.assert_cardinality(10)),
    "shuffled": lambda: Dataset.range(10, 20).shuffle(1, seed=1),
}


@pytest.mark.parametrize("name", SOURCES)
def test_runs_are_the_whole_in_order(name):
    assert runs(SOURCES[name](), 3) == [[10, 11, 12], [13, 14, 15], [16, 17, 18, 19]]


@pytest.mark.parametrize("name", SOURCES)
def test_even_runs_have_one_length(name):
    assert runs(SOURCES[name](), 3, even=True) == [[10, 11, 12], [13, 14, 15], [16, 17, 18]]


def test_a_run_of_a_run():
    assert runs(Dataset.range(12).shard(2, 1, contiguous=True), 2) == [[6, 7, 8], [9, 10, 11]]


def test_a_run_of_batches_is_of_whole_batches():
    dataset = Dataset.range(11).batch(2).map(lambda x: x + 1)
    assert runs(dataset, 2) == [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11]]]
    assert runs(dataset, 4, even=True) == [[[1, 2]], [[3, 4]], [[5, 6]], [[7, 8]]]


def test_runs_of_pairs_and_numbers_belong_together():
    numbers = Dataset.range(5, 11)
    dataset = Dataset.zip((numbers, numbers.map(lambda x: x * x))).enumerate()
    assert [int(i) * 100 + int(x) for i, (x, _) in dataset.shard(2, 1, contiguous=True)] == [308, 409, 510]


def test_it_goes_below_the_stages_that_allow_it():
    plan = Dataset.range(10).skip(1).take(8).map(lambda x: -x).prefetch(1).shard(2, 1, contiguous=True)
    assert "Range(start=5, stop=9)" in plan.explain()
    assert [int(x) for x in plan] == [-5, -6, -7, -8]


def test_filters_are_divided_by_what_they_read():
    dataset = Dataset.range(10).filter(lambda x: x != 1)
    assert runs(dataset, 2) == [[0, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_an_inner_dataset_is_cut():
    dataset = Dataset.from_tensor_slices([3, 0, 4]).flat_map(lambda n: Dataset.range(n))
    counted = Dataset.from_list([3, 0, 4]).interleave(lambda n: Dataset.range(n), cycle_length=1)
    assert [x for run in runs(dataset, 3) for x in run] == [0, 1, 2, 0, 1, 2, 3]
    assert runs(counted, 2, even=True) == [[0, 1, 2], [0, 1, 2]]


def test_more_shards_than_elements():
    assert runs(Dataset.range(2), 3) == [[], [0], [1]]
    with pytest.raises(InvalidArgumentError, match="2 elements for 3 shards"):
        Dataset.range(2).shard(3, 0, contiguous=True, even=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dataset.range(9).repeat().shard(2, 0, contiguous=True), "endless"),
        (
            lambda: Dataset.range(9).filter(lambda x: x > 1).shard(2, 0, contiguous=True, even=True),
            "not known",
        ),
        (lambda: Dataset.range(9).filter(lambda x: x > 1).batch(2).shard(2, 0, contiguous=True), "not known"),
        (lambda: Dataset.range(9).shard(2, 2, contiguous=True), "index must be in"),
        (lambda: Dataset.range(9).shard(0, 0, contiguous=True), "num_shards must be"),
        (lambda: Dataset.range(9).shard(2, 0, even=True), "needs contiguous"),
    ],
)
def test_what_has_no_runs_is_refused_at_once(make, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make()


def test_a_shard_is_another_pipeline():
    first, second = (Dataset.from_list([1, 2, 3, 4]).shard(2, i, contiguous=True) for i in range(2))
    state = iter(first).state()
    with pytest.raises(df.StateError, match="another pipeline"):
        iter(second).restore(state)
