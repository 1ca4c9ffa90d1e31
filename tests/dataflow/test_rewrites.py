"""What the rules make of a plan, seen through `explain`."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflow as df
import dataflow.rewrites
from dataflow import Dataset, Options, ParquetDataset
from dataflow.plan.node import walk
from dataflow.sources.parquet import ParquetRows

TWO = Options(threads=2)


def explained(dataset, stage="rewritten"):
    return dataset.explain(stage).splitlines()


def test_stages_that_do_nothing_are_left_out():
    dataset = Dataset.range(6).take(-1).skip(0).repeat(1).prefetch(0).with_options(TWO)
    assert explained(dataset) == ["Range(start=0, stop=6)"]
    assert len(explained(dataset, "written")) == 6


def test_maps_are_fused_and_give_the_same():
    dataset = Dataset.range(3).map(lambda x: x + 1).map(lambda x: x * 2).map(lambda x: (x, x))
    assert explained(dataset) == [
        "Map(function=<lambda> + <lambda> + <lambda> [traced])",
        "  Range(start=0, stop=3)",
    ]
    assert list(dataset) == [(2, 2), (4, 4), (6, 6)]


def test_what_the_second_map_does_not_use_is_not_computed():
    texts = Dataset.from_tensor_slices(["1", "x"])
    both = texts.map(lambda text: (text.astype(int), text)).map(lambda number, text: text.upper())
    assert list(both) == ["1", "X"]


@pytest.mark.filterwarnings("ignore::dataflow.TracingWarning")
def test_python_functions_are_not_fused_and_get_no_threads():
    words = Dataset.from_tensor_slices(["a b"]).map(lambda text: text.split()[0])
    dataset = words.map(lambda text: text.upper())
    lines = explained(dataset.with_options(TWO), "placed")
    assert [line.split("(")[0].strip() for line in lines] == ["Map", "Map", "TensorSlices"]
    assert "num_parallel_calls=1" in lines[1]


def test_functions_run_in_threads_ahead_of_the_consumer():
    dataset = Dataset.range(3).map(lambda x: x)
    assert explained(dataset.with_options(TWO), "placed") == [
        "Prefetch(blocks_ahead=4)",
        "  Map(function=<lambda> [traced], num_parallel_calls=2)",
        "    Range(start=0, stop=3)",
    ]
    assert explained(dataset.with_options(Options(threads=0)), "placed")[0].startswith("Map(")


def test_without_rewrites_the_plan_runs_as_it_was_written():
    dataset = Dataset.range(3).take(-1).with_options(Options(rewrites=False))
    assert dataset.explain("placed") == dataset.explain("written")


def test_columns_are_pruned_through_filters_and_order_but_not_through_a_cache(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({name: [1, 2, 3] for name in "abcd"}), path)
    rows = ParquetDataset(path)
    dataset = rows.filter(lambda row: row["b"] > 1).shuffle(9, seed=1).repeat(2).map(lambda row: row["d"])
    assert "columns=('b', 'd')" in explained(dataset)[-1]
    assert sorted(int(x) for x in dataset) == [2, 2, 3, 3]
    assert "columns=('a', 'b', 'c', 'd')" in explained(rows.cache().map(lambda row: row["a"]))[-1]


def test_an_unknown_stage_is_refused():
    with pytest.raises(df.InvalidArgumentError, match="stage must be one of"):
        Dataset.range(3).explain("final")


def test_columns_are_pruned_through_batch_and_unbatch(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({name: list(range(7)) for name in "abc"}), path, row_group_size=3)
    batches = ParquetDataset(path).filter(lambda row: row["b"] > 1).batch(2)
    for dataset in (
        batches.map(lambda row: row["c"]),
        batches.batch(2).unbatch().map(lambda row: row["c"] * 2),
    ):
        assert "columns=('b', 'c')" in explained(dataset)[-1]
        plain = dataset.with_options(Options(rewrites=False))
        assert [b.tolist() for b in dataset] == [b.tolist() for b in plain]


def test_columns_that_batch_may_refuse_are_read_all_the_same(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"a": [1, 2], "b": [[1], [1, 2]], "c": [5, 6]}), path)
    dataset = ParquetDataset(path).batch(2).map(lambda row: row["a"])
    assert "columns=('a', 'b')" in explained(dataset)[-1]
    with pytest.raises(df.InvalidArgumentError, match="cannot stack elements of different shapes"):
        list(dataset)


@pytest.fixture
def days(tmp_path):
    """Two files of three row groups, sorted by day."""
    paths = []
    for number in range(2):
        first = 30 * number
        columns = {
            "day": range(first, first + 30),
            "name": [f"d{day:02d}" for day in range(first, first + 30)],
            "x": [day / 2 for day in range(first, first + 30)],
        }
        paths.append(str(tmp_path / f"{number}.parquet"))
        pq.write_table(pa.table(columns), paths[-1], row_group_size=10)
    return ParquetDataset(paths)


def scanned_rows(dataset):
    """Return how many rows the scan hands to the filter above it."""
    plan = dataflow.rewrites.plan_at("rewritten", dataset.node, Options().resolved())
    return sum(1 for _ in Dataset(next(node for node in walk(plan) if isinstance(node, ParquetRows))))


@pytest.mark.parametrize(
    ("predicate", "rows"),
    [
        (lambda row: row["day"] >= 45, 20),
        (lambda row: (row["day"] > 12) & (row["day"] < 18), 10),
        (lambda row: row["day"] < 5, 10),
        (lambda row: row["day"] == 31, 10),
        (lambda row: row["name"] == "d05", 10),
        (lambda row: row["x"] <= 2.0, 10),
        (lambda row: row["day"] < 0, 0),
        (lambda row: (row["day"] < 10) | (row["day"] > 50), 60),
        (lambda row: row["day"] != 3, 60),
    ],
)
def test_filters_pass_over_row_groups_that_statistics_exclude(days, predicate, rows):
    dataset = days.filter(predicate)
    assert list(dataset) == list(dataset.with_options(Options(rewrites=False)))
    assert scanned_rows(dataset) == rows


def test_filters_reach_the_scan_through_maps(days):
    dataset = days.map(lambda row: (row["day"], row["x"] * 2)).filter(lambda day, _: day > 55)
    assert [int(day) for day, _ in dataset] == [56, 57, 58, 59]
    assert scanned_rows(dataset) == 10


def test_a_null_that_is_refused_is_not_passed_over(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"day": [1, None, 3, 4]}), path, row_group_size=2)
    dataset = ParquetDataset(path).filter(lambda row: row["day"] > 2)
    with pytest.raises(df.InvalidArgumentError, match="has a null"):
        list(dataset)
    assert [int(row["day"]) for row in dataset.ignore_errors()] == [3, 4]


@pytest.mark.parametrize("rewrites", [True, False])
def test_positions_mean_the_same_with_and_without_pushed_filters(days, rewrites):
    dataset = days.filter(lambda row: (row["day"] % 7 < 3) & (row["day"] > 25))
    saved, resumed = (dataset.with_options(Options(rewrites=r, threads=0)) for r in (rewrites, not rewrites))
    whole = [int(row["day"]) for row in dataset]
    for taken in range(len(whole) + 1):
        iterator = iter(saved)
        for _ in range(taken):
            next(iterator)
        other = iter(resumed)
        other.restore(iterator.state())
        assert [int(row["day"]) for row in other] == whole[taken:]


def test_skip_seeks_in_parquet_files_and_passes_below_batches_and_maps(days):
    dataset = days.map(lambda row: row["x"] * 2).batch(4).skip(10).take(2)
    assert [batch.tolist() for batch in dataset] == [[40, 41, 42, 43], [44, 45, 46, 47]]
    lines = explained(dataset)
    assert [line.split("(")[0].strip() for line in lines] == ["Batch", "Map", "Take", "ParquetRows"]
    assert "skip_rows=40" in lines[-1]


def test_what_fails_is_not_counted_so_positions_stay_above_it():
    texts = Dataset.from_tensor_slices(["x", "1", "2", "3"]).map(lambda text: text.astype(int))
    assert explained(texts.skip(1))[0].startswith("Skip")
    assert [int(x) for x in texts.skip(1).ignore_errors()] == [2, 3]


def test_skipped_rows_that_are_refused_do_not_count(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"day": [1, None, 3, 4, 5]}), path, row_group_size=2)
    dataset = ParquetDataset(path).skip(2).ignore_errors()
    assert "skip_rows=2" in explained(dataset)[-1]
    assert [int(row["day"]) for row in dataset] == [4, 5]


def test_maps_that_make_rows_smaller_run_before_the_shuffle():
    pairs = Dataset.from_tensor_slices((range(9), range(9))).shuffle(4, 1, reshuffle_each_iteration=False)
    dataset = pairs.map(lambda a, b: a + b)
    assert [line.split("(")[0].strip() for line in explained(dataset)] == ["Shuffle", "Map", "TensorSlices"]
    assert list(dataset) == list(dataset.with_options(Options(rewrites=False)))
    assert explained(pairs.map(lambda a, b: (a, b, a)))[0].startswith("Map")


def test_parquet_is_read_ahead_of_a_shuffle(days):
    lines = explained(days.shuffle(5, seed=1).batch(2).with_options(TWO), "placed")
    assert [line.split("(")[0].strip() for line in lines] == ["Batch", "Shuffle", "Prefetch", "ParquetRows"]


def test_maps_share_the_threads_and_prefetches_the_memory():
    numbers = Dataset.range(9).map(lambda x: x + 1, num_parallel_calls=df.AUTOTUNE).batch(2)
    dataset = numbers.map(lambda x: x * 2).prefetch(df.AUTOTUNE)
    for threads, memory, calls, blocks in ((4, 400 << 20, 2, 4), (8, 100 << 20, 4, 3), (2, 1, 1, 2)):
        options = Options(threads=threads, memory_bytes=memory)
        lines = explained(dataset.with_options(options), "placed")
        assert sum(f"num_parallel_calls={calls}" in line for line in lines) == 2
        assert lines[0] == ("Prefetch()" if blocks == 2 else f"Prefetch(blocks_ahead={blocks})")


def test_a_frozen_dataset_keeps_what_was_chosen(days):
    dataset = days.map(lambda row: row["x"]).map(lambda x: x * 2).with_options(Options(threads=3))
    frozen = dataset.freeze()
    placed = ["  " + line for line in explained(dataset, "placed")]
    assert frozen.explain("written").splitlines()[1:] == placed
    elsewhere = frozen.with_options(Options(threads=1))
    assert explained(elsewhere, "placed")[2:] == ["  " + line for line in explained(frozen, "placed")][1:]
    assert list(frozen) == list(dataset)


BATCHED_WINDOWS = {
    "whole": (lambda ds: ds.window(3), lambda w: w.batch(3)),
    "larger": (lambda ds: ds.window(3, 1), lambda w: w.batch(5)),
    "no short windows": (lambda ds: ds.window(3, 2, 2, drop_remainder=True), lambda w: w.batch(3)),
    "no short batches": (lambda ds: ds.window(3, 2), lambda w: w.batch(3, drop_remainder=True)),
}
OTHER_WINDOWS = {
    "smaller": (lambda ds: ds.window(3), lambda w: w.batch(2)),
    "never full": (lambda ds: ds.window(3), lambda w: w.batch(4, drop_remainder=True)),
    "something else": (lambda ds: ds.window(3), lambda w: w.skip(1).batch(3)),
    "another dataset": (lambda ds: ds.window(3), lambda w: Dataset.range(3).batch(3)),
    "several": (lambda ds: Dataset.zip(ds, ds).window(3), lambda v, w: w.batch(3)),
    "needs the window": (lambda ds: ds.window(3), lambda w: w.batch(len(w))),
}


@pytest.mark.parametrize("name", [*BATCHED_WINDOWS, *OTHER_WINDOWS])
def test_windows_that_are_batched_are_made_as_batches(name):
    windows, function = (BATCHED_WINDOWS | OTHER_WINDOWS)[name]
    dataset = windows(Dataset.range(8)).flat_map(function)
    assert explained(dataset)[0].startswith("Window(" if name in BATCHED_WINDOWS else "FlatMap(")
    plain = dataset.with_options(Options(rewrites=False))
    assert [x.tolist() for x in dataset] == [x.tolist() for x in plain]


def test_batched_windows_of_texts_and_of_different_shapes():
    texts = Dataset.from_tensor_slices(["a", "b", "c"]).window(2, 1).flat_map(lambda w: w.batch(2))
    assert [x.tolist() for x in texts] == [["a", "b"], ["b", "c"], ["c"]]
    lists = Dataset.from_list([[1], [2, 3]]).window(2).flat_map(lambda w: w.batch(2))
    with pytest.raises(df.InvalidArgumentError, match="different shapes"):
        list(lists)


def test_columns_of_tables_in_memory_are_pruned_too():
    rows = Dataset.from_arrow(pa.table({name: [1, 2] for name in "abc"}))
    dataset = rows.batch(2).map(lambda row: row["b"])
    assert "columns=('b',)" in explained(dataset)[-1]
    assert [batch.tolist() for batch in dataset] == [[1, 2]]
