import contextlib
import sqlite3

import numpy as np
import pytest

import dataflow as df
from dataflow import Dataset, Options, SqlDataset

ROWS = [(1, 0.5, "a", b"\x00\xff"), (2, None, None, b""), (3, 7, "é", None)]


@pytest.fixture
def database(tmp_path):
    def make(rows=ROWS, name="a b?.sqlite"):
        path = str(tmp_path / name)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE t (id, fare, name, data)")
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
            connection.commit()
        return path

    return make


def test_rows_are_typed_by_output_types(database):
    types = (np.int32, np.float32, str, bytes)
    first, second, third = SqlDataset("sqlite", database(), "SELECT * FROM t ORDER BY id", types)
    assert first == (1, 0.5, "a", b"\x00\xff")
    assert [type(value) for value in first] == [np.int32, np.float32, str, bytes]
    assert np.isnan(second[1])
    assert second[2:] == (None, b"")
    assert third == (3, 7.0, "é", None)


def test_columns_fill_any_structure(database):
    dataset = SqlDataset("sqlite", database(), "SELECT id, id - 1, name FROM t", {"x": (int, bool), "y": str})
    assert list(dataset)[:2] == [{"x": (1, False), "y": "a"}, {"x": (2, True), "y": None}]


def test_one_column(database):
    assert list(SqlDataset("sqlite", database(), "SELECT id FROM t", np.uint8)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (300, np.int8, "out of range for int8"),
        (-1, np.uint64, "out of range for uint64"),
        (1.5, np.int64, "a float is no int64(?s:.*)CAST"),
        (None, np.int64, "a null is no int64(?s:.*)COALESCE"),
        (None, bool, "a null is no bool"),
        ("7", np.int64, "text is no int64"),
        (b"7", np.float32, "text is no float32"),
        (7, str, "a number is no string"),
        (b"\xff", str, "not valid UTF-8(?s:.*)bytes"),
    ],
)
def test_a_value_that_does_not_fit_is_named_and_passed_over(database, value, dtype, words):
    good = {"str": "x", "float32": 0.5}.get(np.dtype(dtype).name, "x" if dtype is str else 1)
    path = database([(good, 0, 0, 0), (good, 0, 0, 0), (value, 0, 0, 0), (good, 0, 0, 0)])
    iterator = iter(SqlDataset("sqlite", path, "SELECT id FROM t", (dtype,)))
    assert [next(iterator), next(iterator)] == [(good,), (good,)]
    with pytest.raises(df.InvalidArgumentError, match=words) as raised:
        next(iterator)
    assert (raised.value.location.record_kind, raised.value.location.record) == ("row", 2)
    assert raised.value.location.column == "id"
    assert list(iterator) == [(good,)]


def test_errors_can_be_ignored(database):
    path = database([(i if i % 3 else "x", 0, 0, 0) for i in range(1000)])
    found = list(SqlDataset("sqlite", path, "SELECT id FROM t ORDER BY rowid", int).ignore_errors())
    assert found == [i for i in range(1000) if i % 3]


def test_resume_by_row(database):
    path = database([(i, 0, str(i), b"") for i in range(3000)])
    dataset = SqlDataset("sqlite", path, "SELECT id, name FROM t ORDER BY id", (int, str))
    dataset = dataset.with_options(Options(block_bytes=4096))
    iterator = iter(dataset)
    for _ in range(1234):
        next(iterator)
    again = iter(dataset)
    again.restore(iterator.state())
    assert list(again) == [(i, str(i)) for i in range(1234, 3000)]


def test_resume_on_fewer_rows_is_refused(database):
    rows = [(i, 0, 0, 0) for i in range(10)]
    iterator = iter(SqlDataset("sqlite", database(rows), "SELECT id FROM t LIMIT 9", int))
    for _ in range(7):
        next(iterator)
    position = iterator.state()
    path = database(rows[:3], "less.sqlite")
    fewer = iter(SqlDataset("sqlite", path, "SELECT id FROM t LIMIT 9", int))
    position["pipeline"] = fewer.state()["pipeline"]
    fewer.restore(position)
    with pytest.raises(df.StateError, match="4 elements before the saved position"):
        next(fewer)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT nope FROM t", "no such column: nope"),
        ("SELECT id FROM t; SELECT 3", "one statement"),
        ("DELETE FROM t", "readonly"),
        ("SELECT id, name FROM t", r"returns 2 columns \['id', 'name'\], and output_types has 1"),
    ],
)
def test_queries_that_cannot_be_run_are_refused_once(database, query, words):
    path = database()
    iterator = iter(SqlDataset("sqlite", path, query, (int,)))
    with pytest.raises(df.InvalidArgumentError, match=words):
        next(iterator)
    assert list(iterator) == []
    assert len(list(SqlDataset("sqlite", path, "SELECT id FROM t", int))) == 3


def test_a_missing_database_is_not_made(tmp_path):
    path = tmp_path / "none.sqlite"
    with pytest.raises(df.NotFoundError, match=r"none\.sqlite"):
        list(SqlDataset("sqlite", str(path), "SELECT 1", int))
    assert not path.exists()


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,fare\n" * 200)
    with pytest.raises(df.DataLossError, match="not a database"):
        list(SqlDataset("sqlite", str(path), "SELECT 1 FROM t", int))


def test_a_database_with_a_corrupt_page(database):
    path = database([(i, 0, "name" * 100, b"") for i in range(5000)])
    with open(path, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"\xa5" * (1 << 16))
    iterator = iter(SqlDataset("sqlite", path, "SELECT id FROM t", int))
    with pytest.raises(df.DataLossError, match=r"malformed(?s:.*)row \d+"):
        list(iterator)


@pytest.mark.parametrize(
    ("driver", "types", "words"),
    [("mysql", int, "'sqlite', not 'mysql'"), ("sqlite", np.complex64, "cannot be complex64")],
)
def test_wrong_settings_are_refused_at_once(driver, types, words):
    with pytest.raises(df.InvalidArgumentError, match=words):
        SqlDataset(driver, "a.sqlite", "SELECT 1", types)


def test_a_list_of_types_is_refused():
    with pytest.raises(df.SpecError, match="not a list"):
        SqlDataset("sqlite", "a.sqlite", "SELECT 1", [int])


def test_a_remote_database_is_refused():
    with pytest.raises(df.InvalidArgumentError, match="SQLite cannot read s3://"):
        list(SqlDataset("sqlite", "s3://bucket/a.sqlite", "SELECT 1", int))


def test_several_databases(database):
    paths = [database(name="a.sqlite"), database(name="b.sqlite")]
    dataset = Dataset.from_tensor_slices(paths).interleave(
        lambda path: SqlDataset("sqlite", path, "SELECT id FROM t", int), cycle_length=2
    )
    assert list(dataset) == [1, 1, 2, 2, 3, 3]


def test_values_that_cannot_be_used_later_are_named_by_row(database):
    path = database([(0, 0, text, 0) for text in ("1", "2", "x")])
    dataset = SqlDataset("sqlite", path, "SELECT name FROM t", str).map(lambda text: text.astype(np.int64))
    with pytest.raises(df.InvalidArgumentError, match=r"a b\?.sqlite, row 2"):
        list(dataset)
