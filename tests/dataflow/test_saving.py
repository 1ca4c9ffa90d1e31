"""`save` and `load`."""

import collections
import contextlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from dataflow import (
    DataflowError,
    DataLossError,
    Dataset,
    InvalidArgumentError,
    NotFoundError,
    Options,
    SpecError,
    StateError,
    TensorSpec,
)


def numbers(dataset):
    return [int(x) for x in dataset]


def plain(element):
    if isinstance(element, dict):
        return {key: plain(part) for key, part in element.items()}
    return element.tolist() if isinstance(element, np.ndarray | np.generic) else element


@pytest.fixture(params=["local", "memory"])
def path(request, tmp_path):
    return str(tmp_path / "saved") if request.param == "local" else f"memory://saving{tmp_path}"


def run_of(path):
    return json.loads((path / "metadata.json").read_text())["run"]


@pytest.mark.parametrize("compression", [None, "GZIP", "ZSTD", "LZ4", "SNAPPY"])
def test_what_is_loaded_is_what_was_saved(path, compression):
    Dataset.range(1000).map(lambda x: (x, x / 2)).save(path, compression)
    loaded = Dataset.load(path)
    assert loaded.element_spec == (TensorSpec((), np.int64), TensorSpec((), np.float64))
    assert len(loaded) == 1000
    assert [(int(a), float(b)) for a, b in loaded] == [(i, i / 2) for i in range(1000)]


def test_a_compressed_file_is_smaller(tmp_path):
    sizes = []
    for compression in (None, "GZIP"):
        Dataset.range(10000).save(tmp_path / str(compression), compression)
        sizes.append(sum(file.stat().st_size for file in (tmp_path / str(compression)).rglob("*.blocks")))
    assert sizes[1] < sizes[0] / 2


def test_every_kind_of_component_is_saved(path):
    spec = {
        "number": TensorSpec((2,), np.float32),
        "text": TensorSpec((), str),
        "data": TensorSpec((), bytes),
        "list": TensorSpec((None,), np.int64),
        "words": TensorSpec((None, 2), str),
        "time": TensorSpec((), "datetime64[ns]"),
        "flag": TensorSpec((), bool),
        "inner": ({"b": TensorSpec((0,), np.int8)},),
    }
    rows = [
        {
            "number": [i, i / 2],
            "text": "é" * i,
            "data": bytes([i, 0, 255]),
            "list": [i] * (i % 3),
            "words": np.array([["a", str(i)]] * (i % 2), object).reshape(-1, 2),
            "time": np.datetime64(i, "ns"),
            "flag": i % 2 == 0,
            "inner": ({"b": []},),
        }
        for i in range(7)
    ]
    dataset = Dataset.from_generator(lambda: iter(rows), output_signature=spec)
    dataset.save(path)
    loaded = Dataset.load(path)
    assert loaded.element_spec == dataset.element_spec
    for found, row in zip(loaded, dataset, strict=True):
        assert plain({k: v for k, v in found.items() if k != "inner"}) == plain(
            {k: v for k, v in row.items() if k != "inner"}
        )
        assert found["inner"][0]["b"].shape == (0,)
        assert {k: np.asarray(found[k]).shape for k in ("list", "words")} == {
            k: np.asarray(row[k]).shape for k in ("list", "words")
        }


def test_a_loaded_array_is_aligned(tmp_path):
    dataset = Dataset.from_tensor_slices({"a": np.zeros(3, np.int8), "b": np.arange(3.0)})
    dataset.save(tmp_path)
    block = Dataset.load(tmp_path).blocks().read(3)
    assert block.columns[1].flags.aligned
    assert block.columns[1].tolist() == [0, 1, 2]


def test_dictionary_encoded_text_is_saved(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dataflow import ParquetDataset

    kinds = pa.array(["a", "b", None, "b"]).dictionary_encode()
    pq.write_table(pa.table({"kind": kinds}), tmp_path / "x.parquet")
    ParquetDataset(str(tmp_path / "x.parquet")).save(tmp_path / "s")
    assert [row["kind"] for row in Dataset.load(tmp_path / "s")] == ["a", "b", None, "b"]


def test_a_namedtuple_comes_back_with_its_name_and_fields(tmp_path):
    pair = collections.namedtuple("Pair", "left right")
    Dataset.from_tensors(pair(1, "x")).save(tmp_path)
    (found,) = Dataset.load(tmp_path)
    assert (type(found).__name__, found.left, found.right) == ("Pair", 1, "x")
    given = Dataset.load(tmp_path, element_spec=pair(TensorSpec((), np.int64), TensorSpec((), str)))
    assert type(next(iter(given))) is pair


def test_keys_that_are_integers_stay_integers(tmp_path):
    Dataset.from_tensors({2: "b", 1: "a"}).save(tmp_path)
    assert list(Dataset.load(tmp_path)) == [{2: "b", 1: "a"}]


def test_other_keys_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"the key 1.5 cannot be saved"):
        Dataset.from_tensors({1.5: "b"}).save(tmp_path)


