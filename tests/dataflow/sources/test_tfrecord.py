"""`TFRecordDataset` and `TFRecordWriter`."""

import gzip
import json
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dataflow as df
from dataflow import DataLossError, Dataset, Options, TFRecordDataset, TFRecordWriter
from dataflow.testing import check
from tests.reference.records_reference import frame

RECORDS = [b"", b"123456789", b"\x00\xff\n\r", b"a" * 40]
# RECORDS, written by tf.io.TFRecordWriter of TensorFlow 2.15.1
PLAIN = bytes.fromhex(
    "000000000000000029039807d8ea82a2090000000000000037f97139313233343536373839e5b08ac704000000000000"
    "004245520400ff0a0d0fa358622800000000000000ff70164a" + "61" * 40 + "03c19591"
)
GZIP = bytes.fromhex(
    "1f8b0800000000000003636080004de619ec375e352de284f2cd7f165a1a1a199b989a995b583eddd0759c052ae1e41a"
    "c4c2f09f8b977f7144920654ec7f819857229180f9e0d48900cb1bc4e175000000"
)
ZLIB = bytes.fromhex(
    "789c636080004de619ec375e352de284f2cd7f165a1a1a199b989a995b583eddd0759c052ae1e41ac4c2f09f8b977f71"
    "44920654ec7f819857229180f9e0d48900591d20c4"
)
STARTS = [0, 16, 41, 61]
"""Where the frames of PLAIN begin."""


def write(path, records, options=None):
    with TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def events(dataset, block_bytes=1 << 20):
    """Return the elements, and (number of the record, first line of the message) for errors."""
    iterator, found = iter(dataset.with_options(Options(block_bytes=block_bytes))), []
    while True:
        try:
            found.append(next(iterator))
        except StopIteration:
            return found
        except DataLossError as error:
            found.append((error.location.record, error.message))


@pytest.mark.parametrize(("name", "data"), [(None, PLAIN), ("", PLAIN), ("GZIP", GZIP), ("ZLIB", ZLIB)])
@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
def test_files_of_tensorflow_are_read(tmp_path, name, data, block_bytes):
    (tmp_path / "a").write_bytes(data)
    assert events(TFRecordDataset(tmp_path / "a", name), block_bytes) == RECORDS


