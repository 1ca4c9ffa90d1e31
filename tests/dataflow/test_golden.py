"""Orders, cardinalities and error classes are those of tf.data."""

import gzip

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, TensorSpec, TextLineDataset
from tests.golden_values import golden

GOLDEN = golden("data")
BEHAVIOUR = GOLDEN["behaviour"]
INT = TensorSpec((), np.int64)


def plain(value):
    """Return an element as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def elements(dataset):
    return [plain(element) for element in dataset]


@pytest.fixture
def no_global_seed():
    yield
    df.set_random_seed(None)


@pytest.mark.parametrize("case", GOLDEN["shuffle"]["no_global_seed"])
def test_shuffle_order(case):
    again = case["reshuffle_each_iteration"]
    dataset = Dataset.range(case["n"]).shuffle(case["buffer_size"], case["seed"], again)
    assert [elements(dataset) for _ in range(3)] == [case["iter1"], case["iter2"], case["iter3"]]
    dataset = Dataset.range(case["n"]).shuffle(case["buffer_size"], case["seed"], again)
    assert elements(dataset.repeat(2)) == case["one_iterator_repeat2"]


def test_shuffle_order_with_a_global_seed(no_global_seed):
    df.set_random_seed(1234)
    dataset = Dataset.range(10).shuffle(4, seed=5)
    assert [elements(dataset), elements(dataset)] == GOLDEN["shuffle"]["global_seed_1234_op_seed_5"]


def test_shuffle_order_with_a_global_seed_alone(no_global_seed):
    df.set_random_seed(1234)
    dataset = Dataset.range(10).shuffle(4)
    assert elements(dataset) == GOLDEN["shuffle"]["global_seed_1234_no_op_seed"]


@pytest.mark.parametrize("rewrites", [True, False])
@pytest.mark.parametrize("case", GOLDEN["interleave"])
def test_interleave_order(case, rewrites):
    sizes = np.array(case["source_sizes"])
    dataset = Dataset.from_tensor_slices((np.arange(len(sizes)) * 100, sizes)).interleave(
        lambda first, size: Dataset.range(first, first + size),
        cycle_length=case["cycle_length"],
        block_length=case["block_length"],
    )
    assert elements(dataset.with_options(df.Options(rewrites=rewrites))) == case["sequential"]


ELEMENTS = {
    "range7_batch3": lambda: Dataset.range(7).batch(3),
    "drop": lambda: Dataset.range(7).batch(3, drop_remainder=True),
    "shard3_1": lambda: Dataset.range(10).shard(3, 1),
    "enumerate": lambda: Dataset.range(5, 7).enumerate(start=3),
    "take-1": lambda: Dataset.range(3).take(-1),
    "take0": lambda: Dataset.range(3).take(0),
    "skip-1": lambda: Dataset.range(3).skip(-1),
    "skip2": lambda: Dataset.range(3).skip(2),
    "repeat0": lambda: Dataset.range(3).repeat(0),
    "range_5_1_-2": lambda: Dataset.range(5, 1, -2),
    "range_5_1": lambda: Dataset.range(5, 1),
    "concat": lambda: Dataset.range(2).concatenate(Dataset.range(5, 7)),
    "unbatch": lambda: Dataset.range(5).batch(2).unbatch(),
    "zip_short": lambda: Dataset.zip(Dataset.range(3), Dataset.range(10, 15)),
}


@pytest.mark.parametrize("name", GOLDEN["elements"])
def test_elements(name):
    assert elements(ELEMENTS[name]()) == GOLDEN["elements"][name]


FIVE = Dataset.range(5)
ODD = FIVE.filter(lambda x: x % 2 == 1)
CARDINALITY = {
    "range(5)": FIVE,
    "range(5).map": FIVE.map(lambda x: x),
    "filter": ODD,
    "flat_map": FIVE.flat_map(lambda x: Dataset.range(x)),
    "interleave": FIVE.interleave(lambda x: Dataset.range(x)),
    "batch(2)": FIVE.batch(2),
    "batch(2,drop)": FIVE.batch(2, drop_remainder=True),
    "repeat()": FIVE.repeat(),
    "repeat(0)": FIVE.repeat(0),
    "repeat(3)": FIVE.repeat(3),
    "repeat().take(3)": FIVE.repeat().take(3),
    "filter.repeat()": ODD.repeat(),
    "filter.take(3)": ODD.take(3),
    "empty.repeat()": FIVE.take(0).repeat(),
    "shuffle": FIVE.shuffle(3),
    "shard(2,0)": FIVE.shard(2, 0),
    "shard(2,1)": FIVE.shard(2, 1),
    "skip(2)": FIVE.skip(2),
    "skip(9)": FIVE.skip(9),
    "skip(-1)": FIVE.skip(-1),
    "take(-1)": FIVE.take(-1),
    "zip finite/inf": Dataset.zip(FIVE, FIVE.repeat()),
    "zip with unknown": Dataset.zip(FIVE, ODD),
    "concat inf": FIVE.concatenate(FIVE.repeat()),
    "concat unknown": FIVE.concatenate(ODD),
    "unbatch": FIVE.batch(2).unbatch(),
    "from_generator": Dataset.from_generator(lambda: iter([]), output_signature=INT),
    "cache": FIVE.cache(),
    "prefetch": FIVE.prefetch(1),
    "enumerate": FIVE.enumerate(),
    "from_tensors": Dataset.from_tensors(1),
    "textline": TextLineDataset("missing"),
    "parallel map": FIVE.map(lambda x: x, num_parallel_calls=2),
    "parallel interleave": FIVE.interleave(lambda x: Dataset.range(x), 2, num_parallel_calls=2),
}


@pytest.mark.parametrize("name", GOLDEN["cardinality"])
def test_cardinality(name):
    assert CARDINALITY[name].cardinality() == GOLDEN["cardinality"][name]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Work in a folder with the files that the cases read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt", "c.txt", "d.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "m").write_bytes(b"m1\r\nm2\n\nm4")
    (tmp_path / "l").write_bytes(b"l1\nl2\n")
    (tmp_path / "g.gz").write_bytes(gzip.compress(b"g1\ng2\n"))


def generator(value, spec=INT):
    return lambda: Dataset.from_generator(lambda: iter([value]), output_signature=spec)


def summed(initial):
    return lambda: FIVE.reduce(initial, lambda total, x: total + x)


def fails_on_one():
    return Dataset.from_tensor_slices(["1", "x"]).map(lambda text: text.astype(np.int32))


def partial_and_full_passes():
    calls = []

    def generate():
        calls.append(1)
        yield from range(4)

    dataset = Dataset.from_generator(generate, output_signature=INT).cache()
    partial = dataset.take(2)
    passes = []
    for name, part in (("partial", partial), ("full", dataset), ("again", dataset)):
        passes.append([name, elements(part), len(calls)])
    return passes


CASES = {
    "list_files sorted": lambda: Dataset.list_files("*.txt", shuffle=False),
    "list_files list of patterns no shuffle": lambda: Dataset.list_files(["b.txt", "a.*"], shuffle=False),
    "list_files overlapping patterns": lambda: Dataset.list_files(["*.txt", "a*"], shuffle=False),
    "list_files none": lambda: Dataset.list_files("*.nothing"),
    "list_files one of two none": lambda: Dataset.list_files(["*.csv", "*.nothing"], shuffle=False),
    "textline endings": lambda: TextLineDataset(["m", "l"]),
    "textline missing file": lambda: TextLineDataset("missing"),
    "textline gzip": lambda: TextLineDataset("g.gz", compression_type="GZIP"),
    "textline bad compression": lambda: TextLineDataset("m", compression_type="RAR"),
    "batch 0": lambda: FIVE.batch(0),
    "batch -1": lambda: FIVE.batch(-1),
    "shuffle 0": lambda: FIVE.shuffle(0),
    "shuffle -1 (AUTOTUNE?)": lambda: FIVE.shuffle(-1),
    "shard idx=num": lambda: FIVE.shard(2, 2),
    "shard num 0": lambda: FIVE.shard(0, 0),
    "shard idx<0": lambda: FIVE.shard(2, -1),
    "prefetch 0": lambda: Dataset.range(3).prefetch(0),
    "prefetch -2": lambda: FIVE.prefetch(-2),
    "repeat -5": lambda: Dataset.range(1).repeat(-5).take(3),
    "range step 0": lambda: Dataset.range(0, 3, 0),
    "range no args": lambda: Dataset.range(),
    "range float dtype": lambda: Dataset.range(3, output_type=np.float32),
    "interleave cycle 0": lambda: FIVE.interleave(Dataset.range, cycle_length=0),
    "interleave block 0": lambda: FIVE.interleave(Dataset.range, cycle_length=1, block_length=0),
    "filter non bool": lambda: FIVE.filter(lambda x: x),
    "zip list": lambda: Dataset.zip([FIVE, FIVE]),
    "zip two args": lambda: Dataset.zip(Dataset.range(2), Dataset.range(2)),
    "concat bad types": lambda: FIVE.concatenate(Dataset.from_tensors("text")),
    "from_tensor_slices scalar": lambda: Dataset.from_tensor_slices(1),
    "from_tensor_slices mismatch": lambda: Dataset.from_tensor_slices(([1, 2], [1])),
    "from_tensor_slices empty dict": lambda: Dataset.from_tensor_slices({}),
    "from_tensor_slices dict": lambda: Dataset.from_tensor_slices({"a": [1, 2], "b": ["x", "y"]}),
    "from_tensor_slices list packs": lambda: Dataset.from_tensor_slices([[1, 2], [3, 4]]),
    "from_tensor_slices tuple": lambda: Dataset.from_tensor_slices(([1, 2], [3, 4])),
    "from_generator not callable": lambda: Dataset.from_generator([1], output_signature=INT),
    "from_generator no sig": lambda: Dataset.from_generator(lambda: iter([1])),
    "from_generator wrong type": generator("text"),
    "from_generator wrong shape": generator([1, 2]),
    "from_generator wrong structure": generator((1, 2)),
    "from_generator both": lambda: Dataset.from_generator(range, np.int64, args=[3], output_signature=INT),
    "batch ragged shapes": lambda: Dataset.from_generator(
        lambda: iter([[1], [1, 2]]), output_signature=TensorSpec((None,), np.int64)
    ).batch(2),
    "unbatch scalar": lambda: FIVE.unbatch(),
    "len infinite": lambda: len(FIVE.repeat()),
    "len unknown": lambda: len(ODD),
    "apply non dataset": lambda: FIVE.apply(lambda dataset: 5),
    "map returns list packs to tensor": lambda: Dataset.range(2).map(lambda x: [x, x + 1]),
    "map returns None": lambda: FIVE.map(lambda x: None),
    "map tuple unpack": lambda: Dataset.from_tensors((1, 2)).map(lambda x, y: x + y),
    "map dict not unpacked": lambda: Dataset.from_tensors({"a": 1}).map(lambda d: d["a"]),
    "map error": fails_on_one,
    "reduce": summed(np.int64(0)),
    "reduce type": summed(np.int32(0)),
    "options type": lambda: df.Options(threads="2"),
    "cache memory partial": partial_and_full_passes,
}
ERRORS = {
    "InvalidArgumentError": df.InvalidArgumentError,
    "NotFoundError": df.NotFoundError,
    "ValueError": ValueError,
    "TypeError": TypeError,
}
OURS = {"list_files none": df.NotFoundError}
"""Where our error has a better name than tf's; it is a ValueError as tf's InvalidArgumentError is."""


@pytest.mark.parametrize("name", CASES)
def test_behaviour(files, name):
    wanted = BEHAVIOUR[name]
    if "ok" in wanted:
        found = CASES[name]()
        assert (elements(found) if isinstance(found, Dataset) else plain(found)) == wanted["ok"]
    else:
        with pytest.raises(OURS.get(name, ERRORS[wanted["error"]])):
            list(CASES[name]())


def test_every_case_of_tensorflow_is_tried():
    assert CASES.keys() | {"list_files seed reshuffles each iteration"} == BEHAVIOUR.keys()


def test_no_matching_file_is_a_value_error_too():
    with pytest.raises(ValueError, match="no file matches"):
        Dataset.list_files("/nowhere/*")


def test_list_files_has_another_order_on_each_pass(files):
    dataset = Dataset.list_files("*.txt", seed=1)
    wanted = BEHAVIOUR["list_files seed reshuffles each iteration"]["ok"]
    assert [elements(dataset) for _ in range(3)] == wanted
