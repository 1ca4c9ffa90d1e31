import gzip
import math
import random

import numpy as np
import pytest

from dataflow import InvalidArgumentError, NotFoundError, Options, csv_row_counts, read_csv


def write(folder, text, name="a.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(dataset):
    return [tuple(v.item() if hasattr(v, "item") else v for v in row.values()) for row in dataset]


def test_types_are_inferred_and_rows_are_dicts_in_the_order_of_the_file(tmp_path):
    dataset = read_csv(write(tmp_path, "id,fare,name,paid\n7,2.5,x,true\n-8,1,y,false\n"))
    assert list(next(iter(dataset))) == ["id", "fare", "name", "paid"]
    assert [str(spec.dtype) for spec in dataset.element_spec.values()] == ["int64", "float64", "<U0", "bool"]
    assert rows(dataset) == [(7, 2.5, "x", True), (-8, 1.0, "y", False)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_all_line_ends_are_read(tmp_path, end, last):
    path = write(tmp_path, f"a,b{end}1,x{end}2,y{end if last else ''}")
    assert rows(read_csv(path)) == [(1, "x"), (2, "y")]


def test_quotes_hold_delimiters_line_ends_and_doubled_quotes(tmp_path):
    path = write(tmp_path, 'a,b\n1,"x,y"\n2,"x\r\ny"\n"3","say ""hi"""\n')
    assert rows(read_csv(path)) == [(1, "x,y"), (2, "x\r\ny"), (3, 'say "hi"')]


def test_a_quote_inside_a_field_stands_for_itself(tmp_path):
    assert rows(read_csv(write(tmp_path, 'a,b\n1,5" pipe\n2,x"y"\n'))) == [(1, '5" pipe'), (2, 'x"y"')]


def test_other_delimiters_quotes_and_escapes(tmp_path):
    path = write(tmp_path, "a;b\n1;'x;''y'\n2;x\\;y\n3;\"z\n")
    dataset = read_csv(path, delimiter=";", quote="'", escape="\\")
    assert rows(dataset) == [(1, "x;'y"), (2, "x;y"), (3, '"z')]


def test_behind_an_escaped_delimiter_no_quoted_field_begins(tmp_path):
    path = write(tmp_path, 'a,b,c\n1,x\\,"y,z"\n')
    assert rows(read_csv(path, escape="\\")) == [(1, 'x,"y', 'z"')]


def test_without_quotes_they_are_text(tmp_path):
    assert rows(read_csv(write(tmp_path, 'a,b\n"1,x"\n'), quote=None)) == [('"1', 'x"')]


def test_names_are_given_or_made_where_there_is_no_header(tmp_path):
    path = write(tmp_path, "1,x\n2,y\n")
    assert list(read_csv(path, header=False).element_spec) == ["f0", "f1"]
    assert rows(read_csv(path, header=["id", "name"], columns=["name"])) == [("x",), ("y",)]


def test_names_in_a_schema_are_not_taken_for_a_header(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"give the names of all columns(.|\n)*header=\["):
        read_csv(write(tmp_path, "1,x\n"), header=False, schema={"id": int, "name": str})


def test_columns_of_one_name_are_numbered_and_of_none_are_named(tmp_path):
    dataset = read_csv(write(tmp_path, "a,a,,a\n1,2,3,4\n"))
    assert list(dataset.element_spec) == ["a", "a.1", "Unnamed: 2", "a.2"]


def test_comments_and_blank_lines_are_left_out(tmp_path):
    path = write(tmp_path, '# by "me\n\na,b\n1,#x\n  \n#2,y\n\r\n3,z\n')
    assert rows(read_csv(path, comment="#")) == [(1, "#x"), (3, "z")]


def test_blank_lines_are_values_of_a_single_column_on_request(tmp_path):
    path = write(tmp_path, "a\nx\n\n  \n")
    assert rows(read_csv(path)) == [("x",), ("  ",)]
    assert rows(read_csv(path, skip_blank_lines=False)) == [("x",), (None,), ("  ",)]


def test_missing_values(tmp_path):
    path = write(tmp_path, "a,b,c\n1,,\nNA,2.5,NA\n-0999,3,x NA\n")
    schema = {"a": "int64", "b": "float64", "c": "string"}
    found = rows(read_csv(path, schema=schema, na_values=["", "NA", "-999"], fill_nulls={"a": 0}))
    assert repr(found) == "[(1, nan, None), (0, 2.5, None), (0, 3.0, 'x NA')]"


def test_an_empty_text_is_kept_if_it_does_not_mean_missing(tmp_path):
    assert rows(read_csv(write(tmp_path, "a,b\n1,\n2,NA\n"), na_values="NA")) == [(1, ""), (2, None)]


def test_spaces_around_numbers_are_left_out(tmp_path):
    path = write(tmp_path, "a,b,c\n 1 ,\t2.5,true \n+3, 4., false\n")
    assert rows(read_csv(path)) == [(1, 2.5, True), (3, 4.0, False)]


def test_all_dtypes_of_a_schema(tmp_path):
    schema = {"a": "int8", "b": "uint32", "c": "float32", "d": "bool", "e": "bytes", "f": "datetime64[D]"}
    path = write(tmp_path, b"a,b,c,d,e,f\n-128,4294967295,0.1,1,\xff,2024-02-29\n127,0,,FALSE,,\n")
    dataset = read_csv(path, schema=schema)
    assert [str(spec.dtype) for spec in dataset.element_spec.values()][:4] == list(schema.values())[:4]
    first, second = dataset
    assert (first["e"], first["f"]) == (b"\xff", np.datetime64("2024-02-29"))
    assert second["d"] == np.False_
    assert second["e"] is None
    assert np.isnat(second["f"])
    assert first["c"] == np.float32(0.1)
    assert np.isnan(second["c"])


def test_times_are_read_in_the_unit_of_the_schema(tmp_path):
    path = write(tmp_path, "t\n2024-01-31T23:59:58\n2024-01-31 00:00\n")
    assert rows(read_csv(path, dates=True))[0][0].isoformat() == "2024-01-31T23:59:58"


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "shift_jis", "utf-8-sig"]
)
def test_encodings(tmp_path, encoding):
    text = "größe,name\n" if encoding not in ("shift_jis",) else "サイズ,name\n"
    word = "é€"[: 1 if encoding == "latin-1" else 2] if encoding != "shift_jis" else "日本"
    path = write(tmp_path, (text + f"1,{word}\n2,{word}x\n").encode(encoding))
    dataset = read_csv(path, encoding=encoding).with_options(Options(block_bytes=3))
    assert next(iter(dataset.element_spec)) == text.split(",")[0]
    assert rows(dataset) == [(1, word), (2, word + "x")]


