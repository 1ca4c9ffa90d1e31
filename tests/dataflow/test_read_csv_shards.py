import gzip
import json

import numpy as np
import pytest

from dataflow import InvalidArgumentError, Options, read_csv
from dataflow.errors import StateError

SCHEMA = {"id": "int64", "name": "string"}


def write(folder, text, name="a.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def rows(dataset):
    return [tuple(v.item() if hasattr(v, "item") else v for v in row.values()) for row in dataset]


def shards(dataset, number):
    return [dataset.shard(number, i, contiguous=True) for i in range(number)]


def joined(dataset, number):
    return [row for shard in shards(dataset, number) for row in rows(shard)]


def body(first, number, end="\n"):
    """Write rows, of which every third holds a line end in quotes."""
    names = [
        f'"x{end}y,{i}"' if i % 3 == 0 else "é" * (i % 4) + f"n{i}" for i in range(first, first + number)
    ]
    return "".join(f"{first + i},{name}{end}" for i, name in enumerate(names))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_shards_by_bytes_are_the_whole(tmp_path, end, header, encoding):
    head = f"id,name{end}" if header else ""
    for file in range(3):
        text = head + body(100 * file, (2, 40, 7)[file], end)
        write(tmp_path, text.encode(encoding), f"{file}.csv")
    names = True if header else ["id", "name"]
    dataset = read_csv(str(tmp_path / "*.csv"), header=names, schema=SCHEMA, encoding=encoding)
    whole = rows(dataset)
    assert [row[0] for row in whole] == [*range(2), *range(100, 140), *range(200, 207)]
    for number in range(1, 8):
        assert joined(dataset, number) == whole
    sizes = [len(rows(shard)) for shard in shards(dataset, 4)]
    assert max(sizes) < 20


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_border_in_or_before_the_header_gives_no_row_twice(tmp_path, encoding):
    text = "# é\n\n# of, columns\nid,näme, with a long name\n1,x,y\n2,x,z\n"
    path = write(tmp_path, text.encode(encoding))
    dataset = read_csv(path, comment="#", encoding=encoding)
    assert [row[0] for row in rows(dataset)] == [1, 2]
    for number in range(1, 40):
        assert joined(dataset, number) == rows(dataset)


def test_bad_rows_are_left_out_once_and_written_with_their_lines(tmp_path):
    text = "id,name\n" + "".join(f"{'x' if i % 10 == 5 else i},n{i}\n" for i in range(100))
    path = write(tmp_path, text)
    skipping = read_csv(path, schema=SCHEMA, on_bad_rows="skip")
    assert [row[0] for row in joined(skipping, 4)] == [i for i in range(100) if i % 10 != 5]
    lines = []
    for i in range(4):
        aside = tmp_path / f"{i}.jsonl"
        dataset = read_csv(path, schema=SCHEMA, on_bad_rows="quarantine", quarantine=str(aside))
        rows(dataset.shard(4, i, contiguous=True))
        lines += [json.loads(line)["line"] for line in aside.read_text().splitlines()]
    assert lines == [7 + 10 * i for i in range(10)]


def test_errors_in_a_later_shard_name_the_line_of_the_file(tmp_path):
    path = write(tmp_path, "id,name\n" + body(0, 60) + "x,y\n" + body(60, 3))
    last = shards(read_csv(path, schema=SCHEMA), 3)[2]
    with pytest.raises(InvalidArgumentError, match=r"a\.csv.* line 82\b"):
        rows(last)
    limited = read_csv(path, schema=SCHEMA, on_bad_rows="skip", bad_rows_limit=0)
    with pytest.raises(InvalidArgumentError, match=r"first of this run:\n.*a\.csv, line 82, column id"):
        rows(shards(limited, 3)[2])


def test_an_error_behind_names_the_line_of_the_file(tmp_path):
    path = write(tmp_path, "id\n" + "".join(f"{'x' * (i == 77)}{i}\n" for i in range(100)))
    dataset = read_csv(path, schema={"id": "string"}).shard(2, 1, contiguous=True)
    dataset = dataset.map(lambda row: row["id"].astype(np.int64))
    with pytest.raises(InvalidArgumentError, match=r"line 79\b"):
        list(dataset)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_shard_resumes_at_each_row(tmp_path, encoding):
    paths = [write(tmp_path, ("id,name\n" + body(50 * i, 30)).encode(encoding), f"{i}.csv") for i in range(2)]
    dataset = read_csv(paths, schema=SCHEMA, encoding=encoding).with_options(Options(block_bytes=20))
    shard = dataset.shard(3, 1, contiguous=True)
    whole = rows(shard)
    assert len({row[0] // 50 for row in whole}) == 2
    for count in range(len(whole) + 1):
        iterator = iter(shard)
        for _ in range(count):
            next(iterator)
        resumed = iter(shard)
        resumed.restore(iterator.state())
        assert rows(resumed) == whole[count:]


def test_files_that_cannot_be_divided_are_read_as_a_whole(tmp_path):
    wide = [write(tmp_path, ("id,name\n" + body(9 * i, 9)).encode("utf-16"), f"{i}.csv") for i in range(3)]
    packed = [
        write(tmp_path, gzip.compress(("id,name\n" + body(9 * i, 9)).encode()), f"{i}.gz") for i in (0, 1)
    ]
    for dataset in [
        read_csv(wide, schema=SCHEMA, encoding="utf-16"),
        read_csv(packed, schema=SCHEMA, compression="GZIP"),
        read_csv(packed, schema=SCHEMA, compression="GZIP", escape="\\"),
    ]:
        assert joined(dataset, 2) == rows(dataset)
        with pytest.raises(InvalidArgumentError, match="cannot be divided among 4 shards"):
            dataset.shard(4, 0, contiguous=True)


def test_a_cut_in_a_quoted_field_that_nothing_tells_is_an_error(tmp_path):
    # broken quotes, which two readers understand differently
    path = write(tmp_path, 'id,name\n1,"a\n"b,"c\nd\n"e,f\n' + "g\n" * 50 + '"\n')
    dataset = read_csv(path, schema=SCHEMA, on_bad_rows="skip")
    for number in range(2, 8):
        try:
            assert joined(dataset, number) == rows(dataset)
        except InvalidArgumentError as error:
            assert "inside a quoted field" in str(error)  # noqa: PT017


def test_the_plan_shows_the_part(tmp_path):
    path = write(tmp_path, "id\n" + "".join(f"{i}\n" for i in range(100)))
    first, last = shards(read_csv(path), 2)
    assert "ranges=((0, " in first.explain()
    with pytest.raises(StateError):
        iter(last).restore(iter(first).state())