def test_files_are_written_as_tensorflow_does(tmp_path):
    assert (tmp_path / write(tmp_path / "a", RECORDS)).read_bytes() == PLAIN
    packed = {
        name: (tmp_path / write(tmp_path / name, RECORDS, name)).read_bytes() for name in ("GZIP", "ZLIB")
    }
    assert gzip.decompress(packed["GZIP"]) == zlib.decompress(packed["ZLIB"]) == PLAIN


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst", ".lz4", ".xz"])
def test_the_writer_compresses_by_the_suffix_as_the_dataset_does(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", RECORDS)
    assert list(TFRecordDataset(path)) == RECORDS
    with open(path, "rb") as file:
        assert (file.read() == PLAIN) == (suffix == "")


def test_elements_are_scalars_of_bytes(tmp_path):
    dataset = TFRecordDataset(write(tmp_path / "a", RECORDS))
    assert dataset.element_spec == df.TensorSpec((), bytes)
    assert [batch.tolist() for batch in dataset.batch(3)] == [RECORDS[:3], RECORDS[3:]]


def test_many_records_come_in_one_block(tmp_path):
    path = write(tmp_path / "a", [str(i).encode() for i in range(1000)])
    iterator = iter(TFRecordDataset(path))
    next(iterator)
    position = iterator.state()["position"]
    assert position == {"state": position["state"], "skip": 1}
    assert [int(record) for record in iterator] == list(range(1, 1000))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_records_longer_than_a_block(tmp_path, suffix):
    records = [b"x" * 5000, b"", np.random.default_rng(1).bytes(100_000), b"y"]
    path = write(tmp_path / f"a{suffix}", records)
    assert events(TFRecordDataset([path, path]), 64) == records * 2


def test_datasets_of_paths_and_interleaved_files(tmp_path):
    paths = [write(tmp_path / name, [name.encode() + b"1", name.encode() + b"2"]) for name in "ab"]
    in_turn = [b"a1", b"b1", b"a2", b"b2"]
    files = Dataset.list_files(str(tmp_path / "*"), shuffle=False)
    assert list(TFRecordDataset(files)) == list(files.flat_map(TFRecordDataset)) == sorted(in_turn)
    assert list(TFRecordDataset(paths, num_parallel_reads=2)) == in_turn
    assert list(files.interleave(TFRecordDataset, cycle_length=2)) == in_turn


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_a_bad_record_raises_in_its_place_and_the_next_goes_on(tmp_path, block_bytes):
    data = bytearray(PLAIN)
    data[16 + 12] ^= 1
    (tmp_path / "a").write_bytes(data)
    found = events(TFRecordDataset(tmp_path / "a"), block_bytes)
    error = (1, "the record does not match its checksum (at byte 16)")
    assert found == [b"", error, *RECORDS[2:]]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("at", [41, 48, 49, 52])
def test_a_bad_length_passes_over_the_rest_of_the_file(tmp_path, block_bytes, at):
    data = bytearray(PLAIN)
    data[at] ^= 1
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(PLAIN)
    found = events(TFRecordDataset([tmp_path / "a", tmp_path / "b"]), block_bytes)
    error = (2, "the length of the record does not match its checksum (at byte 41)")
    assert found == [*RECORDS[:2], error, *RECORDS]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize(("cut", "whole"), [(42, "at least 16"), (52, "at least 16"), (53, "20"), (60, "20")])
def test_a_truncated_file_gives_what_is_whole_and_then_an_error(tmp_path, block_bytes, cut, whole):
    (tmp_path / "a").write_bytes(PLAIN[:cut])
    (tmp_path / "b").write_bytes(PLAIN)
    found = events(TFRecordDataset([tmp_path / "a", tmp_path / "b"]), block_bytes)
    error = (2, f"the file ends inside the record: it has {cut - 41} of {whole} bytes (at byte 41)")
    assert found == [*RECORDS[:2], error, *RECORDS]


def test_errors_name_the_file_the_record_and_what_to_do(tmp_path):
    (tmp_path / "a").write_bytes(b"id,fare\n1,2.5\n")
    with pytest.raises(DataLossError, match=r"file .*/a, record 0\n(.*\n)*.*is no TFRecord file"):
        list(TFRecordDataset(tmp_path / "a"))
    (tmp_path / "a.gz").write_bytes(GZIP[:-20])
    with pytest.raises(DataLossError, match=r"a\.gz cannot be decompressed(.*\n)*.*file .*/a\.gz, record \d"):
        list(TFRecordDataset(tmp_path / "a.gz"))


def test_an_endless_length_is_a_truncated_file(tmp_path):
    (tmp_path / "a").write_bytes(frame(b"one") + b"\xff" * 8 + frame(b"\xff" * 8)[-4:] + b"abcd")
    found = events(TFRecordDataset(tmp_path / "a"))
    assert found == [
        b"one",
        (1, f"the file ends inside the record: it has 16 of {2**64 + 15} bytes (at byte 19)"),
    ]


def test_a_resume_seeks_to_the_record(tmp_path):
    data = bytearray(PLAIN)
    data[16 + 12] ^= 1
    (tmp_path / "a").write_bytes(data)
    dataset = TFRecordDataset(tmp_path / "a").ignore_errors().with_options(Options(block_bytes=1))
    iterator = iter(dataset)
    assert [next(iterator), next(iterator)] == [b"", RECORDS[2]]
    state = json.loads(json.dumps(iterator.state()))
    (tmp_path / "a").write_bytes(bytes(61) + PLAIN[61:])  # what is behind the position is not read again
    again = iter(dataset)
    again.restore(state)
    assert list(again) == RECORDS[3:]


def test_errors_count_records_over_bad_ones_and_a_resume(tmp_path):
    data = bytearray(PLAIN)
    data[16 + 12] ^= 1
    data[61 + 12] ^= 1
    (tmp_path / "a").write_bytes(data)
    dataset = TFRecordDataset(tmp_path / "a")
    assert [event[0] for event in events(dataset) if isinstance(event, tuple)] == [1, 3]
    iterator = iter(dataset)
    next(iterator)
    with pytest.raises(DataLossError, match="record 1"):
        next(iterator)
    assert next(iterator) == RECORDS[2]
    again = iter(dataset)
    again.restore(iterator.state())
    with pytest.raises(DataLossError, match=r"at byte 61\)\n.*record 3"):
        next(again)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=6), st.sampled_from([1, 50, 1 << 20]), st.booleans())
