"""Random plans give the same elements in the same order with and without rewrites; wrong rules are found."""

import dataclasses
import itertools
import pathlib
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflow.rewrites
from dataflow import Dataset, ParquetDataset
from dataflow.spec import flatten, pack
from dataflow.testing import events, options_for
from dataflow.transforms.batch import Batch
from dataflow.transforms.filter import Filter
from dataflow.transforms.map import Map
from dataflow.transforms.repeat import Repeat
from dataflow.transforms.shuffle import Shuffle
from dataflow.transforms.skip import Skip
from dataflow.transforms.take import Take

SEED = 20240607
PLANS = 1000
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("fuzz") / "rows.parquet")
    columns = {"a": range(9), "b": [i / 4 for i in range(9)], "c": list("xyzxyzxyz")}
    pq.write_table(pa.table(columns), path, row_group_size=4)
    for number, more in enumerate(({"s": [{"x": i % 3, "y": "xyz"[i % 3]} for i in range(5)]}, {}, {})):
        folder = pathlib.Path(path).parent / "tree" / f"p={number}"
        folder.mkdir(parents=True)
        numbers = pa.array([i + number for i in range(5)], pa.int16() if number else pa.int64())
        pq.write_table(pa.table({"n": numbers, **more}), folder / "rows.parquet", row_group_size=2)
    return path


def tree(parquet):
    """Three files of two schemas, in partitions."""
    fills = {"s.x": 0, "s.y": "none"}
    return ParquetDataset(str(pathlib.Path(parquet).parent / "tree"), schema="union", fill_nulls=fills)


def element(parts):
    return parts[0] if len(parts) == 1 else parts


def is_number(leaf):
    return getattr(leaf, "dtype", np.dtype(str)).kind in "biuf"


def first_is_small(*parts):
    leaf = flatten(parts)[0]
    return np.all(leaf % 3 != 1) if is_number(leaf) else np.all(leaf != "x")


def first_is_between(*parts):
    leaf = flatten(parts)[0]
    return np.all((leaf > 1) & (leaf <= 6)) if is_number(leaf) else np.all(leaf == "y")


def doubled(*parts):
    numbers = [leaf for leaf in flatten(parts) if is_number(leaf)]
    return tuple(leaf * 2 for leaf in numbers) if numbers else element(parts)


def shifted(*parts):
    leaves = [leaf + 1 if is_number(leaf) else leaf for leaf in flatten(parts)]
    return pack(element(parts), leaves)


MAPS = (
    doubled,
    shifted,
    lambda *parts: flatten(parts)[-1],
    lambda *parts: {"k": flatten(parts)[0], "all": element(parts)},
    lambda *parts: tuple(reversed(flatten(parts))),
    lambda *parts: (flatten(parts)[0], 1),
)


def sources(rng, parquet):
    n = rng.randrange(12)
    return rng.choice([
        lambda: Dataset.range(n),
        lambda: Dataset.from_tensor_slices((np.arange(8), np.arange(8.0) / 3)),
        lambda: Dataset.from_tensor_slices({"x": np.arange(6), "y": np.array(list("abxdex"))}),
        lambda: ParquetDataset(parquet),
        lambda: ParquetDataset([parquet, parquet]),
        lambda: tree(parquet),
        lambda: tree(parquet).map(lambda row: (row["p"], row["s"], row["n"])),
        lambda: Dataset.from_tensor_slices(["4", "x", "7", "y", "8"]).map(lambda text: text.astype(np.int64)),
    ])()  # fmt: skip


def stages(rng):
    k = rng.choice([-1, 0, 1, 2, 3, 5, 20])
    seed = rng.randrange(100)
    function = rng.choice(MAPS)
    return rng.choice([
        lambda ds: ds.map(function),
        lambda ds: ds.map(function, num_parallel_calls=2),
        lambda ds: ds.filter(first_is_small),
        lambda ds: ds.filter(first_is_between),
        lambda ds: ds.take(k),
        lambda ds: ds.skip(max(k, 0)),
        lambda ds: ds.skip(1).take(max(k, 2)),
        lambda ds: ds.shard(3, k % 3, contiguous=k > 1 and ds.cardinality() >= 0),
        lambda ds: ds.repeat(min(max(k, 0), 2)),
        lambda ds: ds.shuffle(max(k, 1), seed=seed),
        lambda ds: ds.shuffle("global", seed=seed),
        lambda ds: ds.batch(max(k, 1), drop_remainder=k > 2),
        lambda ds: ds.batch(3).unbatch(),
        lambda ds: ds.ragged_batch(3).unbatch(),
        lambda ds: ds.window(3, max(k, 1)).flat_map(lambda *parts: Dataset.zip(element(parts))),
        lambda ds: ds.enumerate(k),
        lambda ds: ds.concatenate(ds),
        lambda ds: Dataset.zip(ds, ds),
        lambda ds: ds.prefetch(max(k, 0)),
        lambda ds: ds.cache(),
        lambda ds: ds.snapshot(f"memory://fuzz/{next(NUMBERS)}"),
        lambda ds: ds.flat_map(lambda *parts: Dataset.from_tensors(flatten(parts)[0]).repeat(2)),
        lambda ds: ds.interleave(lambda *parts: Dataset.from_tensors(element(parts)).repeat(2), 2),
    ])  # fmt: skip


