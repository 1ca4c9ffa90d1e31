"""Many Parquet files: directories, patterns, partitions, schemas that differ, footers."""

import math
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow import (
    DataLossError,
    Dataset,
    InvalidArgumentError,
    NotFoundError,
    Options,
    ParquetDataset,
    SpecError,
    TensorSpec,
)
from dataflow.storage import parquet_footers

PLAIN = Options(rewrites=False)
SHORTS = pa.list_(pa.int8())


def write(path, columns, **options):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def ids(dataset):
    return [int(row["id"]) for row in dataset]


@pytest.fixture
def lake(tmp_path):
    """Six files, two rows each, by year and city."""
    first = 0
    for year in (2023, 2024, 2025):
        for city in ("Berlin", "São Paulo/BR"):
            name = city.replace("ã", "%C3%A3").replace("/", "%2F")
            write(f"{tmp_path}/lake/year={year}/city={name}/part.parquet", {"id": [first, first + 1]})
            first += 2
    return f"{tmp_path}/lake"


def test_a_directory_gives_its_partitions_as_columns(lake):
    dataset = ParquetDataset(lake)
    assert dataset.element_spec == {
        "id": TensorSpec((), np.int64),
        "year": TensorSpec((), np.int64),
        "city": TensorSpec((), str),
    }
    rows = list(dataset)
    assert len(dataset) == len(rows) == 12
    assert [(int(r["id"]), int(r["year"]), r["city"]) for r in rows][1:4] == [
        (1, 2023, "Berlin"),
        (2, 2023, "São Paulo/BR"),
        (3, 2023, "São Paulo/BR"),
    ]


def test_a_pattern_gives_partitions_if_asked_for(lake):
    pattern = f"{lake}/year=*/city=Berlin/*.parquet"
    assert list(ParquetDataset(pattern).element_spec) == ["id"]
    dataset = ParquetDataset(pattern, partitions={"year": str})
    assert [row["year"] for row in dataset] == ["2023", "2023", "2024", "2024", "2025", "2025"]
    assert list(ParquetDataset(lake, partitions=False).element_spec) == ["id"]


def test_what_is_hidden_or_not_finished_is_no_file_of_a_directory(lake):
    for name in ("_SUCCESS", ".part.crc", "part-1.parquet.3f2a.tmp"):
        with open(f"{lake}/year=2023/{name}", "w"):
            pass
    write(f"{lake}/_old/year=1999/city=Rome/part.parquet", {"id": [99]})
    assert ids(ParquetDataset(lake)) == list(range(12))
    os.makedirs(f"{lake}/../empty")
    with pytest.raises(NotFoundError, match="no files below"):
        ParquetDataset(f"{lake}/../empty")
    with pytest.raises(NotFoundError, match="no file matches"):
        ParquetDataset(f"{lake}/*.csv")


def test_directories_of_other_storage(lake):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(lake, "/lake", recursive=True)
    assert ids(ParquetDataset("memory://lake")) == list(range(12))
    assert [int(row["year"]) for row in ParquetDataset("memory://lake").take(1)] == [2023]


def test_constant_columns_are_not_copied_for_each_row(lake):
    block = ParquetDataset(lake).blocks().read(2)
    by_name = dict(zip(sorted(("id", "year", "city")), block.columns, strict=True))
    assert by_name["year"].strides == by_name["city"].codes.strides == (0,)
    assert len(by_name["city"].dictionary) == 1


def test_partitions_alone_need_no_column_of_the_files(lake):
    years = ParquetDataset(lake).map(lambda row: row["year"])
    assert "columns=()" in years.explain()
    assert [int(x) for x in years] == [2023] * 4 + [2024] * 4 + [2025] * 4
    assert sorted(int(x) for x in years.shuffle(20, seed=1).batch(5).unbatch()) == [int(x) for x in years]


