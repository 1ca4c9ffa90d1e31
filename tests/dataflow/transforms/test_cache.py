"""`cache`, in memory and in a file."""

import logging

import numpy as np
import pytest

from dataflow import (
    AlreadyExistsError,
    DataLossError,
    Dataset,
    Options,
    PlanWarning,
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


@pytest.fixture(params=["memory", "file"])
def filename(request, tmp_path):
    return "" if request.param == "memory" else str(tmp_path / "kept")


def test_only_the_first_pass_reads_the_input(filename):
    source = Source()
    dataset = source.dataset().cache(filename)
    assert [numbers(dataset) for _ in range(3)] == [[0, 1, 2, 3]] * 3
    assert source.passes == 1


def test_a_pass_that_ends_early_keeps_nothing_and_says_so(filename, caplog):
    source = Source()
    dataset = source.dataset().cache(filename)
    with caplog.at_level(logging.WARNING, "dataflow"):
        assert numbers(dataset.take(2)) == [0, 1]
    assert "the pass ended after" in caplog.text
    assert numbers(dataset) == [0, 1, 2, 3]
    assert source.passes == 2


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_as_many_elements_as_are_known_make_it_complete(filename):
    calls = []
    dataset = Dataset.range(4).map(lambda x: calls.append(int(x)) or x).cache(filename)
    calls.clear()
    assert numbers(dataset.take(4)) == numbers(dataset) == [0, 1, 2, 3]
    assert calls == [0, 1, 2, 3]


def test_every_kind_of_column_is_kept(filename):
    spec = {"n": TensorSpec((2,), np.float32), "t": TensorSpec((), str), "r": TensorSpec((None,), np.int64)}
    rows = [{"n": [i, i / 2], "t": "x" * i, "r": [i] * (i % 3)} for i in range(5)]
    dataset = Dataset.from_generator(lambda: iter(rows), output_signature=spec).cache(filename)
    for _ in range(2):
        found = [{k: v if k == "t" else v.tolist() for k, v in row.items()} for row in dataset]
        assert found == rows


def test_two_uses_of_one_cache_may_read_different_columns(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dataflow import ParquetDataset

    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), tmp_path / "x.parquet")
    kept = ParquetDataset(str(tmp_path / "x.parquet")).cache()
    assert numbers(kept.map(lambda row: row["a"])) == [1, 2]
    assert numbers(kept.map(lambda row: row["b"])) == [3, 4]


def test_a_file_serves_another_process_and_other_options(tmp_path):
    name, source = str(tmp_path / "kept"), Source()
    numbers(source.dataset().map(lambda x: x + 1).cache(name))
    again = source.dataset().map(lambda x: x + 1, num_parallel_calls=3).cache(name)
    assert numbers(again.with_options(Options(rewrites=False))) == [1, 2, 3, 4]
    assert source.passes == 1


def test_a_file_of_another_pipeline_is_refused(tmp_path):
    name = str(tmp_path / "kept")
    numbers(Dataset.range(3).cache(name))
    with pytest.raises(AlreadyExistsError, match="belongs to another pipeline"):
        numbers(Dataset.range(4).cache(name))


def test_a_file_for_each_inner_dataset_would_be_another_pipeline(tmp_path):
    name = str(tmp_path / "kept")
    dataset = Dataset.range(2, 4).flat_map(lambda n: Dataset.range(n).cache(name))
    with pytest.raises(AlreadyExistsError):
        numbers(dataset)


def test_a_truncated_file_is_refused(tmp_path):
    name = str(tmp_path / "kept")
    numbers(Dataset.range(1000).cache(name))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataLossError, match="is not a complete cache file"):
        numbers(Dataset.range(1000).cache(name))


def test_no_temporary_files_are_left(tmp_path):
    dataset = Source().dataset().cache(str(tmp_path / "kept"))
    numbers(dataset.take(2))
    assert list(tmp_path.iterdir()) == []
    numbers(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.cache"]


def test_an_empty_input_is_kept_too(filename):
    source = Source(values=())
    dataset = source.dataset().cache(filename)
    assert numbers(dataset) == numbers(dataset) == []
    assert source.passes == 1


def test_a_resume_in_a_later_epoch_where_the_cache_is_lost():
    def build():
        return Dataset.range(6).shuffle(6, seed=2, reshuffle_each_iteration=False).cache().repeat(3)

    iterator = iter(build())
    for _ in range(8):
        next(iterator)
    other = iter(build())
    other.restore(iterator.state())
    assert numbers(other) == numbers(iterator)


def test_a_cache_of_a_reshuffling_shuffle_is_warned_about():
    with pytest.warns(PlanWarning, match="put shuffle\\(\\) behind cache\\(\\)"):
        Dataset.range(3).shuffle(3).cache()


def test_a_file_that_is_deleted_behind_its_last_element_is_not_written_empty(tmp_path):
    dataset = Dataset.range(5).cache(tmp_path / "c")
    iterator = iter(dataset)
    assert [int(next(iterator)) for _ in range(5)] == [0, 1, 2, 3, 4]
    (tmp_path / "c.cache").unlink()
    assert list(iterator) == []
    assert [int(x) for x in dataset] == [0, 1, 2, 3, 4]


def test_a_file_may_be_a_url():
    name, source = "memory://caches/kept", Source()
    for _ in range(2):
        assert numbers(source.dataset().cache(name)) == [0, 1, 2, 3]
    assert source.passes == 1


def test_a_block_that_is_corrupt_is_noticed(tmp_path):
    dataset = Dataset.range(1000).cache(tmp_path / "kept")
    numbers(dataset)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataLossError, match="the checksum of block 0 is wrong"):
        numbers(dataset)