def test_what_is_written_is_read(tmp_path, records, block_bytes, packed):
    path = write(tmp_path / ("a.gz" if packed else "a"), records)
    assert events(TFRecordDataset(path), block_bytes) == records


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(PLAIN) - 1),
    st.integers(1, 255),
    st.none() | st.integers(1, 116),
    st.sampled_from([1, 1 << 20]),
)
def test_no_damage_gives_a_wrong_record(tmp_path, at, change, cut, block_bytes):
    data = bytearray(PLAIN)
    data[at] ^= change
    (tmp_path / "a").write_bytes(data[:cut])
    found = events(TFRecordDataset(tmp_path / "a"), block_bytes)
    before = max(i for i, start in enumerate(STARTS) if start <= at)
    if cut is not None and cut <= at:
        before = max(i for i, start in enumerate(STARTS) if start <= cut)
    errors = [event for event in found if isinstance(event, tuple)]
    kept = [event for event in found if not isinstance(event, tuple)]
    assert found[:before] == RECORDS[:before]
    assert len(errors) <= 2
    assert errors or cut in STARTS
    # behind a bad record come the following ones, behind anything else none
    assert any(kept == [*RECORDS[:before], *RECORDS[before + 1 :][:more]] for more in range(4))


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(ZLIB) - 1), st.integers(1, 255), st.sampled_from(["GZIP", "ZLIB"]))
def test_no_damage_to_a_compressed_file_gives_a_wrong_record(tmp_path, at, change, name):
    data = bytearray({"GZIP": GZIP, "ZLIB": ZLIB}[name])
    data[at] ^= change
    (tmp_path / "a").write_bytes(data)
    found = events(TFRecordDataset(tmp_path / "a", name))
    kept = [event for event in found if not isinstance(event, tuple)]
    assert [record for record in RECORDS if record in kept] == kept


def test_broken_files_conform_in_all_ways(tmp_path):
    data = bytearray(PLAIN * 2)
    data[30] ^= 1
    data[117 + 17] ^= 1
    (tmp_path / "a").write_bytes(data)
    check(lambda: TFRecordDataset([tmp_path / "a", tmp_path / "missing", tmp_path / "a"]).node)


def test_a_file_is_visible_when_its_writer_is_closed(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    writer = TFRecordWriter(str(path))
    writer.write(b"one")
    writer.flush()
    assert path.read_bytes() == b"old"
    writer.close()
    writer.close()
    assert path.read_bytes() == frame(b"one")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(df.FailedPreconditionError, match=r"writer of .*a is closed"):
        writer.write(b"two")


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_a_writer_whose_body_raises_leaves_nothing(tmp_path, suffix):
    def fail():
        with TFRecordWriter(tmp_path / f"a{suffix}") as writer:
            writer.write(b"one")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_not_closed_says_so(tmp_path):
    writer = TFRecordWriter(tmp_path / "a.bz2")
    with pytest.warns(ResourceWarning, match="was not closed, so nothing was written"):
        del writer
    assert list(tmp_path.iterdir()) == []


def test_the_writer_refuses_text_and_unknown_compressions(tmp_path):
    with pytest.raises(df.InvalidArgumentError, match="compression_type must be"):
        TFRecordWriter(tmp_path / "a", "gzip")
    with TFRecordWriter(tmp_path / "a") as writer:
        with pytest.raises(TypeError, match=r"record\.encode\(\)"):
            writer.write("é")
        writer.write(bytearray(b"buffer"))
        writer.write(memoryview(b"view"))
        writer.write(np.array([1, 2], np.uint8))
    assert list(TFRecordDataset(tmp_path / "a")) == [b"buffer", b"view", b"\x01\x02"]


def test_remote_files_by_their_url():
    write("memory://records/a.gz", RECORDS)
    assert list(TFRecordDataset("memory://records/a.gz")) == RECORDS