def test_a_byte_order_mark_is_left_out(tmp_path):
    assert rows(read_csv(write(tmp_path, b"\xef\xbb\xbfa\n1\n"))) == [(1,)]
    assert rows(read_csv(write(tmp_path, b"\xef\xbb\xbf1\n"), header=["a"])) == [(1,)]


def test_the_mark_of_utf_16_is_known(tmp_path):
    with pytest.raises(InvalidArgumentError, match="encoding='utf-16'"):
        read_csv(write(tmp_path, "a\n1\n".encode("utf-16")))


def test_bytes_that_cannot_be_decoded_are_an_error_at_their_line(tmp_path):
    path = write(tmp_path, b"a,b\n1,x\n2,\x81\n3,z\n")
    iterator = iter(read_csv(path, schema={"a": int, "b": str}, encoding="cp1252"))
    assert next(iterator)["b"] == "x"
    with pytest.raises(InvalidArgumentError, match=r"not text in cp1252(.|\n)*a.csv, line 3, column b"):
        next(iterator)
    assert next(iterator)["b"] == "z"


def test_text_of_other_encodings_resumes_in_the_middle(tmp_path):
    lines = [f"{i},{'é' * (i % 7)}ß" for i in range(500)]
    path = write(tmp_path, "\n".join(["a,b", *lines]).encode("utf-16"))
    dataset = read_csv(path, encoding="utf-16").with_options(Options(block_bytes=100))
    iterator = iter(dataset)
    for _ in range(400):
        next(iterator)
    resumed = iter(dataset)
    resumed.restore(iterator.state())
    assert [row["a"] for row in resumed] == list(range(400, 500))


def test_compressed_files(tmp_path):
    path = write(tmp_path, gzip.compress(b"a\n1\n2\n"), "a.csv.gz")
    assert rows(read_csv(path)) == [(1,), (2,)]


def test_shards_with_the_columns_in_another_order_are_read_by_name(tmp_path):
    paths = [write(tmp_path, "a,b\n1,x\n"), write(tmp_path, "b,a\ny,2\n", "b.csv")]
    assert rows(read_csv(paths)) == [(1, "x"), (2, "y")]


def test_shards_with_other_columns_are_an_error_that_names_file_and_difference(tmp_path):
    write(tmp_path, "a,b\n1,x\n")
    write(tmp_path, "a,c\n2,y\n", "b.csv")
    with pytest.raises(InvalidArgumentError, match=r"b.csv are not .*: it lacks 'b' and has also 'c'"):
        read_csv(str(tmp_path / "*.csv"))
    iterator = iter(read_csv(str(tmp_path / "*.csv"), schema={"a": int, "b": str}))
    assert next(iterator)["a"] == 1
    with pytest.raises(InvalidArgumentError, match=r"b.csv are not .*: it lacks 'b'"):
        next(iterator)
    assert rows(read_csv(str(tmp_path / "*.csv"), columns=["a"])) == [(1,), (2,)]


