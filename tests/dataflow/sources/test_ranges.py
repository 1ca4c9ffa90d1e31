"""Parts of files: every record in one of them, however files are cut, and in equal numbers when asked."""

import gzip
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow import (
    CsvDataset,
    DataLossError,
    Dataset,
    FixedLengthRecordDataset,
    InvalidArgumentError,
    NotFoundError,
    Options,
    ParquetDataset,
    TextLineDataset,
    TFRecordDataset,
    TFRecordWriter,
)

NUMBERS = [1, 2, 3, 5]


def joined(parts):
    return [element for part in parts for element in part]


def write_text(path, rng):
    path.write_bytes(
        b"".join(bytes(rng.choices(b"ab\n\r", k=rng.randrange(9))) + b"\n" for _ in range(9)) + b"z"
    )


def field(rng):
    text = "".join(rng.choices('ab,\n"\r', k=rng.randrange(7)))
    return '"' + text.replace('"', '""') + '"'


def write_csv(path, rng):
    end = rng.choice(["\n", "\r\n", "\r"])
    rows = [f"{i},{field(rng)},{rng.choice(['', 'c', field(rng)])}" for i in range(rng.randrange(1, 14))]
    path.write_bytes((end.join(['i,"x\ny",z', *rows]) + rng.choice(["", end])).encode())


def write_frames(path, rng):
    with TFRecordWriter(path) as writer:
        for _ in range(rng.randrange(12)):
            writer.write(rng.randbytes(rng.randrange(40)))


def write_fixed(path, rng):
    path.write_bytes(b"HH" + rng.randbytes(3 * rng.randrange(12)) + b"F")


def write_parquet(path, rng):
    rows = rng.randrange(1, 30)
    table = pa.table({"id": range(rows), "of": [path.name] * rows})
    pq.write_table(table, path, row_group_size=rng.randrange(1, 12))


KINDS = {
    "text": (write_text, TextLineDataset),
    "csv": (write_csv, lambda paths: CsvDataset(paths, [int, "", ""], header=True)),
    "frames": (write_frames, TFRecordDataset),
    "fixed": (write_fixed, lambda paths: FixedLengthRecordDataset(paths, 3, 2, 1)),
    "parquet": (write_parquet, ParquetDataset),
    "skipped": (write_text, lambda paths: TextLineDataset(paths).skip(4)),
    "one behind the other": (
        write_text,
        lambda paths: TextLineDataset(paths).concatenate(TextLineDataset(paths[:1]).shard(2, 0, True)),
    ),
    "read one by one": (
        write_text,
        lambda paths: Dataset.from_tensor_slices(paths).flat_map(lambda path: TextLineDataset(path).skip(1)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_every_record_is_in_one_part(tmp_path, kind, seed):
    rng, (write, read) = random.Random(seed), KINDS[kind]
    paths = [tmp_path / str(i) for i in range(rng.randrange(1, 4))]
    for path in paths:
        write(path, rng)
    dataset = read([str(path) for path in paths])
    whole = [str(element) for element in dataset]
    for number in NUMBERS:
        parts = [list(map(str, dataset.shard(number, i, contiguous=True))) for i in range(number)]
        assert joined(parts) == whole
        share = len(whole) // number
        if share:
            parts = [list(map(str, dataset.shard(number, i, True, even=True))) for i in range(number)]
            assert [len(part) for part in parts] == [share] * number
            assert joined(parts) == whole[: share * number]


def test_bytes_are_divided_over_all_files(tmp_path):
    for i, lines in enumerate([1000, 10, 2000]):
        (tmp_path / f"{i}.txt").write_text(f"{i:09d}\n" * lines)
    dataset = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False).flat_map(TextLineDataset)
    sizes = [sum(1 for _ in dataset.shard(4, i, contiguous=True)) for i in range(4)]
    assert sum(sizes) == 3010
    assert max(sizes) - min(sizes) <= 2


def test_files_in_turn_are_divided_in_their_order(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text("".join(f"{name}{i}\n" for i in range(4)))
    files = Dataset.list_files(str(tmp_path / "*"), shuffle=False)
    dataset = files.interleave(TextLineDataset, cycle_length=3)
    assert list(dataset.shard(2, 0, contiguous=True)) == ["a0", "a1", "a2", "a3", "b0", "b1"]


def test_batches_of_a_file_are_equal_in_number(tmp_path):
    (tmp_path / "a.csv").write_text("".join(f"{i},{'x' * (i % 7)}\n" for i in range(103)))
    dataset = CsvDataset(str(tmp_path / "a.csv"), [int, ""]).batch(5)
    parts = [[batch[0].tolist() for batch in dataset.shard(4, i, True, even=True)] for i in range(4)]
    assert [len(part) for part in parts] == [5] * 4
    assert joined(joined(parts)) == list(range(100))


@pytest.mark.parametrize("even", [False, True])
def test_lines_in_messages_count_from_the_beginning_of_the_file(tmp_path, even):
    rows = [f'{i},"a\nb"' for i in range(40)]
    rows[30] = "x,c"
    path = tmp_path / "a.csv"
    path.write_text("i,t\n" + "\n".join(rows) + "\n")
    part = CsvDataset(str(path), [int, ""], header=True).shard(2, 1, contiguous=True, even=even)
    with pytest.raises(InvalidArgumentError, match="line 62, column i, value 'x'"):
        list(part)
    numbers = [int(row["i"]) for row in part.ignore_errors()]
    assert numbers[-9:] == list(range(31, 40))


def test_a_function_that_fails_names_the_line_of_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{i}\n" for i in range(50)) + "x\n")
    part = TextLineDataset(str(path)).shard(3, 2, contiguous=True).map(lambda text: text.astype(np.int64))
    with pytest.raises(InvalidArgumentError, match="line 51"):
        list(part)


def test_frames_in_messages_count_from_the_beginning_of_the_file(tmp_path):
    path = tmp_path / "a.tfrecord"
    with TFRecordWriter(path) as writer:
        for i in range(20):
            writer.write(b"%02d" % i)
    data = bytearray(path.read_bytes())
    data[15 * 18 + 12] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataLossError, match="record 15"):
        list(TFRecordDataset(str(path)).shard(2, 1, contiguous=True))


@pytest.mark.parametrize("block_bytes", [1, 40, 1 << 20])
def test_a_part_goes_on_where_it_was_saved(tmp_path, block_bytes):
    (tmp_path / "a.csv").write_text("".join(f'{i},"{i}\n"\n' for i in range(60)))
    dataset = CsvDataset(str(tmp_path / "a.csv"), [int, ""]).shard(3, 1, contiguous=True)
    dataset = dataset.with_options(Options(block_bytes=block_bytes))
    whole = [int(i) for i, _ in dataset]
    iterator, other = iter(dataset), iter(dataset)
    for _ in range(7):
        next(iterator)
    other.restore(iterator.state())
    assert [int(i) for i, _ in other] == whole[7:]


def test_a_null_that_is_refused_belongs_to_one_part(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [0, 1, 2, 3, None, 5, 6, 7]}), path, row_group_size=4)
    dataset = ParquetDataset(str(path))
    assert [int(row["id"]) for row in dataset.shard(4, 1, contiguous=True)] == [2, 3]
    assert [int(row["id"]) for row in dataset.shard(4, 3, contiguous=True)] == [6, 7]
    with pytest.raises(InvalidArgumentError, match="row group 1, row 0"):
        list(dataset.shard(4, 2, contiguous=True))