def random_plan(seed, parquet):
    """Return a function that builds a plan: what it does depends on the seed alone."""

    def make():
        rng = random.Random(seed)
        dataset = sources(rng, parquet)
        for _ in range(rng.randrange(1, 7)):
            dataset = stages(rng)(dataset)
        return dataset.node

    return make


def difference(make):
    """Return the first element that differs, if any."""
    plain = events(make, options_for(rewrites=False))
    better = events(make, options_for(rewrites=True))
    pairs = itertools.zip_longest(plain, better)
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


@pytest.mark.filterwarnings("ignore::dataflow.PlanWarning")
@pytest.mark.parametrize("part", range(10))
def test_rewrites_change_nothing(parquet, part):
    for seed in range(SEED + part * PLANS // 10, SEED + (part + 1) * PLANS // 10):
        make = random_plan(seed, parquet)
        assert difference(make) is None, f"seed {seed}:\n{Dataset(make())!r}"


def swaps_take_and_skip(node, options):
    if isinstance(node, Take) and isinstance(node.input, Skip) and node.count > 0:
        return dataclasses.replace(node.input, input=dataclasses.replace(node, input=node.input.input))
    return None


def takes_before_filtering(node, options):
    if isinstance(node, Take) and isinstance(node.input, Filter):
        return dataclasses.replace(node.input, input=dataclasses.replace(node, input=node.input.input))
    return None


def forgets_one_epoch(node, options):
    return node.input if isinstance(node, Repeat) and node.count == 2 else None


def filters_before_mapping(node, options):
    if isinstance(node, Filter) and isinstance(node.input, Map):
        below = node.input.input
        if below.element_spec == node.element_spec:
            return dataclasses.replace(node.input, input=dataclasses.replace(node, input=below))
    return None


def shuffles_batches(node, options):
    if isinstance(node, Batch) and isinstance(node.input, Shuffle):
        shuffle = node.input
        return dataclasses.replace(shuffle, input=dataclasses.replace(node, input=shuffle.input))
    return None


@pytest.mark.filterwarnings("ignore::dataflow.PlanWarning", "ignore::dataflow.TracingWarning")
@pytest.mark.parametrize(
    "rule",
    [
        swaps_take_and_skip,
        takes_before_filtering,
        forgets_one_epoch,
        filters_before_mapping,
        shuffles_batches,
    ],
    ids=lambda rule: rule.__name__,
)
def test_a_wrong_rule_is_found(parquet, monkeypatch, rule):
    monkeypatch.setattr(dataflow.rewrites, "RULES", (*dataflow.rewrites.RULES, rule))
    assert any(difference(random_plan(seed, parquet)) for seed in range(SEED, SEED + PLANS))


def test_a_rule_that_changes_the_spec_is_named(monkeypatch):
    def drops_the_batch(node, options):
        return node.input if isinstance(node, Batch) else None

    monkeypatch.setattr(dataflow.rewrites, "RULES", (drops_the_batch,))
    with pytest.raises(dataflow.SpecError, match="rewrite drops_the_batch changed the element spec"):
        list(Dataset.range(4).batch(2))


def test_a_rule_that_never_ends_is_named(monkeypatch):
    def turns_around(node, options):
        return dataclasses.replace(node, count=1 - node.count) if isinstance(node, Take) else None

    monkeypatch.setattr(dataflow.rewrites, "RULES", (turns_around,))
    with pytest.raises(dataflow.SpecError, match="rewrite turns_around does not come to an end"):
        list(Dataset.range(4).take(1))
