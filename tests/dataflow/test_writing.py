"""`write_parquet` and `write_csv`: what is in the files, and what is refused."""

import datetime
import glob
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from dataflow import (
    AlreadyExistsError,
    CsvDataset,
    DataLossError,
    Dataset,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Options,
    ParquetDataset,
    SpecError,
    TensorSpec,
    read_manifest,
    writing,
)
from dataflow.storage import files


@pytest.fixture(params=["local", "memory"])
def path(request, tmp_path):
    return str(tmp_path / "out") if request.param == "local" else f"memory://writing{tmp_path}"


def rows_of(dataset):
    return [{key: plain(value) for key, value in row.items()} for row in dataset]


def plain(value):
    if isinstance(value, np.datetime64):
        return value
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def listed(path):
    return [(file.path, file.rows) for file in read_manifest(path).files]


def manifest_file(path):
    return files.join(os.fspath(path), "_manifest.json")


ROWS = 10
SPEC = {
    "i8": TensorSpec((), np.int8),
    "u64": TensorSpec((), np.uint64),
    "f16": TensorSpec((), np.float16),
    "f32": TensorSpec((), np.float32),
    "f64": TensorSpec((), np.float64),
    "flag": TensorSpec((), bool),
    "text": TensorSpec((), str),
    "data": TensorSpec((), bytes),
    "day": TensorSpec((), "datetime64[D]"),
    "time": TensorSpec((), "datetime64[ns]"),
    "vector": TensorSpec((2,), np.float32),
    "list": TensorSpec((None,), np.int64),
    "words": TensorSpec((None, 2), str),
}


def every_kind():
    rows = [
        {
            "i8": -i,
            "u64": 2**64 - 1 - i,
            "f16": i / 4,
            "f32": np.float32(0.1) * i,
            "f64": float("nan") if i == 3 else 0.1 * i,
            "flag": i % 2 == 0,
            "text": None if i == 5 else "é\n" * i,
            "data": bytes([i, 0, 255]),
            "day": np.datetime64(i, "D"),
            "time": np.datetime64(i, "ns"),
            "vector": [i, i / 2],
            "list": [i] * (i % 3),
            "words": np.array([["a", str(i)]] * (i % 2), object).reshape(-1, 2),
        }
        for i in range(ROWS)
    ]
    return Dataset.from_generator(lambda: iter(rows), output_signature=SPEC)


def test_parquet_gives_every_kind_of_value_back(path):
    every_kind().write_parquet(path, rows_per_file=4)
    found = ParquetDataset(manifest_file(path))
    assert listed(path) == [("part-00000.parquet", 4), ("part-00001.parquet", 4), ("part-00002.parquet", 2)]
    assert repr(rows_of(found)) == repr(rows_of(every_kind()))
    assert {k: v.dtype for k, v in found.element_spec.items()} == {k: v.dtype for k, v in SPEC.items()}


def test_columns_are_named_by_keys_and_positions(tmp_path):
    Dataset.range(2).map(lambda x: (x, {"y": x / 2})).write_parquet(tmp_path)
    assert pq.read_table(tmp_path / "part-00000.parquet").to_pydict() == {"0": [0, 1], "1/y": [0.0, 0.5]}
    assert read_manifest(tmp_path).schema == (("0", "int64"), ("1/y", "double"))


def test_a_batch_is_a_row_of_lists(tmp_path):
    Dataset.range(4).batch(2, drop_remainder=True).write_parquet(tmp_path)
    assert pq.read_table(tmp_path / "part-00000.parquet")["value"].to_pylist() == [[0, 1], [2, 3]]


def test_the_result_says_what_there_is(tmp_path):
    result = Dataset.range(10).write_parquet(tmp_path / "a", rows_per_file=4)
    sizes = [os.path.getsize(file) for file in glob.glob(str(tmp_path / "a" / "part*"))]
    assert (result.files, result.rows, result.bytes, result.rows_before) == (3, 10, sum(sizes), 0)
    assert repr(result).startswith("<10 rows in 3 files, 0.0 MB, at /")


