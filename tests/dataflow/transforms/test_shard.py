"""`shard`."""

import pytest

from dataflow import Dataset, Options


@pytest.mark.parametrize("block_bytes", [1, 32, 1 << 20])
def test_the_shards_are_the_whole(block_bytes):
    dataset = Dataset.range(10).with_options(Options(block_bytes=block_bytes))
    shards = [[int(x) for x in dataset.shard(3, index)] for index in range(3)]
    assert shards == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