@pytest.mark.parametrize(
    "predicate",
    [
        lambda row: row["year"] == 2024,
        lambda row: (row["year"] > 2023) & (row["year"] <= 2024),
        lambda row: (row["year"] < 2025.5) & (row["year"] >= 2023.5) & (row["id"] < 8),
        lambda row: (row["city"] == "Berlin") & (row["year"] == 2024),
    ],
)
def test_files_that_a_filter_excludes_are_not_opened(lake, predicate):
    dataset = ParquetDataset(lake).filter(predicate)
    wanted = ids(dataset.with_options(PLAIN))
    for city in os.listdir(f"{lake}/year=2023"):
        os.unlink(f"{lake}/year=2023/{city}/part.parquet")
    assert ids(dataset) == wanted != []


def test_positions_mean_the_same_with_and_without_filters_on_partitions(lake):
    dataset = ParquetDataset(lake).filter(lambda row: (row["year"] != 2024) & (row["city"] == "Berlin"))
    saved, resumed = (dataset.with_options(Options(rewrites=r, threads=0)) for r in (True, False))
    for one, other in ((saved, resumed), (resumed, saved)):
        for taken in range(5):
            iterator, again = iter(one), iter(other)
            for _ in range(taken):
                next(iterator)
            again.restore(iterator.state())
            assert ids(again) == [0, 1, 8, 9][taken:]


def test_a_run_of_rows_over_partitions(lake):
    dataset = ParquetDataset(lake)
    parts = [dataset.shard(5, i, contiguous=True) for i in range(5)]
    assert [ids(part) for part in parts] == [[0, 1], [2, 3], [4, 5, 6], [7, 8], [9, 10, 11]]
    assert [int(row["year"]) for row in parts[2]] == [2024, 2024, 2024]


def test_nulls_and_values_that_are_no_numbers(tmp_path):
    for day, number in (("1", 1), ("__HIVE_DEFAULT_PARTITION__", 2), ("x", 3)):
        write(f"{tmp_path}/t/day={day}/a.parquet", {"id": [number]})
    assert [row["day"] for row in ParquetDataset(f"{tmp_path}/t")] == ["1", None, "x"]
    with pytest.raises(InvalidArgumentError, match=r"partition day=x of .* is no int64"):
        ParquetDataset(f"{tmp_path}/t", partitions={"day": int})
    os.unlink(f"{tmp_path}/t/day=x/a.parquet")
    with pytest.raises(InvalidArgumentError, match=r"has a null(.|\n)*fill_nulls=\{'day': 0\}"):
        ParquetDataset(f"{tmp_path}/t")
    assert [int(r["day"]) for r in ParquetDataset(f"{tmp_path}/t", fill_nulls={"day": -1})] == [1, -1]
    days = [float(row["day"]) for row in ParquetDataset(f"{tmp_path}/t", partitions={"day": float})]
    assert (days[0], math.isnan(days[1])) == (1, True)


def test_files_in_other_partitions_and_unknown_names_are_refused(lake):
    with pytest.raises(InvalidArgumentError, match=r"there is no partition 'jahr'(.|\n)*'year'"):
        ParquetDataset(lake, partitions={"jahr": int})
    write(f"{lake}/year=2026/part.parquet", {"id": [1]})
    with pytest.raises(InvalidArgumentError, match=r"in partitions \['year'\], and .* in \['year', 'city'\]"):
        ParquetDataset(lake)


def test_a_partition_takes_the_place_of_a_column_and_can_be_chosen(tmp_path):
    write(f"{tmp_path}/t/year=2024/a.parquet", {"id": [1], "year": [0]})
    assert list(ParquetDataset(f"{tmp_path}/t")) == [{"id": 1, "year": 2024}]
    assert list(ParquetDataset(f"{tmp_path}/t", columns=["year"])) == [{"year": 2024}]


@pytest.fixture
def shards(tmp_path):
    """Files of three schemas."""
    columns = [
        {"id": pa.array([1, 2], pa.int32()), "x": pa.array([1.5, None], pa.float32())},
        {"x": pa.array([2.5], pa.float64()), "id": pa.array([3], pa.int64()), "t": ["a"]},
        {"id": pa.array([4], pa.int16()), "t": pa.array(["b"]).dictionary_encode()},
    ]
    return [write(f"{tmp_path}/{i}.parquet", c) for i, c in enumerate(columns)]


