"""`list_files`, text lines and CSV records."""

import bz2
import gzip
import lzma
import zlib

import numpy as np
import pyarrow as pa
import pytest

import dataflow as df
from dataflow import CsvDataset, DataLossError, Dataset, InvalidArgumentError, Options, TextLineDataset

LINES = ["one", "two", "", "four"]
TEXT = "\n".join(LINES).encode()
PACKED = {
    ".gz": gzip.compress(TEXT),
    ".bz2": bz2.compress(TEXT),
    ".xz": lzma.compress(TEXT),
    ".zst": pa.compress(TEXT, "zstd", asbytes=True),
    ".lz4": pa.compress(TEXT, "lz4", asbytes=True),
    ".txt": TEXT,
}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 20])
def test_compression_goes_by_the_suffix(tmp_path, suffix, block_bytes):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACKED[suffix])
    assert list(TextLineDataset(path).with_options(Options(block_bytes=block_bytes))) == LINES


@pytest.mark.parametrize(
    ("name", "data"), [("GZIP", gzip.compress(TEXT)), ("ZLIB", zlib.compress(TEXT)), ("", TEXT)]
)
def test_compression_by_name(tmp_path, name, data):
    (tmp_path / "a.gz").write_bytes(data)
    assert list(TextLineDataset(str(tmp_path / "a.gz"), compression_type=name)) == LINES


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    ("data", "lines"), [(b"a\n\rb\n\r", ["a", "b"]), (b"\r\r", []), (b"a\r", ["a"]), (b"\r\n", [""])]
)
def test_carriage_returns_at_the_end_of_a_file_make_no_line(tmp_path, data, lines, block_bytes):
    (tmp_path / "a").write_bytes(data)
    assert list(TextLineDataset(tmp_path / "a").with_options(Options(block_bytes=block_bytes))) == lines


def test_a_dataset_of_what_is_no_path_is_refused():
    with pytest.raises(TypeError, match="filenames must be a dataset of paths"):
        TextLineDataset(Dataset.range(2))


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_truncated_file_gives_what_can_be_read_and_then_an_error(tmp_path, suffix):
    text = "".join(f"line {i * i}\n" for i in range(40_000)).encode()
    packed = gzip.compress(text) if suffix == ".gz" else lzma.compress(text)
    (tmp_path / f"a{suffix}").write_bytes(packed[: len(packed) * 2 // 3])
    (tmp_path / "b").write_text("next")
    counts = []
    for block_bytes in (4096, 1 << 20):
        paths = [str(tmp_path / f"a{suffix}"), str(tmp_path / "b")]
        iterator = iter(TextLineDataset(paths).with_options(Options(block_bytes=block_bytes)))
        lines = []
        with pytest.raises(DataLossError, match="cannot be decompressed"):
            lines.extend(iterator)
        assert next(iterator) == "next"
        counts.append(iterator.state()["position"]["state"]["file"])
    assert counts[0] == counts[1]


def test_a_dataset_of_paths(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name}1\n{name}2\n")
    files = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert list(TextLineDataset(files)) == ["a1", "a2", "b1", "b2"]


def test_globs_do_not_cross_folders_and_no_match_says_where_it_looked(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.txt").touch()
    with pytest.raises(df.NotFoundError, match=r"no file matches .*\*\.txt"):
        Dataset.list_files(str(tmp_path / "*.txt"))
    assert len(Dataset.list_files(str(tmp_path / "*" / "*.txt"))) == 1


def test_a_split_of_shuffled_files_is_warned_about(tmp_path):
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.warns(df.PlanWarning, match="use shuffle=False"):
        Dataset.list_files(str(tmp_path / "*")).take(1)


def test_remote_files_are_read_by_their_url():
    import fsspec

    fsspec.filesystem("memory").pipe({"/remote/a.csv": b"1,x\n2,y\n", "/remote/b.csv": b"3,z\n"})
    files = Dataset.list_files("memory://remote/*.csv", shuffle=False)
    assert list(CsvDataset(files, [int, str])) == [(1, "x"), (2, "y"), (3, "z")]


@pytest.fixture
def taxi(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,fare,note\n1,2.5,"a, b"\n2,,"line\nend"\n3,4.5,NA\n')
    return str(path)


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_csv_with_a_header_gives_dicts(taxi, block_bytes):
    dataset = CsvDataset(taxi, [int, -1.0, "none"], header=True, na_value="NA")
    assert list(dataset.with_options(Options(block_bytes=block_bytes))) == [
        {"id": 1, "fare": 2.5, "note": "a, b"},
        {"id": 2, "fare": -1.0, "note": "line\nend"},
        {"id": 3, "fare": 4.5, "note": "none"},
    ]


def test_csv_columns_by_name_or_position(taxi):
    assert next(iter(CsvDataset(taxi, {"fare": 0.0}, header=True))) == {"fare": 2.5}
    assert list(CsvDataset(taxi, [int, 0.0], header=True, select_cols=[0, 1]))[1] == {"id": 2, "fare": 0.0}
    first = next(iter(CsvDataset(taxi, [str, str], header=True, exclude_cols=[1])))
    assert first == {"id": "1", "note": "a, b"}


def test_csv_dtypes(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3.5,4.5,x\n")
    (row,) = CsvDataset(str(tmp_path / "a.csv"), [np.int32, np.int64, np.float32, np.float64, str])
    assert [type(value) for value in row] == [np.int32, np.int64, np.float32, np.float64, str]


def test_an_unknown_csv_column_is_named_with_the_closest(taxi):
    with pytest.raises(InvalidArgumentError, match=r"has no column 'fair'\n.*did you mean 'fare'"):
        CsvDataset(taxi, {"fair": 0.0}, header=True)


def test_a_csv_file_without_its_header_is_named_and_passed_over(tmp_path, taxi):
    (tmp_path / "empty.csv").touch()
    iterator = iter(CsvDataset([str(tmp_path / "empty.csv"), taxi], [int, 0.0, ""], header=False))
    with pytest.raises(InvalidArgumentError):
        list(iterator)
    dataset = CsvDataset([taxi, str(tmp_path / "empty.csv"), taxi], [int, 0.0, ""], header=True)
    iterator = iter(dataset)
    assert [row["id"] for _, row in zip(range(3), iterator, strict=False)] == [1, 2, 3]
    with pytest.raises(InvalidArgumentError, match=r"empty\.csv has no header"):
        next(iterator)
    assert [row["id"] for row in iterator] == [1, 2, 3]


def test_csv_records_that_are_bad_are_passed_over(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,a\n2\n3,c\nx,d\n5,e")
    for block_bytes in (1, 5, 1 << 20):
        iterator = iter(CsvDataset(str(path), [int, ""]).with_options(Options(block_bytes=block_bytes)))
        found = []
        for _ in range(5):
            try:
                found.append(next(iterator))
            except InvalidArgumentError as error:
                found.append(error.location.record)
        assert found == [(1, "a"), 2, (3, "c"), 4, (5, "e")]