def test_the_manifest_has_checksums_and_verifies_them(path):
    Dataset.range(10).write_parquet(path, rows_per_file=4)
    manifest = read_manifest(path)
    manifest.verify()
    assert (manifest.rows, manifest.complete, manifest.format) == (10, True, "parquet")
    data = bytearray(files.read_bytes(manifest.paths[1]))
    data[50] ^= 1
    with files.atomic_writer(manifest.paths[1]) as file:
        file.write(data)
    with pytest.raises(DataLossError, match=r"part-00001.parquet is not as it was written.*another checksum"):
        manifest.verify()


def test_pages_have_checksums_and_row_groups_a_size(tmp_path):
    Dataset.range(300_000).write_parquet(tmp_path, compression="snappy")
    metadata = pq.read_metadata(tmp_path / "part-00000.parquet")
    assert [metadata.row_group(i).num_rows for i in range(3)] == [131072, 131072, 37856]
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    place = tmp_path / "part-00000.parquet"
    data = bytearray(place.read_bytes())
    data[5000] ^= 1
    place.write_bytes(data)
    with pytest.raises(DataLossError, match="corrupt"):
        list(ParquetDataset(str(place)).batch(1000))


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_blocks_do_not_change_the_files(tmp_path, block_bytes):
    texts = Dataset.range(100).map(lambda x: {"x": x, "f": x / 3, "odd": x % 3})
    texts = texts.with_options(Options(block_bytes=block_bytes, memory_bytes=1000))
    texts.write_parquet(tmp_path / "plain", rows_per_file=30)
    texts.write_parquet(tmp_path / "by", rows_per_file=5, partition=["odd"])
    assert [rows for _, rows in listed(tmp_path / "plain")] == [30, 30, 30, 10]
    # 40 bytes a row make steps of 25 rows: 9 of one partition and 8 of the others
    assert sorted(rows for _, rows in listed(tmp_path / "by")) == sorted([5, 4, 5, 3, 5, 3] * 4)
    other = texts.with_options(Options(block_bytes=333))
    other.write_parquet(tmp_path / "plain2", rows_per_file=30)
    other.write_parquet(tmp_path / "by2", rows_per_file=5, partition=["odd"])
    for name in ("plain", "by"):
        assert read_manifest(tmp_path / name).files == read_manifest(tmp_path / f"{name}2").files


def test_no_rows_make_one_file_that_tells_the_columns(path):
    Dataset.range(5).filter(lambda x: x < 0).write_parquet(path)
    assert listed(path) == [("part-00000.parquet", 0)]
    found = ParquetDataset(manifest_file(path))
    assert (list(found), found.element_spec) == ([], {"value": TensorSpec((), np.int64)})


def test_other_readers_of_directories_see_the_rows_only(tmp_path):
    Dataset.range(10).write_parquet(tmp_path, rows_per_file=4)
    assert pd.read_parquet(tmp_path)["value"].tolist() == list(range(10))
    assert pq.read_table(tmp_path)["value"].to_pylist() == list(range(10))


# Partitions ------------------------------------------------------------------------------------


def sales():
    table = pa.table(
        {
            "year": [2024, 2023, 2024, 2023, 2024],
            "kind": ["a/b", "x y", None, "x y", "a/b"],
            "id": [0, 1, 2, 3, 4],
        }
    )
    return Dataset.from_arrow(table)


def test_partitions_are_directories_as_of_hive(path):
    sales().write_parquet(path, partition=["year", "kind"])
    assert listed(path) == [
        ("year=2024/kind=a%2Fb/part-00000.parquet", 2),
        ("year=2024/kind=__HIVE_DEFAULT_PARTITION__/part-00001.parquet", 1),
        ("year=2023/kind=x%20y/part-00002.parquet", 2),
    ]
    manifest = read_manifest(path)
    assert [dict(file.partition) for file in manifest.files][1] == {"year": "2024", "kind": None}
    ids = [[int(row["id"]) for row in ParquetDataset(place)] for place in manifest.paths]
    assert ids == [[0, 4], [2], [1, 3]]
    assert list(ParquetDataset(manifest.paths[0]).element_spec) == ["id"]