def test_another_spec_is_refused_and_both_are_shown(tmp_path):
    Dataset.range(3).save(tmp_path)
    with pytest.raises(SpecError, match=r"dtype=int64.*and element_spec is .*dtype=float32"):
        Dataset.load(tmp_path, element_spec=TensorSpec((), np.float32))
    with pytest.raises(SpecError, match="structures differ"):
        Dataset.load(tmp_path, element_spec=(TensorSpec((), np.int64),))
    assert numbers(Dataset.load(tmp_path, element_spec=TensorSpec((), np.int64))) == [0, 1, 2]


def test_another_compression_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"compression must be one of None, 'GZIP'.*, not 'RAR'"):
        Dataset.range(3).save(tmp_path, "RAR")
    Dataset.range(3).save(tmp_path, "GZIP")
    with pytest.raises(InvalidArgumentError, match="were saved with compression='GZIP', not 'LZ4'"):
        Dataset.load(tmp_path, compression="LZ4")
    assert numbers(Dataset.load(tmp_path, compression="GZIP")) == [0, 1, 2]


def test_shards_are_read_in_turn_by_ascending_number(path):
    Dataset.range(8).save(path, shard_func=lambda x: np.where(x < 5, 7, 2))
    loaded = Dataset.load(path)
    assert numbers(loaded) == [5, 0, 6, 1, 7, 2, 3, 4]
    assert len(loaded) == 8


def test_a_function_may_say_how_shards_are_read(path):
    Dataset.range(6).save(path, shard_func=lambda x: x // 2)
    shards_in_turn = Dataset.load(path, reader_func=lambda shards: shards.flat_map(lambda shard: shard))
    assert numbers(shards_in_turn) == [0, 1, 2, 3, 4, 5]
    two = Dataset.load(path, reader_func=lambda shards: shards.skip(1).interleave(lambda s: s, 2))
    assert numbers(two) == [2, 4, 3, 5]


def test_each_shard_keeps_its_order(tmp_path):
    Dataset.range(100_000).save(tmp_path, shard_func=lambda x: x % 7)
    assert len(list(tmp_path.rglob("*.blocks"))) == 7
    assert sorted(numbers(Dataset.load(tmp_path))) == list(range(100_000))
    assert numbers(Dataset.load(tmp_path))[:14] == list(range(14))


def test_what_is_held_back_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("dataflow.storage.runs.PENDING_BYTES", 1000)
    dataset = Dataset.range(4000).with_options(Options(block_bytes=800))
    dataset.save(tmp_path, shard_func=lambda x: x % 5)
    assert numbers(Dataset.load(tmp_path)) == list(range(4000))
    in_turn = Dataset.load(tmp_path, reader_func=lambda shards: shards.flat_map(lambda shard: shard))
    iterator = in_turn.blocks()
    assert iterator.read(1 << 62).length < 100


def test_a_local_path_may_be_a_url(tmp_path):
    Dataset.range(5).save(f"file://{tmp_path}/new/saved")
    assert numbers(Dataset.load(f"file://{tmp_path}/new/saved")) == [0, 1, 2, 3, 4]
    assert numbers(Dataset.load(tmp_path / "new" / "saved")) == [0, 1, 2, 3, 4]


def test_components_that_are_no_arrays_are_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot be saved"):
        Dataset.range(5).window(2).save(tmp_path)
    with pytest.raises(SpecError, match="cache cannot write elements of"):
        list(Dataset.range(5).window(2).cache(tmp_path / "kept"))


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda x: x / 2, "must return a scalar integer, and returns a float64"),
        (lambda x: x - 5, "must not return negative numbers, such as -5"),
        (lambda x: x, "returns more than 1000 different numbers"),
        (lambda x: (x, x), "must return one integer"),
    ],
)
def test_wrong_shards_are_refused_and_nothing_is_left(tmp_path, function, error):
    with pytest.raises(DataflowError, match=error):
        Dataset.range(5000).save(tmp_path / "s", shard_func=function)
    assert not list(tmp_path.rglob("*.blocks"))


def test_an_endless_dataset_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="an endless dataset cannot be saved"):
        Dataset.range(3).repeat().save(tmp_path)


def test_an_empty_dataset_is_saved(path):
    Dataset.range(0).save(path)
    assert numbers(Dataset.load(path)) == []
    assert len(Dataset.load(path)) == 0


