"""`take` and `skip`."""

import functools

import numpy as np
import pytest

from dataflow import Dataset, TensorSpec


def test_take_then_skip_and_skip_then_take():
    assert [int(x) for x in Dataset.range(9).take(5).skip(3)] == [3, 4]
    assert [int(x) for x in Dataset.range(9).skip(3).take(5)] == [3, 4, 5, 6, 7]


def test_take_does_not_read_further_than_it_must():
    def generate():
        yield 1
        raise AssertionError("read too far")

    dataset = Dataset.from_generator(generate, output_signature=TensorSpec((), int)).take(1)
    assert [int(x) for x in dataset] == [1]


NUMBERS = {
    "count": [Dataset.take, Dataset.skip, Dataset.repeat],
    "batch_size": [Dataset.batch, Dataset.padded_batch, Dataset.ragged_batch],
    "buffer_size": [functools.partial(Dataset.shuffle, seed=1), Dataset.prefetch],
    "size": [Dataset.window],
    "start": [Dataset.enumerate],
    "num_shards": [lambda dataset, value: dataset.shard(value, 0)],
    "stop": [lambda dataset, value: Dataset.range(value)],
}
STAGES = [(name, stage) for name, stages in NUMBERS.items() for stage in stages]


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_numbers_that_are_no_integers_are_refused_where_the_stage_is_built(name, stage):
    for value in (2.5, np.float64(2.0)):
        with pytest.raises(TypeError, match=f"{name} must be an integer, not"):
            stage(Dataset.range(5), value)


@pytest.mark.parametrize("stage", [stage for _, stage in STAGES])
def test_integers_of_numpy_are_integers(stage):
    assert stage(Dataset.range(5), np.array(2)).node == stage(Dataset.range(5), 2).node