def write_packed(folder, sizes):
    for name, size in zip("abcde", sizes, strict=False):
        (folder / f"{name}.gz").write_bytes(gzip.compress(f"{name}\n".encode() * size, mtime=0))
    return TextLineDataset([str(folder / f"{name}.gz") for name, _ in zip("abcde", sizes, strict=False)])


def test_compressed_files_stay_whole(tmp_path):
    dataset = write_packed(tmp_path, [500_000, 1, 1, 1])
    parts = ["".join(dict.fromkeys(dataset.shard(3, i, contiguous=True))) for i in range(3)]
    assert parts == ["a", "b", "cd"]


def test_too_few_compressed_files(tmp_path):
    dataset = write_packed(tmp_path, [3, 3])
    with pytest.raises(InvalidArgumentError, match="use at most 2 shards"):
        dataset.shard(3, 0, contiguous=True)
    with pytest.raises(InvalidArgumentError, match="not known"):
        dataset.shard(2, 0, contiguous=True, even=True)


def test_a_missing_file_is_told_at_once(tmp_path):
    with pytest.raises(NotFoundError, match=r"nowhere\.txt"):
        TextLineDataset(str(tmp_path / "nowhere.txt")).shard(2, 0, contiguous=True)
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(NotFoundError, match=r"nowhere\.parquet"):
        ParquetDataset([str(tmp_path / "a.parquet"), str(tmp_path / "nowhere.parquet")]).shard(2, 0, True)


def test_a_border_in_a_long_quoted_field_is_found_out(tmp_path):
    path = tmp_path / "a.csv"
    inside = "z\n" * (11 << 20)
    path.write_text(f'1,"{inside}"\n2,b\n' + "3,c\n" * 100)
    dataset = CsvDataset(str(path), [int, ""])
    with pytest.raises(InvalidArgumentError, match="where the next shard begins, is inside a quoted field"):
        list(dataset.shard(2, 0, contiguous=True))
    assert [int(i) for i, _ in dataset.shard(2, 0, contiguous=True, even=True)] == [1, 2] + [3] * 49


def test_a_file_that_shrinks_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abc\n" * 100)
    part = TextLineDataset(str(path)).shard(2, 0, contiguous=True)
    path.write_text("abc\n" * 10)
    with pytest.raises(DataLossError, match="has become shorter"):
        list(part)


def test_counts_follow_a_file_that_changes(tmp_path):
    path = tmp_path / "a.txt"
    for lines in (4, 8):
        path.write_text("abc\n" * lines)
        assert (
            sum(1 for _ in TextLineDataset(str(path)).shard(2, 0, contiguous=True, even=True)) == lines // 2
        )
