"""`snapshot`."""

import json
import logging
import os
import time

import numpy as np
import pytest

from dataflow import (
    DataLossError,
    Dataset,
    InvalidArgumentError,
    PlanWarning,
    SpecError,
    StateError,
    TensorSpec,
)


class Source:
    """Counts how often its elements are made."""

    def __init__(self, values=range(4)):
        self.passes = 0
        self.values = values

    def dataset(self):
        def generate():
            self.passes += 1
            yield from self.values

        return Dataset.from_generator(generate, output_signature=TensorSpec((), np.int64))


def numbers(dataset):
    return [int(x) for x in dataset]


@pytest.fixture(params=["local", "memory"])
def path(request, tmp_path):
    return str(tmp_path / "kept") if request.param == "local" else f"memory://snapshot{tmp_path}"


def test_only_the_first_pass_of_all_programs_reads_the_input(path):
    source = Source()
    assert [numbers(source.dataset().snapshot(path)) for _ in range(3)] == [[0, 1, 2, 3]] * 3
    assert source.passes == 1


def test_another_pipeline_gets_a_directory_of_its_own(tmp_path):
    for count in (3, 4, 3):
        assert numbers(Dataset.range(count).snapshot(tmp_path)) == list(range(count))
    assert numbers(Dataset.range(3).map(lambda x: x + 1).snapshot(tmp_path)) == [1, 2, 3]
    assert len(list(tmp_path.iterdir())) == 3


def test_the_number_of_elements_stays_known(tmp_path):
    assert len(Dataset.range(5).snapshot(tmp_path)) == 5


def test_a_pass_that_ends_early_keeps_nothing_and_says_so(path, caplog):
    source = Source()
    dataset = source.dataset().snapshot(path)
    with caplog.at_level(logging.WARNING, "dataflow"):
        assert numbers(dataset.take(2)) == [0, 1]
    assert "snapshot: the pass ended after" in caplog.text
    assert numbers(dataset) == [0, 1, 2, 3]
    assert source.passes == 2


def test_an_empty_input_is_kept_too(path):
    source = Source(values=())
    dataset = source.dataset().snapshot(path)
    assert numbers(dataset) == numbers(dataset) == []
    assert source.passes == 1


@pytest.mark.parametrize("compression", ["AUTO", None, "GZIP"])
def test_every_kind_of_component_is_kept(path, compression):
    spec = {"n": TensorSpec((2,), np.float32), "t": TensorSpec((), str), "r": TensorSpec((None,), np.int64)}
    rows = [{"n": [i, i / 2], "t": "x" * i, "r": [i] * (i % 3)} for i in range(5)]
    dataset = Dataset.from_generator(lambda: iter(rows), output_signature=spec).snapshot(path, compression)
    for _ in range(2):
        found = [{k: v if k == "t" else v.tolist() for k, v in row.items()} for row in dataset]
        assert found == rows


def test_shards_change_the_order_of_later_passes_alone(path):
    dataset = Dataset.range(6).snapshot(path, shard_func=lambda x: np.where(x < 2, 1, 0))
    assert numbers(dataset) == [0, 1, 2, 3, 4, 5]
    assert numbers(dataset) == [2, 0, 3, 1, 4, 5]
    assert dataset.element_spec == TensorSpec((), np.int64)