def test_arrow_reads_partitions_back(tmp_path):
    sales().write_parquet(tmp_path, partition=["year", "kind"])
    found = pa.dataset.dataset(tmp_path, partitioning="hive").to_table().sort_by("id")
    assert found.to_pydict() == {
        "id": [0, 1, 2, 3, 4],
        "year": [2024, 2023, 2024, 2023, 2024],
        "kind": ["a/b", "x y", None, "x y", "a/b"],
    }


def test_our_reader_gives_partitions_back(path):
    sales().write_parquet(path, partition=["year", "kind"])
    found = sorted(rows_of(ParquetDataset(path)), key=lambda row: row["id"])
    assert [(row["year"], row["kind"]) for row in found] == [
        (2024, "a/b"), (2023, "x y"), (2024, None), (2023, "x y"), (2024, "a/b"),
    ]  # fmt: skip


def test_rows_are_collected_by_partition_within_a_budget(tmp_path):
    numbers = Dataset.range(1000).map(lambda x: {"x": x, "odd": x % 2})
    numbers.with_options(Options(memory_bytes=3200)).write_parquet(tmp_path, partition=["odd"])
    assert len(listed(tmp_path)) == 20  # 32 bytes a row make steps of 100 rows
    found = [int(row["x"]) for row in ParquetDataset(manifest_file(tmp_path))]
    assert sorted(found) == list(range(1000))
    assert found[:50] == list(range(0, 100, 2))


def test_rows_per_file_holds_within_a_partition(tmp_path):
    Dataset.range(10).map(lambda x: {"x": x, "odd": x % 2}).write_parquet(
        tmp_path, rows_per_file=2, partition=["odd"]
    )
    assert [rows for _, rows in listed(tmp_path)] == [2, 2, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "true"),
        (1.5, "1.5"),
        (np.datetime64("2024-02-03"), "2024-02-03"),
        ("ü=%", "%C3%BC%3D%25"),
        ("", ""),
    ],
)
def test_values_of_partitions_are_text(tmp_path, value, name):
    Dataset.from_tensors({"k": value, "x": 1}).write_parquet(tmp_path, partition=["k"])
    assert listed(tmp_path) == [(f"k={name}/part-00000.parquet", 1)]


def test_too_many_partitions_are_refused(tmp_path):
    ids = Dataset.range(20_000).map(lambda x: {"id": x, "x": x})
    with pytest.raises(InvalidArgumentError, match=r"\['id'\] have more than 10000 different values"):
        ids.write_parquet(tmp_path, partition=["id"])


# CSV -------------------------------------------------------------------------------------------

TEXTS = ["plain", "a,b", 'say "x"', "two\nlines", "cr\rlf\r\n", " lead", "tab\t", "#no", "é", "0x1", "nul,"]
FLOATS = [0.1, -0.0, 1e300, 5e-324, 123456789.123, 1 / 3, 1e16, 2.0, -1e-7, float("inf"), float("nan")]


def table():
    return pa.table(
        {
            "text": TEXTS,
            "f64": FLOATS,
            "f32": pa.array(np.array(FLOATS, np.float64).clip(-1e30, 1e30).astype(np.float32)),
            "i64": pa.array([2**63 - 1 - i for i in range(len(TEXTS))]),
            "flag": [i % 2 == 0 for i in range(len(TEXTS))],
            "day": pa.array([datetime.date(2024, 2, 1 + i) for i in range(len(TEXTS))]),
            "time": pa.array([1_700_000_000_123_456 + i for i in range(len(TEXTS))], pa.timestamp("us")),
        }
    )


def test_our_reader_gives_the_values_of_a_csv_back(path):
    wanted = table().select(["text", "f64", "f32", "i64"])
    Dataset.from_arrow(wanted).write_csv(path, rows_per_file=4)
    kinds = [str, np.float64, np.float32, np.int64]
    found = CsvDataset(read_manifest(path).paths, kinds, header=True)
    assert repr(rows_of(found)) == repr(rows_of(Dataset.from_arrow(wanted)))