def test_columns_in_another_order_are_fine(tmp_path):
    paths = [
        write(f"{tmp_path}/0.parquet", {"id": [1], "x": [0.5]}),
        write(f"{tmp_path}/1.parquet", {"x": [1.5], "id": [2]}),
    ]
    assert list(ParquetDataset(paths)) == [{"id": 1, "x": 0.5}, {"id": 2, "x": 1.5}]


def test_strict_says_file_by_file_what_differs(shards):
    iterator = iter(ParquetDataset(shards))
    assert [int(next(iterator)["id"]) for _ in range(2)] == [1, 2]
    with pytest.raises(SpecError, match=r'2 of 3 files differ(.|\n)*schema="union"') as caught:
        next(iterator)
    assert caught.value.message.splitlines()[1:] == [
        f"  {shards[1]}: column 'id' is int64, not int32; column 'x' is double, not float; "
        "column 't' is there too",
        f"  {shards[2]}: column 'id' is int16, not int32; column 'x' is missing; column 't' is there too",
    ]


def test_strict_looks_at_chosen_columns_only(tmp_path):
    paths = [
        write(f"{tmp_path}/0.parquet", {"id": [1], "x": [0.5]}),
        write(f"{tmp_path}/1.parquet", {"id": [2], "y": ["a"]}),
    ]
    assert ids(ParquetDataset(paths, columns=["id"])) == [1, 2]


def test_strict_tells_times_with_a_zone_from_those_without(tmp_path):
    paths = [
        write(f"{tmp_path}/{i}.parquet", {"t": pa.array([0], pa.timestamp("us", zone))})
        for i, zone in enumerate(["UTC", "Europe/Berlin", None])
    ]
    assert len(list(ParquetDataset(paths[:2]))) == 2
    for schema in ("strict", "union"):
        with pytest.raises(SpecError, match=r"timestamp\[us\].*timestamp\[us, tz=UTC\]"):
            list(ParquetDataset(paths, schema=schema))


def test_union_has_all_columns_and_types_that_hold_all(shards):
    dataset = ParquetDataset(shards, schema="union")
    assert dataset.element_spec == {
        "id": TensorSpec((), np.int64),
        "x": TensorSpec((), np.float64),
        "t": TensorSpec((), str),
    }
    rows = list(dataset)
    assert [int(row["id"]) for row in rows] == [1, 2, 3, 4]
    np.testing.assert_array_equal([row["x"] for row in rows], [1.5, np.nan, 2.5, np.nan])
    assert [row["t"] for row in rows] == [None, None, "a", "b"]
    filtered = dataset.filter(lambda row: row["x"] > 2)
    assert ids(filtered) == ids(filtered.with_options(PLAIN)) == [3]


def test_union_of_integers_and_floats_and_of_nested_columns(tmp_path):
    paths = [
        write(f"{tmp_path}/0.parquet", {"n": [1], "l": pa.array([[1]], SHORTS), "s": [{"a": 1.0}]}),
        write(f"{tmp_path}/1.parquet", {"n": [0.5], "l": [[2, 3]], "s": [{"b": "x"}]}),
        write(f"{tmp_path}/2.parquet", {"n": pa.nulls(1)}),
    ]  # fmt: skip
    rows = list(ParquetDataset(paths, schema="union"))
    np.testing.assert_array_equal([row["n"] for row in rows], [1.0, 0.5, np.nan])
    assert [row["l"].tolist() for row in rows] == [[1], [2, 3], []]
    assert rows[0]["l"].dtype == np.int64
    assert [row["s"]["b"] for row in rows] == [None, "x", None]


def test_an_integer_that_no_float_holds_is_refused_in_its_row(tmp_path):
    paths = [
        write(f"{tmp_path}/0.parquet", {"id": [5, 2**53 + 1, 7]}),
        write(f"{tmp_path}/1.parquet", {"id": [0.5]}),
    ]
    dataset = ParquetDataset(paths, schema="union")
    with pytest.raises(InvalidArgumentError, match=r"cannot be read as double(.|\n)*row 1, column id, value"):
        list(dataset)
    assert [float(row["id"]) for row in dataset.ignore_errors()] == [5, 7, 0.5]
    assert [float(row["id"]) for row in dataset.ignore_errors().skip(2)] == [0.5]