@pytest.mark.parametrize("passes", [0, 1])
def test_a_pass_over_shards_resumes_in_its_order(tmp_path, passes):
    dataset = Dataset.range(6).snapshot(tmp_path, shard_func=lambda x: x // 3)
    for _ in range(passes):
        numbers(dataset)
    iterator = iter(dataset)
    for _ in range(2):
        next(iterator)
    state, rest = json.loads(json.dumps(iterator.state())), numbers(iterator)
    other = iter(dataset)
    other.restore(state)
    assert numbers(other) == rest == ([2, 3, 4, 5] if passes == 0 else [1, 4, 2, 5])


def test_a_function_may_say_how_later_passes_read(tmp_path):
    dataset = Dataset.range(6).snapshot(
        tmp_path,
        reader_func=lambda shards: shards.flat_map(lambda shard: shard).shuffle(3),
        shard_func=lambda x: x // 3,
    )
    assert numbers(dataset) == [0, 1, 2, 3, 4, 5]
    iterator = iter(dataset)
    first = [int(next(iterator)) for _ in range(2)]
    other = iter(dataset)
    other.restore(json.loads(json.dumps(iterator.state())))
    rest = numbers(iterator)
    assert numbers(other) == rest
    assert sorted(first + rest) == [0, 1, 2, 3, 4, 5]


def test_a_reader_of_other_elements_is_refused(tmp_path):
    dataset = Dataset.range(6).snapshot(
        tmp_path, reader_func=lambda shards: shards.flat_map(lambda shard: shard.batch(2))
    )
    assert numbers(dataset) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(SpecError, match="reader_func gives elements"):
        numbers(dataset)


def test_a_position_in_shards_that_are_gone_is_refused(tmp_path):
    dataset = Dataset.range(6).snapshot(tmp_path, shard_func=lambda x: x // 3)
    numbers(dataset)
    iterator = iter(dataset)
    next(iterator)
    state = iterator.state()
    (file,) = tmp_path.rglob("metadata.json")
    file.unlink()
    with pytest.raises(StateError, match="and with it the order"):
        iter(dataset).restore(state)


def test_a_resume_where_the_snapshot_is_gone(tmp_path):
    dataset = Dataset.range(6).snapshot(tmp_path).repeat(3)
    iterator = iter(dataset)
    for _ in range(8):
        next(iterator)
    (file,) = tmp_path.rglob("metadata.json")
    file.unlink()
    other = iter(dataset)
    other.restore(iterator.state())
    assert numbers(other) == numbers(iterator) == [2, 3, 4, 5, *range(6)]


def test_an_unfinished_run_is_ignored_and_removed_when_it_is_old(tmp_path):
    dataset = Dataset.range(5).snapshot(tmp_path)
    numbers(dataset)
    (pipeline,) = tmp_path.iterdir()
    (pipeline / "metadata.json").unlink()
    (unfinished,) = pipeline.iterdir()
    long_ago = time.time() - 3 * 24 * 3600
    for place in (*unfinished.iterdir(), unfinished):
        os.utime(place, (long_ago, long_ago))
    assert numbers(dataset) == numbers(dataset) == [0, 1, 2, 3, 4]
    assert not unfinished.exists()
    assert len(list(pipeline.iterdir())) == 2


def test_an_unfinished_run_that_may_still_be_written_stays(tmp_path):
    dataset = Dataset.range(5).snapshot(tmp_path)
    first, second = iter(dataset), iter(dataset)
    assert (next(first), next(second)) == (0, 0)
    assert numbers(first) == numbers(second) == [1, 2, 3, 4]
    assert numbers(dataset) == [0, 1, 2, 3, 4]


def test_a_corrupt_file_is_named(tmp_path):
    dataset = Dataset.range(500).snapshot(tmp_path)
    numbers(dataset)
    (file,) = tmp_path.rglob("*.blocks")
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataLossError, match=r"00000000-00000.blocks is not a complete file"):
        numbers(dataset)


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="compression must be one of"):
        Dataset.range(3).snapshot(tmp_path, "RAR")
    with pytest.raises(InvalidArgumentError, match="snapshot needs a path"):
        Dataset.range(3).snapshot("")
    with pytest.raises(SpecError, match="must return a scalar integer"):
        Dataset.range(3).snapshot(tmp_path, shard_func=lambda x: x / 2)


def test_a_snapshot_of_a_reshuffling_shuffle_is_warned_about(tmp_path):
    with pytest.warns(PlanWarning, match="put shuffle\\(\\) behind snapshot\\(\\)"):
        Dataset.range(3).shuffle(3).snapshot(tmp_path)


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_a_function_that_needs_an_element_does_not_start_the_snapshot(tmp_path):
    dataset = Dataset.range(3).snapshot(tmp_path, shard_func=lambda x: x % 2).map(lambda x: int(x) + 1)
    assert list(tmp_path.iterdir()) == []
    assert numbers(dataset) == [1, 2, 3]