@pytest.mark.parametrize(
    ("compression", "suffix"), [(None, ""), ("gzip", ".gz"), ("ZSTD", ".zst"), ("bz2", ".bz2")]
)
def test_pandas_gives_the_values_of_a_csv_back(tmp_path, compression, suffix):
    Dataset.from_arrow(table()).write_csv(tmp_path, compression=compression)
    assert listed(tmp_path) == [(f"part-00000.csv{suffix}", len(TEXTS))]
    if suffix == ".zst":
        pytest.importorskip("zstandard")
    exact = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}
    found = pd.read_csv(tmp_path / f"part-00000.csv{suffix}", parse_dates=["day", "time"], **exact)
    wanted = table().to_pandas(date_as_object=False)
    for name in wanted.columns:
        kind = wanted[name].dtype
        assert repr(found[name].astype(kind).tolist()) == repr(wanted[name].tolist()), name


def test_every_codec_of_csv_is_read_by_its_suffix(path):
    for compression in ("gzip", "bz2", "zstd", "lz4"):
        place = files.join(path, compression)
        Dataset.range(5).write_csv(place, compression=compression)
        found = CsvDataset(read_manifest(place).paths, [np.int64], header=True)
        assert [int(row["value"]) for row in found] == [0, 1, 2, 3, 4]


def test_a_null_and_empty_text_differ_in_a_csv(tmp_path):
    texts = pa.table({"a": ["", None, "x"], "b": [1, 2, 3]})
    Dataset.from_arrow(texts).write_csv(tmp_path)
    assert (tmp_path / "part-00000.csv").read_text() == '"a","b"\n"",1\n,2\n"x",3\n'
    options = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    found = pa.csv.read_csv(tmp_path / "part-00000.csv", convert_options=options)
    assert found["a"].to_pylist() == ["", None, "x"]


def test_a_row_with_nothing_but_a_null_is_no_blank_line(tmp_path):
    Dataset.from_arrow(pa.table({"a": ["x", None, "y"]})).write_csv(tmp_path)
    assert (tmp_path / "part-00000.csv").read_text() == '"a"\n"x"\n""\n"y"\n'
    assert len(pd.read_csv(tmp_path / "part-00000.csv")) == 3


def test_header_and_delimiter_of_a_csv(tmp_path):
    Dataset.range(2).map(lambda x: (x, x / 2)).write_csv(tmp_path, header=False, field_delim=";")
    assert (tmp_path / "part-00000.csv").read_text() == "0;0\n1;0.5\n"


def test_each_csv_file_has_a_header(tmp_path):
    Dataset.range(3).write_csv(tmp_path, rows_per_file=2)
    assert [(tmp_path / f"part-0000{i}.csv").read_text() for i in (0, 1)] == [
        '"value"\n0\n1\n',
        '"value"\n2\n',
    ]


def test_a_csv_in_partitions(tmp_path):
    sales().write_csv(tmp_path, partition="year")
    assert (tmp_path / "year=2023" / "part-00001.csv").read_text() == '"kind","id"\n"x y",1\n"x y",3\n'


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rows_per_file": 0}, "rows_per_file must be at least 1, not 0"),
        ({"rows_per_file": 1.5}, "rows_per_file must be at least 1, not 1.5"),
        ({"compression": "rar"}, "compression 'rar' is not known here"),
        ({"partition": ["yeer"]}, "did you mean 'year'"),
        ({"partition": ["year", "year"]}, "must name each column once"),
        ({"partition": ["year", "kind", "id"]}, "leave one for the files"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        sales().write_parquet(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_an_endless_dataset_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="an endless dataset cannot be written"):
        Dataset.counter().write_parquet(tmp_path)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (b"x", "'value' is binary, which a CSV file"),
        ([1, 2], r"call unbatch\(\) first if the dataset is batched"),
    ],
)
def test_what_a_csv_cannot_hold_is_refused(tmp_path, element, message):
    with pytest.raises(SpecError, match=message):
        Dataset.from_tensors(element).write_csv(tmp_path)


def test_what_arrow_cannot_hold_is_refused(tmp_path):
    with pytest.raises(SpecError, match="dtype complex128, which Arrow does not have"):
        Dataset.from_tensors(1j).write_parquet(tmp_path)