def test_union_needs_a_value_for_integers_that_are_missing(tmp_path):
    paths = [
        write(f"{tmp_path}/0.parquet", {"id": [1], "n": [5]}),
        write(f"{tmp_path}/1.parquet", {"id": [2]}),
    ]
    with pytest.raises(
        InvalidArgumentError, match=r"'n' .* missing in .*1\.parquet(.|\n)*fill_nulls=\{'n': 0\}"
    ):
        ParquetDataset(paths, schema="union")
    dataset = ParquetDataset(paths, schema="union", fill_nulls={"n": -1})
    assert [int(row["n"]) for row in dataset] == [5, -1]
    assert ids(dataset.filter(lambda row: row["n"] < 0)) == [2]


def test_union_of_what_no_type_holds_is_refused(tmp_path):
    paths = [write(f"{tmp_path}/0.parquet", {"x": [1]}), write(f"{tmp_path}/1.parquet", {"x": ["a"]})]
    with pytest.raises(SpecError, match=r"'x' is string in .*1\.parquet and int64 in .*0\.parquet"):
        ParquetDataset(paths, schema="union")


def test_a_pinned_schema_names_columns_and_dtypes(shards):
    dataset = ParquetDataset(shards[:2], schema={"x": np.float32, "id": "uint8"})
    assert dataset.element_spec == {"x": TensorSpec((), np.float32), "id": TensorSpec((), np.uint8)}
    assert ids(dataset) == [1, 2, 3]
    with pytest.raises(SpecError, match=r"1 of 3 files differ from the schema(.|\n)*'x' is missing"):
        list(ParquetDataset(shards, schema={"x": np.float32, "id": "uint8"}))
    filled = ParquetDataset(shards, schema={"x": np.float32, "id": "uint8"}, fill_nulls={"x": 0.0})
    assert [float(row["x"]) for row in filled] == [1.5, 0, 2.5, 0]


def test_a_pinned_schema_refuses_what_does_not_fit(tmp_path):
    path = write(f"{tmp_path}/0.parquet", {"id": [1, 300, 2], "t": ["a", "b", "c"]})
    dataset = ParquetDataset(path, schema={"id": "uint8"})
    with pytest.raises(InvalidArgumentError, match=r"row 1, column id, value '300'"):
        list(dataset)
    assert ids(dataset.ignore_errors()) == [1, 2]
    with pytest.raises(SpecError, match=r"'t' is string in .* cannot be read as int64"):
        ParquetDataset(path, schema={"t": int})
    with pytest.raises(InvalidArgumentError, match="has no column 'idd'"):
        ParquetDataset(path, schema={"idd": int})
    with pytest.raises(InvalidArgumentError, match="schema must be"):
        ParquetDataset(path, schema="loose")


def test_rounded_values_are_filtered_as_they_are_read(tmp_path):
    path = write(f"{tmp_path}/0.parquet", {"x": [0.1]})
    dataset = ParquetDataset(path, schema={"x": np.float32}).filter(lambda row: row["x"] > 0.1)
    assert len(list(dataset)) == len(list(dataset.with_options(PLAIN)))


def test_a_footer_is_read_once_and_again_when_the_file_has_changed(tmp_path, monkeypatch):
    paths = [write(f"{tmp_path}/{i}.parquet", {"id": [i]}) for i in range(3)]
    read = []
    original = parquet_footers._read
    monkeypatch.setattr(parquet_footers, "_read", lambda path, raw: read.append(path) or original(path, raw))
    parquet_footers.forget()
    for _ in range(2):
        dataset = ParquetDataset(paths, schema="union")
        assert (len(dataset), ids(dataset), ids(dataset.skip(1))) == (3, [0, 1, 2], [1, 2])
    assert sorted(read) == paths
    write(paths[1], {"id": [5, 6]})
    assert ids(ParquetDataset(paths)) == [0, 5, 6, 2]
    assert sorted(read) == sorted([*paths, paths[1]])


