import numpy as np
import pytest

from dataflow import InvalidArgumentError, infer_csv_schema, read_csv


def infer(folder, *texts, **settings):
    for i, text in enumerate(texts):
        (folder / f"{i}.csv").write_text(text)
    return infer_csv_schema(str(folder / "*.csv"), **settings)


def dtype(folder, values, **settings):
    return infer(folder, "\n".join(["a,b", *(f"{value},1" for value in values)]), **settings)["a"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "+3", " 4 ", "007"], "int64"),
        (["1", "2.5", "1e5", ".5", "nan", "-INF"], "float64"),
        (["1", ""], "float64"),
        (["", ""], "float64"),
        (["true", "FALSE", "True"], "bool"),
        (["true", ""], "string"),
        (["true", "1"], "string"),
        (["1", "x"], "string"),
        (["0x1f"], "string"),
        (["9223372036854775807", "-9223372036854775808"], "int64"),
        (["9223372036854775808", "1"], "string"),
        (["9007199254740993", ""], "string"),
        (["9007199254740992", ""], "float64"),
        (["2024-01-31"], "string"),
        (['"1"', '"2"'], "int64"),
        (['"1""2"'], "string"),
    ],
)
def test_dtypes(tmp_path, values, expected):
    assert dtype(tmp_path, values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-01-31", ""], "datetime64[D]"),
        (["2024-02-29", "2024-01-31T23:59"], "datetime64[us]"),
        (["2023-02-29"], "string"),
        (["2024-01-31 24:00:00"], "string"),
        (["2024-01-31 23:59:59.123456"], "datetime64[us]"),
        (["2024-01-31", "5"], "string"),
    ],
)
def test_dates_on_request(tmp_path, values, expected):
    assert dtype(tmp_path, values, dates=True) == expected


def test_all_rows_of_all_files_count(tmp_path):
    many = "a\n" + "1\n" * 100_000
    assert infer(tmp_path, many, many, many + "x\n")["a"] == "string"
    assert infer(tmp_path, many, many, many + "x\n", rows=1000)["a"] == "int64"


def test_fill_nulls_keep_integers_and_bools(tmp_path):
    schema = infer(tmp_path, "a,b\n1,true\n,\n", fill_nulls={"a": 0, "b": False})
    assert dict(schema) == {"a": "int64", "b": "bool"}


def test_its_text_is_python_to_copy(tmp_path):
    schema = infer(tmp_path, 'id,"say ""x""",it\'s\n1,2,x\n2,,\n1\n')
    text = repr(schema)
    assert text.splitlines()[:2] == ["schema={", "    # inferred from 3 rows of 1 file, 1 of them bad"]
    assert "integers, 1 missing, which become NaN" in text
    scope = {}
    exec(text, scope)  # what a user does by copying
    assert scope["schema"] == dict(schema) == {"id": "int64", 'say "x"': "float64", "it's": "string"}


def test_it_is_taken_as_a_schema_and_shown_by_element_spec(tmp_path):
    schema = infer(tmp_path, "a,b\n1,x\n")
    dataset = read_csv(tmp_path / "0.csv", schema=schema)
    assert dataset.element_spec["a"].dtype == np.int64
    assert [row["a"] for row in dataset] == [1]


def test_shards_in_another_order_are_counted_by_name(tmp_path):
    assert dict(infer(tmp_path, "a,b\n1,x\n", "b,a\ny,2\n")) == {"a": "int64", "b": "string"}


def test_words_that_mean_missing_do_not_count(tmp_path):
    assert dtype(tmp_path, ["1", "?", "2.5"], na_values=["?"]) == "float64"
    assert dtype(tmp_path, ["1", "", "2.5"], na_values=["?"]) == "string"


def test_a_value_that_does_not_fit_says_where_and_what_to_do(tmp_path):
    (tmp_path / "a.csv").write_text("id,fare\n1,2\n2,abc\n")
    with pytest.raises(InvalidArgumentError) as caught:
        list(read_csv(tmp_path / "a.csv", schema={"id": "int64", "fare": "float64"}))
    text = str(caught.value)
    assert "'abc' is not a float64" in text
    assert "a.csv, line 3, column fare, value 'abc'" in text
    assert "the schema says \"float64\" for 'fare'" in text


@pytest.mark.parametrize("kind", ["int64", "bool", "int8", "float64 not null", "string not null"])
def test_a_missing_value_that_nothing_stands_for_is_bad(tmp_path, kind):
    (tmp_path / "a.csv").write_text("a,b\n,1\n")
    with pytest.raises(
        InvalidArgumentError, match=r"the value is missing(.|\n)*line 2, column a(.|\n)*fill_nulls"
    ):
        list(read_csv(tmp_path / "a.csv", schema={"a": kind, "b": int}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", "128"),
        ("uint16", "-1"),
        ("bool", "maybe"),
        ("datetime64[D]", "2023-02-29"),
        ("float32", "1,"),
        ("float64", "0x10"),
    ],
)
def test_values_out_of_range_are_bad(tmp_path, kind, value):
    (tmp_path / "a.csv").write_text(f'a,b\n"{value}",1\n')
    with pytest.raises(InvalidArgumentError, match=f"'{value}' is not "):
        list(read_csv(tmp_path / "a.csv", schema={"a": kind, "b": int}))