def test_another_pipeline_at_the_path_is_refused(path):
    Dataset.range(3).write_parquet(path)
    with pytest.raises(
        AlreadyExistsError, match=r"_manifest.json is of another pipeline.*\n.*overwrite=True"
    ):
        Dataset.range(4).write_parquet(path)
    with pytest.raises(AlreadyExistsError, match=r"with rows_per_file=1000000, not 2"):
        Dataset.range(3).write_parquet(path, rows_per_file=2)
    with pytest.raises(AlreadyExistsError, match=r"with format='parquet', not 'csv'"):
        Dataset.range(3).write_csv(path)
    assert [int(row["value"]) for row in ParquetDataset(manifest_file(path))] == [0, 1, 2]


def test_overwrite_replaces_all(path):
    sales().write_csv(path, rows_per_file=1, partition=["year"])
    Dataset.range(3).write_parquet(path, overwrite=True)
    assert files.list_directory(path) == ["_manifest.json", "part-00000.parquet"]
    again = Dataset.range(3).write_parquet(path, overwrite=True)
    assert (again.rows, again.rows_before) == (3, 0)


def test_files_that_no_manifest_lists_are_not_touched(path):
    files.make_directory(path)
    with files.atomic_writer(files.join(path, "part-00000.parquet")) as file:
        file.write(b"mine")
    for overwrite in (False, True):
        with pytest.raises(AlreadyExistsError, match=r"part-00000.parquet is there, and no _manifest"):
            Dataset.range(3).write_parquet(path, overwrite=overwrite)
    assert files.list_directory(path) == ["part-00000.parquet"]


def test_a_directory_without_a_manifest_says_so(tmp_path):
    with pytest.raises(NotFoundError, match=r"there is no _manifest.json in"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"files": [{"path": "../../etc/part-00000.parquet"}]}, {"schema": 3}]
)
def test_a_corrupt_manifest_is_refused(tmp_path, change):
    Dataset.range(3).write_parquet(tmp_path)
    place = tmp_path / "_manifest.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))
    with pytest.raises(DataLossError, match=r"_manifest.json is not a manifest"):
        ParquetDataset(str(place))


def test_a_manifest_that_leads_out_of_its_directory_is_refused(tmp_path):
    Dataset.range(3).write_parquet(tmp_path)
    place = tmp_path / "_manifest.json"
    place.write_text(place.read_text().replace('"part-', '"../part-'))
    with pytest.raises(DataLossError, match="is not the name of a part"):
        read_manifest(tmp_path)


def test_the_progress_bar_counts_rows(tmp_path, capsys):
    Dataset.range(5).write_parquet(tmp_path, progress=True)
    assert "5.00/5.00 [" in capsys.readouterr().err


def test_progress_may_be_a_function(tmp_path):
    seen = []
    Dataset.range(5).write_parquet(tmp_path, rows_per_file=2, progress=lambda *counts: seen.append(counts))
    assert seen == [(2, 0), (4, 1), (5, 2)]


def test_an_incomplete_manifest_is_not_read_silently(tmp_path):
    def some():
        yield from range(4)
        raise OSError("the network is down")

    numbers = Dataset.from_generator(some, output_signature=TensorSpec((), np.int64))
    with pytest.raises(Exception, match="the network is down"):
        numbers.write_parquet(tmp_path, rows_per_file=3)
    assert not read_manifest(tmp_path).complete
    assert listed(tmp_path) == [("part-00000.parquet", 3)]
    with pytest.raises(FailedPreconditionError, match=r"lists 3 rows, and there are more to be written"):
        ParquetDataset(manifest_file(tmp_path))


def test_partitions_of_a_slow_pipeline_are_written_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "STEP_SECONDS", 0.0)
    rows = Dataset.from_tensor_slices({"k": np.arange(40) % 2, "v": np.arange(40)})
    rows = rows.with_options(Options(block_bytes=160))
    result = rows.write_parquet(str(tmp_path / "out"), partition="k")
    assert (result.rows, result.files) == (40, 8)
    assert sorted(int(row["v"]) for row in ParquetDataset(str(tmp_path / "out"))) == list(range(40))