def test_kept_footers_are_bounded(tmp_path, monkeypatch):
    parquet_footers.forget()
    monkeypatch.setattr(parquet_footers, "KEPT_BYTES", 2000)
    paths = [write(f"{tmp_path}/{i}.parquet", {"id": [i]}) for i in range(30)]
    assert ids(ParquetDataset(paths)) == list(range(30))
    kept = parquet_footers._kept
    assert 0 < kept.bytes == sum(f.metadata.serialized_size for f in kept.footers.values()) <= 2000
    assert len(kept.outlines) == 30


def test_files_that_are_none(tmp_path):
    good = write(f"{tmp_path}/good.parquet", {"id": [1]})
    with open(good, "rb") as file:
        data = file.read()
    cases = {
        "empty": (b"", "it is empty"),
        "text": (b"some text, long enough", "does not begin and end with PAR1"),
        "cut": (data[:-9], "it is cut off"),
        "encrypted": (b"PARE" + data[4:-4] + b"PARE", "is an encrypted Parquet file"),
        "footer": (data[:-200] + bytes(192) + data[-8:], "not a readable Parquet file"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(DataLossError, match=rf"{name}\.parquet .*{message}|{message}"):
            ParquetDataset(str(path))
        dataset = ParquetDataset([good, str(path), good])
        assert ids(dataset.ignore_errors()) == [1, 1]


def test_rows_that_are_lost_are_counted_and_their_column_is_named(tmp_path):
    path = write(
        f"{tmp_path}/a.parquet", {"id": list(range(1000)), "x": list(range(1000))}, row_group_size=500,
        write_page_checksum=True, use_dictionary=False, data_page_size=800, compression="none",
        write_batch_size=50,
    )  # fmt: skip
    column = pq.read_metadata(path).row_group(1).column(1)
    with open(path, "r+b") as file:
        file.seek(column.data_page_offset + column.total_compressed_size - 5)
        file.write(b"\x99")
    iterator = iter(ParquetDataset(path).with_options(Options(block_bytes=800)))
    seen: list[int] = []
    with pytest.raises(DataLossError, match=r"column 'x' of row group 1 .* corrupt") as caught:
        seen.extend(int(row["id"]) for row in iterator)
    assert f"{1000 - len(seen)} of its 500 rows are lost" in str(caught.value)
    assert 500 < len(seen) < 1000
    assert caught.value.location.record == len(seen) - 500
    assert list(iterator) == []
    assert len(ids(ParquetDataset(path, columns=["id"]))) == 1000


def test_several_directories_patterns_and_files_at_once(lake):
    paths = [f"{lake}/year=2024", f"{lake}/year=2023/*/part.parquet"]
    with pytest.raises(InvalidArgumentError, match=r"in partitions \['year', 'city'\]"):
        ParquetDataset(paths)
    paths = [f"{lake}/year={year}/city=Berlin/part.parquet" for year in (2025, 2023)]
    assert [int(row["year"]) for row in ParquetDataset(paths, partitions=True)] == [2025, 2025, 2023, 2023]
    pinned = ParquetDataset(paths, partitions=True, schema={"id": "int32", "year": "int16"})
    assert pinned.element_spec["year"] == TensorSpec((), np.int16)


def test_a_directory_that_was_written_here(tmp_path):
    rows = Dataset.range(4).map(lambda i: {"id": i, "odd": i % 2})
    rows.write_parquet(f"{tmp_path}/out", partition=["odd"])
    for path in (f"{tmp_path}/out", f"{tmp_path}/out/_manifest.json"):
        found = {(int(row["id"]), int(row["odd"])) for row in ParquetDataset(path)}
        assert found == {(0, 0), (1, 1), (2, 0), (3, 1)}


def test_a_code_without_an_entry_is_no_row(tmp_path):
    path = write(f"{tmp_path}/a.parquet", {"t": ["a", "b", "c"] * 100}, compression="none")
    with open(path, "rb") as file:
        data = file.read()
    start = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    codes = start + 40  # amid the codes of two bits, of which three are in use
    with open(path, "wb") as file:
        file.write(data[:codes] + b"\xff" * 8 + data[codes + 8 :])
    with pytest.raises(DataLossError, match="300 of its 300 rows are lost"):
        list(ParquetDataset(path))
