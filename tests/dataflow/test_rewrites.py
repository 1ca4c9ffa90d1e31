"""What the rules make of a plan, seen through `explain`."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dataflow as df
from dataflow import Dataset, Options, ParquetDataset

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
        "Prefetch()",
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