def test_a_later_save_replaces_the_earlier_one_and_its_readers_go_on(tmp_path):
    Dataset.range(5).save(tmp_path)
    earlier = Dataset.load(tmp_path)
    Dataset.range(5, 9).map(lambda x: x.astype(np.float32)).save(tmp_path)
    assert [float(x) for x in Dataset.load(tmp_path)] == [5, 6, 7, 8]
    assert numbers(earlier) == [0, 1, 2, 3, 4]


def test_a_save_that_fails_leaves_the_earlier_one(path):
    Dataset.range(5).save(path)

    def generate():
        yield 1
        raise OSError("gone")

    broken = Dataset.from_generator(generate, output_signature=TensorSpec((), np.int64))
    with pytest.raises(DataflowError, match="gone"):
        broken.save(path)
    assert numbers(Dataset.load(path)) == [0, 1, 2, 3, 4]


def test_old_runs_are_removed_when_nobody_needs_them(tmp_path):
    runs = []
    for _ in range(3):
        Dataset.range(5).save(tmp_path)
        runs.append(run_of(tmp_path))
    long_ago = time.time() - 3 * 24 * 3600
    for file in [*tmp_path.rglob("*")][::-1]:
        os.utime(file, (long_ago, long_ago))
    Dataset.range(5).save(tmp_path)
    left = {entry.name for entry in tmp_path.iterdir() if entry.is_dir()}
    assert left == {runs[2], run_of(tmp_path)}


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"no saved dataset at .*nothing"):
        Dataset.load(tmp_path / "nothing")
    Dataset.range(5).save(tmp_path)
    loaded = Dataset.load(tmp_path)
    (file,) = tmp_path.rglob("*.blocks")
    file.unlink()
    with pytest.raises(NotFoundError, match=r"00000000-00000.blocks"):
        numbers(loaded)


@pytest.mark.parametrize("name", ["metadata.json", "dataset_spec.json"])
@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"tuple": 3}', "\x00\xff", '{"version": 9}'])
def test_metadata_that_are_corrupt_are_named(tmp_path, name, content):
    Dataset.range(5).save(tmp_path)
    (file,) = tmp_path.rglob(name)
    file.write_text(content)
    with pytest.raises(DataLossError, match=name):
        Dataset.load(tmp_path)
    Dataset.range(3).save(tmp_path)
    assert numbers(Dataset.load(tmp_path)) == [0, 1, 2]


def test_a_bit_anywhere_that_is_flipped_is_noticed(tmp_path):
    Dataset.from_tensor_slices((np.arange(50), np.array(list("ab") * 25))).save(tmp_path)
    (file,) = tmp_path.rglob("*.blocks")
    good, whole = file.read_bytes(), [(int(a), b) for a, b in Dataset.load(tmp_path)]
    for at in range(0, len(good), 7):
        file.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with contextlib.suppress(DataLossError):
            assert [(int(a), b) for a, b in Dataset.load(tmp_path)] == whole  # it was padding


@pytest.mark.parametrize("size", [0, 5, 100, -1, -20])
def test_a_truncated_file_is_named(tmp_path, size):
    Dataset.range(1000).save(tmp_path)
    (file,) = tmp_path.rglob("*.blocks")
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(
        DataLossError, match=r"00000000-00000.blocks is not a complete file of saved elements"
    ):
        numbers(Dataset.load(tmp_path))


def test_a_foreign_file_is_named(tmp_path):
    for number in (1, 2):
        Dataset.range(number).save(tmp_path / str(number))
    (one,), (other,) = ((tmp_path / name).rglob("*.blocks") for name in "12")
    other.write_bytes(one.read_bytes())
    with pytest.raises(DataLossError, match="was written as"):
        numbers(Dataset.load(tmp_path / "2"))


def test_iteration_resumes_at_the_block(tmp_path):
    rows = Dataset.range(1000).map(lambda x: np.zeros(4096, np.int64) + x)
    rows.save(tmp_path)
    iterator = iter(Dataset.load(tmp_path))
    for _ in range(700):
        next(iterator)
    state = json.loads(json.dumps(iterator.state()))
    assert state["position"]["state"]["block"] > 10
    other = iter(Dataset.load(tmp_path))
    other.restore(state)
    assert [int(row[0]) for row in other] == list(range(700, 1000))


def test_a_position_in_an_earlier_save_is_refused(tmp_path):
    Dataset.range(8).save(tmp_path, shard_func=lambda x: x % 2)
    state = iter(Dataset.load(tmp_path)).state()
    Dataset.range(8).save(tmp_path, shard_func=lambda x: x % 2)
    with pytest.raises(StateError, match="belongs to another pipeline"):
        iter(Dataset.load(tmp_path)).restore(state)


