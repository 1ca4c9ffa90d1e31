"""`FixedLengthRecordDataset`."""

import gzip

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, FixedLengthRecordDataset, InvalidArgumentError, Options


def events(dataset, block_bytes=1 << 20):
    iterator, found = iter(dataset.with_options(Options(block_bytes=block_bytes))), []
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except InvalidArgumentError as error:
            found.append(error.message)


@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("data", "sizes", "records"),
    [
        (b"aabbcc", (2,), [b"aa", b"bb", b"cc"]),
        (b"HHaabbF", (2, 2, 1), [b"aa", b"bb"]),
        (b"HHaa", (2, 2, None), [b"aa"]),
        (b"aaFFF", (2, None, 3), [b"aa"]),
        (b"HF", (5, 1, 1), []),
        (b"", (2,), []),
        (b"\x00\xff\n", (1,), [b"\x00", b"\xff", b"\n"]),
    ],
)
@pytest.mark.parametrize("name", ["", "GZIP"])
def test_records_between_header_and_footer(tmp_path, data, sizes, records, block_bytes, name):
    (tmp_path / "a").write_bytes(gzip.compress(data) if name else data)
    paths = [str(tmp_path / "a")] * 2
    assert events(FixedLengthRecordDataset(paths, *sizes, compression_type=name), block_bytes) == records * 2


def test_elements_are_scalars_of_bytes(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(8)))
    dataset = FixedLengthRecordDataset(tmp_path / "a", np.int64(4))
    assert dataset.element_spec == df.TensorSpec((), bytes)
    assert [batch.tolist() for batch in dataset.batch(2)] == [[b"\x00\x01\x02\x03", b"\x04\x05\x06\x07"]]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_a_plain_file_of_a_wrong_size_gives_no_record(tmp_path, block_bytes):
    (tmp_path / "a").write_bytes(b"HaabbcF")
    (tmp_path / "b").write_bytes(b"HccF")
    found = events(FixedLengthRecordDataset([tmp_path / "a", tmp_path / "b"], 2, 1, 1), block_bytes)
    text = "the file has 7 bytes, which is not a header of 1, records of 2 and a footer of 1"
    assert found == [text, b"cc"]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    ("data", "records", "size"),
    [(b"HHaabbcF", [b"aa", b"bb"], "8"), (b"HH", [], "2"), (b"H", [], "fewer than 2")],
)
def test_a_compressed_file_of_a_wrong_size_gives_its_whole_records(
    tmp_path, data, records, size, block_bytes
):
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    found = events(FixedLengthRecordDataset(tmp_path / "a.gz", 2, 2, 1), block_bytes)
    text = f"the file has {size} bytes, which is not a header of 2, records of 2 and a footer of 1"
    assert found == [*records, text]


def test_the_error_names_the_file(tmp_path):
    (tmp_path / "odd").write_bytes(b"abc")
    with pytest.raises(InvalidArgumentError, match=r"3 bytes.*\n.*file .*/odd\n"):
        list(FixedLengthRecordDataset(tmp_path / "odd", 2))
    (tmp_path / "odd").write_bytes(b"a")
    with pytest.raises(InvalidArgumentError, match="1 bytes"):
        list(FixedLengthRecordDataset(tmp_path / "odd", 2, header_bytes=3))


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ((0,), "record_bytes must be an integer of at least 1, not 0"),
        ((-1,), "record_bytes .* not -1"),
        ((2, -1), "header_bytes must be an integer of at least 0, not -1"),
        ((2, 0, -3), "footer_bytes .* not -3"),
    ],
)
def test_wrong_sizes_are_refused_at_once(sizes, text):
    with pytest.raises(InvalidArgumentError, match=text):
        FixedLengthRecordDataset("a", *sizes)
    with pytest.raises(TypeError, match=r"record_bytes must be an integer, not 2\.0"):
        FixedLengthRecordDataset("a", 2.0)


def test_records_longer_than_a_block(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000 + b"y" * 1000 + b"F" * 500)
    found = events(FixedLengthRecordDataset(tmp_path / "a", 1000, footer_bytes=500), 64)
    assert found == [b"x" * 1000, b"y" * 1000]


def test_datasets_of_paths_and_interleaved_files(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(f"{name}1{name}2")
    files = Dataset.list_files(str(tmp_path / "*"), shuffle=False)
    assert list(FixedLengthRecordDataset(files, 2)) == [b"a1", b"a2", b"b1", b"b2"]
    assert list(FixedLengthRecordDataset(files, 2, num_parallel_reads=2)) == [b"a1", b"b1", b"a2", b"b2"]


def test_a_resume_seeks_to_the_record(tmp_path):
    (tmp_path / "a").write_bytes(b"HHaabbcc")
    dataset = FixedLengthRecordDataset(tmp_path / "a", 2, 2).with_options(Options(block_bytes=1))
    iterator = iter(dataset)
    assert [next(iterator), next(iterator)] == [b"aa", b"bb"]
    (tmp_path / "a").write_bytes(b"------cc")
    again = iter(dataset)
    again.restore(iterator.state())
    assert list(again) == [b"cc"]
