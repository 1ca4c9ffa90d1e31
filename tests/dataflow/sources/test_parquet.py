"""Parquet files: columns, row groups, nulls, types, checksums."""

import datetime
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow import DataLossError, InvalidArgumentError, Options, ParquetDataset, SpecError, TensorSpec

TABLE = pa.table(
    {
        "id": pa.array(range(10), pa.int32()),
        "fare": pa.array([None if i == 3 else i / 2 for i in range(10)]),
        "name": pa.array([None if i == 4 else f"n{i % 3}" for i in range(10)]),
        "kind": pa.array([None if i == 5 else "ab"[i % 2] for i in range(10)]).dictionary_encode(),
        "tags": pa.array([[i] * (i % 3) for i in range(10)]),
        "day": pa.array([datetime.date(2020, 1, 1 + i) for i in range(10)]),
        "raw": pa.array([bytes([i]) for i in range(10)]),
        "flag": pa.array([i % 2 == 0 for i in range(10)]),
    }
)


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "a.parquet")
    pq.write_table(TABLE, path, row_group_size=4, write_page_checksum=True)
    return path


WAYS = [Options(block_bytes=1), Options(block_bytes=100), Options()]


@pytest.mark.parametrize("options", WAYS, ids=repr)
def test_every_type(path, options):
    rows = list(ParquetDataset(path).with_options(options))
    assert [int(row["id"]) for row in rows] == list(range(10))
    assert [i for i, row in enumerate(rows) if math.isnan(row["fare"])] == [3]
    assert [row["name"] for row in rows][3:6] == ["n0", None, "n2"]
    assert [row["kind"] for row in rows][4:7] == ["a", None, "a"]
    assert [row["tags"].tolist() for row in rows][:4] == [[], [1], [2, 2], []]
    assert rows[1]["day"] == np.datetime64("2020-01-02")
    assert (rows[7]["raw"], bool(rows[7]["flag"])) == (b"\x07", False)


def test_the_spec_comes_from_the_file(path):
    spec = ParquetDataset(path).element_spec
    assert spec["id"] == TensorSpec((), np.int32)
    assert spec["tags"] == TensorSpec((None,), np.int64)
    assert (spec["kind"], spec["raw"]) == (TensorSpec((), str), TensorSpec((), bytes))


def test_columns_and_row_groups(path):
    assert list(ParquetDataset(path, columns=["kind", "id"], row_groups=[2])) == [
        {"kind": "a", "id": 8},
        {"kind": "b", "id": 9},
    ]


def test_only_the_columns_that_are_used_are_read(path):
    dataset = ParquetDataset(path).filter(lambda row: row["flag"]).shuffle(3, seed=1)
    mapped = dataset.map(lambda row: row["id"] * 2, num_parallel_calls=2)
    assert "columns=('id', 'flag')" in mapped.explain()
    assert sorted(int(x) for x in mapped) == [0, 4, 8, 12, 16]


def test_an_unknown_column_is_named_with_the_closest(path):
    with pytest.raises(InvalidArgumentError, match="has no column 'fair'"):
        ParquetDataset(path, columns=["fair"])


def test_nulls_of_integers_need_a_value(tmp_path):
    path = str(tmp_path / "n.parquet")
    pq.write_table(pa.table({"n": pa.array([1, None, 3]), "b": pa.array([True, False, None])}), path)
    filled = ParquetDataset(path, fill_nulls={"n": -1, "b": True})
    assert [(int(row["n"]), bool(row["b"])) for row in filled] == [(1, True), (-1, False), (3, True)]


@pytest.mark.parametrize("options", WAYS, ids=repr)
def test_a_null_in_a_list_blames_the_row_that_has_it(tmp_path, options):
    path = str(tmp_path / "l.parquet")
    pq.write_table(pa.table({"l": pa.array([[1, 2], [], [3, None], [4]])}), path)
    iterator = iter(ParquetDataset(path).with_options(options))
    assert [next(iterator)["l"].tolist() for _ in range(2)] == [[1, 2], []]
    with pytest.raises(InvalidArgumentError, match="row 2, column l"):
        next(iterator)
    assert next(iterator)["l"].tolist() == [4]


def test_a_damaged_page_is_noticed_by_its_checksum_and_passed_over(path):
    with open(path, "r+b") as file:
        column = pq.read_metadata(path).row_group(1).column(0)
        file.seek(column.dictionary_page_offset + column.total_compressed_size - 3)
        file.write(b"\xff\xff")
    iterator = iter(ParquetDataset(path, columns=["id"]))
    assert [int(next(iterator)["id"]) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(DataLossError, match=f"row group 1 of {path} is corrupt"):
        next(iterator)
    assert [int(row["id"]) for row in iterator] == [8, 9]


def test_a_file_that_is_no_parquet_file_is_named(tmp_path):
    (tmp_path / "a.parquet").write_text("text")
    with pytest.raises(DataLossError, match=r"a\.parquet is not a readable Parquet file"):
        ParquetDataset(str(tmp_path / "a.parquet"))


def test_a_type_that_no_tensor_can_hold_is_named(tmp_path):
    maps = pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int32()))
    pq.write_table(pa.table({"m": maps, "i": [1]}), tmp_path / "a.parquet")
    with pytest.raises(SpecError, match=r"column 'm' has type map(.|\n)*two lists of it"):
        ParquetDataset(str(tmp_path / "a.parquet"))
    assert list(ParquetDataset(str(tmp_path / "a.parquet"), columns=["i"])) == [{"i": 1}]


def test_a_resume_seeks_to_the_row_group(path):
    dataset = ParquetDataset(path, columns=["id"])
    iterator = iter(dataset)
    taken = [int(next(iterator)["id"]) for _ in range(6)]
    state = iterator.state()
    other = iter(dataset)
    other.restore(state)
    assert taken + [int(row["id"]) for row in other] == list(range(10))
    assert state["position"]["state"]["group"] == 1