def test_empty_shards_have_no_rows(tmp_path):
    paths = [write(tmp_path, "", "0.csv"), write(tmp_path, "a\n1\n"), write(tmp_path, "a\n", "b.csv")]
    assert rows(read_csv(paths)) == [(1,)]


def test_thousands_of_shards(tmp_path):
    for i in range(2000):
        write(tmp_path, f"a\n{i}\n", f"{i:04}.csv")
    assert [row["a"] for row in read_csv(str(tmp_path / "*.csv"))] == list(range(2000))


def test_thousands_of_columns(tmp_path):
    names = [f"c{i}" for i in range(5000)]
    path = write(tmp_path, "\n".join([",".join(names)] + [",".join([str(i)] * 5000) for i in range(20)]))
    dataset = read_csv(path).with_options(Options(block_bytes=1000))
    assert [row["c4999"] for row in dataset] == list(range(20))


def test_lines_longer_than_a_block(tmp_path):
    path = write(tmp_path, "a,b\n1," + "x" * 100_000 + "\n2,y\n")
    dataset = read_csv(path).with_options(Options(block_bytes=10))
    assert [len(row["b"]) for row in dataset] == [100_000, 1]


def test_a_longer_record_than_the_limit_is_refused_and_the_limit_is_named(tmp_path):
    path = write(tmp_path, "a,b\n1," + "x" * 5000 + "\n2,y\nz,z\n")
    for block in (10, 1 << 20):
        dataset = read_csv(path, schema={"a": int, "b": str}, max_record_bytes=1000)
        iterator = iter(dataset.with_options(Options(block_bytes=block)))
        with pytest.raises(InvalidArgumentError, match=r"longer than max_record_bytes=1000(.|\n)*line 2"):
            next(iterator)
        assert next(iterator)["b"] == "y"
        with pytest.raises(InvalidArgumentError, match="line 4"):
            next(iterator)


def test_nul_bytes_are_text_and_no_numbers(tmp_path):
    path = write(tmp_path, b"a,b\n1,x\0y\n2\0,z\n")
    iterator = iter(read_csv(path, schema={"a": "int64", "b": "string"}))
    assert next(iterator)["b"] == "x\0y"
    with pytest.raises(InvalidArgumentError, match="is not an int64"):
        next(iterator)


def test_a_missing_file_is_an_error_under_every_policy(tmp_path):
    dataset = read_csv(tmp_path / "no.csv", schema={"a": int}, on_bad_rows="skip")
    with pytest.raises(NotFoundError):
        list(dataset)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delimiter": "||"}, "delimiter must be one ASCII character"),
        ({"quote": ","}, "must differ"),
        ({"encoding": "klingon"}, "not a known encoding"),
        ({"encoding": "rot13"}, "not an encoding of text"),
        ({"comment": ""}, "comment must be"),
        ({"on_bad_rows": "ignore"}, "on_bad_rows must be"),
        ({"on_bad_rows": "quarantine"}, "go together"),
        ({"quarantine": "x"}, "go together"),
        ({"schema": {"a": "int128"}}, "not a dtype"),
        ({"schema": {"a": "complex64"}}, "cannot be complex64"),
        ({"schema": {"a": int}, "columns": ["b"]}, "no column 'b'"),
        ({"fill_nulls": {"a": "x"}}, r"fill_nulls\['a'\] must be"),
        ({"fill_nulls": {"q": 1}}, "no column 'q'"),
        ({"header": ["a", "a"]}, "distinct names"),
        ({"na_values": [1]}, "must be texts"),
        ({"max_record_bytes": 0}, "max_record_bytes must be"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        read_csv(write(tmp_path, "a\n1\n"), **settings)


def test_the_same_rows_for_every_block_size_and_resumed_anywhere(tmp_path):
    rng = random.Random(5)
    lines = [
        f'{i},"{"x" * rng.randrange(9)}\n",{rng.random()}' + ",".join([""] * rng.choice([1, 1, 1, 2]))
        for i in range(60)
    ]
    path = write(tmp_path, "a,b,c\n" + "\n".join(lines))
    dataset = read_csv(path, schema={"a": int, "b": str, "c": float}, on_bad_rows="skip")
    whole = rows(dataset)
    for cut in range(0, len(whole), 7):
        iterator = iter(dataset.with_options(Options(block_bytes=cut + 1)))
        for _ in range(cut):
            next(iterator)
        resumed = iter(dataset.with_options(Options(block_bytes=37)))
        resumed.restore(iterator.state())
        assert rows(resumed) == whole[cut:]
        assert sum(csv_row_counts(resumed)) == 60


def test_batches_of_columns(tmp_path):
    batch = next(iter(read_csv(write(tmp_path, "a,b\n1,\n2,3\n")).batch(2)))
    assert batch["a"].tolist() == [1, 2]
    assert math.isnan(batch["b"][0])