KILLED = """
import os, signal, sys
import numpy as np
from dataflow import Dataset, Options, TensorSpec

path, directory, last = sys.argv[1], sys.argv[2], int(sys.argv[3])

def generate():
    for i in range(5000):
        if i == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"x": i, "text": "t" * (i % 5)}

spec = {"x": TensorSpec((), np.int64), "text": TensorSpec((), str)}
options = Options(block_bytes=256, threads=0)  # so that nothing runs ahead of what is written
dataset = Dataset.from_generator(generate, output_signature=spec).with_options(options)
dataset.save(path, "ZSTD", lambda row: row["x"] % 2,
             {"directory": directory, "checkpoint_interval": 300})
"""


def start_save(tmp_path, last):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "s"), str(tmp_path / "p"), str(last)]
    )


def killed_save(tmp_path, last):
    return start_save(tmp_path, last).wait()


def saved_rows(tmp_path):
    return [(int(row["x"]), row["text"]) for row in Dataset.load(tmp_path / "s")]


def test_a_save_that_is_killed_goes_on_exactly_once(tmp_path):
    assert killed_save(tmp_path, last=2000) == -9
    progress = json.loads((tmp_path / "p" / "save_progress.json").read_text())
    first = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.blocks")}
    with pytest.raises(NotFoundError):
        Dataset.load(tmp_path / "s")
    assert killed_save(tmp_path, last=4000) == -9
    assert killed_save(tmp_path, last=-1) == 0
    assert run_of(tmp_path / "s") == progress["run"]
    kept = [part for shard in progress["shards"].values() for part in shard["parts"]]
    assert len(kept) >= 2
    assert all(f.stat().st_mtime_ns == written for f, written in first.items() if f.name in kept)
    assert saved_rows(tmp_path) == [(i, "t" * (i % 5)) for i in range(5000)]
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list((tmp_path / "p").iterdir())


def test_a_save_may_be_killed_at_any_time(tmp_path):
    progress, seen = tmp_path / "p" / "save_progress.json", None
    for _ in range(3):
        process = start_save(tmp_path, last=-1)
        while process.poll() is None:  # wherever it is just behind a checkpoint
            with contextlib.suppress(FileNotFoundError):
                if (now := progress.stat().st_mtime_ns) != seen:
                    process.kill()
                    seen = now
        process.wait()
    assert killed_save(tmp_path, last=-1) == 0
    assert saved_rows(tmp_path) == [(i, "t" * (i % 5)) for i in range(5000)]


def failing(last):
    def generate():
        for i in range(1000):
            if i == last:
                raise OSError("gone")
            yield i

    dataset = Dataset.from_generator(generate, output_signature=TensorSpec((), np.int64))
    return dataset.with_options(Options(block_bytes=8))


def test_a_save_that_fails_goes_on_where_it_noted_its_progress(path):
    arguments = {"checkpoint_interval": 100}
    with pytest.raises(DataflowError, match="gone"):
        failing(last=650).save(path, checkpoint_args=arguments)
    failing(last=-1).save(path, checkpoint_args=arguments)
    assert numbers(Dataset.load(path)) == list(range(1000))


def test_progress_of_another_save_is_refused(tmp_path):
    arguments = {"checkpoint_interval": 100, "directory": tmp_path / "p"}
    with pytest.raises(DataflowError, match="gone"):
        failing(last=650).save(tmp_path / "s", checkpoint_args=arguments)
    with pytest.raises(StateError, match="has compression=None, not 'GZIP'"):
        failing(last=-1).save(tmp_path / "s", "GZIP", checkpoint_args=arguments)
    with pytest.raises(StateError, match="belongs to another pipeline"):
        failing(last=-1).take(5).save(tmp_path / "s", checkpoint_args=arguments)
    for file in (tmp_path / "s").rglob("*.blocks"):
        file.unlink()
    with pytest.raises(DataLossError, match="is missing, so saving cannot go on"):
        failing(last=-1).save(tmp_path / "s", checkpoint_args=arguments)


@pytest.mark.parametrize("arguments", [{"interval": 3}, {"checkpoint_interval": 0}])
def test_wrong_checkpoint_args_are_refused(tmp_path, arguments):
    with pytest.raises(InvalidArgumentError, match="checkpoint_"):
        Dataset.range(3).save(tmp_path, checkpoint_args=arguments)


def test_a_loaded_dataset_goes_through_further_stages(path):
    Dataset.range(20).save(path)
    dataset = Dataset.load(path).map(lambda x: x * 2, num_parallel_calls=2).batch(8, drop_remainder=True)
    assert [batch.tolist()[:2] for batch in dataset] == [[0, 2], [16, 18]]
    assert len(dataset) == 2
