import gzip
from collections import OrderedDict

import numpy as np
import pytest

import dataflow as df
from dataflow import make_csv_dataset

ONCE = {"batch_size": 10, "num_epochs": 1, "shuffle": False}


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def test_features_are_ordered_dicts_of_arrays(write):
    (features,) = make_csv_dataset(write("b,a\n1,x\n2,\n"), **ONCE)
    assert type(features) is OrderedDict
    assert list(features) == ["b", "a"]
    assert features["b"].dtype == np.int32
    assert [column.tolist() for column in features.values()] == [[1, 2], ["x", ""]]


def test_a_missing_float_can_be_nan(write):
    path = write("x\n1.5\n\n")
    ((x,),) = [e.values() for e in make_csv_dataset(path, column_defaults=[np.nan], **ONCE)]
    np.testing.assert_array_equal(x, [1.5, np.nan])


@pytest.mark.parametrize(
    ("field", "dtype"),
    [("+5", "float32"), ("1_000", str), ("-1e39", "float32"), ("-inf", "float32"), ("-infinity", str),
     ("9" * 400, str), ("-" + "9" * 20, "float32"), (" 7 ", "int32"), ("   ", str), ("é", str)],
)  # fmt: skip
def test_inferred_dtypes_can_read_what_they_were_inferred_from(write, field, dtype):
    dataset = make_csv_dataset(write(f"x\n{field}\n"), **ONCE)
    assert dataset.element_spec["x"].dtype == np.dtype(dtype)
    assert len(next(iter(dataset))["x"]) == 1


def test_dtypes_are_inferred_over_files_in_sorted_order(write, tmp_path):
    write("x\n1\n2\n", "a.csv")
    write("x\n0.5\nz\n", "b.csv")
    kinds = [
        make_csv_dataset(f"{tmp_path}/*.csv", num_rows_for_inference=n, **ONCE).element_spec["x"].dtype
        for n in (2, 3, 4, None)
    ]
    assert kinds == [np.int32, np.float32, np.dtype(str), np.dtype(str)]


def test_many_rows_are_inferred_block_by_block(write):
    text = "x\n" + "1\n" * 600_000 + "0.5\n"
    assert (
        make_csv_dataset(write(text), num_rows_for_inference=None, **ONCE).element_spec["x"].dtype
        == np.float32
    )


def test_a_broken_record_is_named_while_inferring(write):
    path = write("a,b\n1,2\n3\n")
    with pytest.raises(df.InvalidArgumentError, match=rf"expected 2 fields, found 1\n.*{path}, line 3"):
        make_csv_dataset(path, **ONCE)


def test_a_value_of_another_kind_is_named_with_file_line_and_column(write):
    path = write("a,b\n1,2\n3,x\n")
    dataset = make_csv_dataset(path, num_rows_for_inference=1, **ONCE)
    with pytest.raises(df.InvalidArgumentError, match=rf"{path}, line 3, column b, value 'x'"):
        list(dataset)


def test_different_headers_are_shown(write, tmp_path):
    write("a,b\n1,2\n", "a.csv")
    write("a,c\n1,2\n", "b.csv")
    with pytest.raises(ValueError, match=r"a.csv has \['a', 'b'\], and .*b.csv has \['a', 'c'\]"):
        make_csv_dataset(f"{tmp_path}/*.csv", **ONCE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"label_name": "aa"}, "no column 'aa'(?s:.*)did you mean 'a'"),
        ({"select_columns": ["c"]}, "'c', and there is no such column(?s:.*)Available: 'a', 'b'"),
        ({"select_columns": [2]}, "there are 2 columns, counted from 0"),
        ({"select_columns": ["b", 1]}, r"columns twice: \['b'\]"),
        ({"column_defaults": [0]}, r"1 items for 2 columns: \['a', 'b'\]"),
        ({"column_names": ["x", "x"]}, r"column_names has columns of the same name: \['x'\]"),
        ({"header": False}, "give column_names, or set header=True"),
        ({"encoding": "latin-1"}, "encoding must be 'utf-8', not 'latin-1'"),
        ({"batch_size": 0}, "batch_size"),
        ({"compression_type": "ZIP"}, "compression_type"),
    ],
)
def test_wrong_settings_are_refused_at_once(write, arguments, words):
    path = write("a,b\n1,2\n")
    with pytest.raises(df.InvalidArgumentError, match=words):
        make_csv_dataset(path, **{**ONCE, **arguments})


def test_no_file_is_a_value_error_too(tmp_path):
    with pytest.raises(ValueError, match="no file matches"):
        make_csv_dataset(f"{tmp_path}/*.csv", 2)


def test_compressed_files(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x\n1\n"))
    assert next(iter(make_csv_dataset(str(tmp_path / "*.gz"), 3)))["x"].tolist() == [1, 1, 1]


def test_only_selected_columns_are_read(write):
    dataset = make_csv_dataset(write("a,b,c\n1,x,2\n"), select_columns=["c", 0], label_name="c", **ONCE)
    ((features, label),) = dataset
    assert (features["a"].tolist(), label.tolist()) == ([1], [2])


def test_resume_in_the_middle_of_an_epoch(write, tmp_path):
    for name in "abc":
        write("x\n" + "".join(f"{name}{i}\n" for i in range(7)), f"{name}.csv")
    dataset = make_csv_dataset(f"{tmp_path}/*.csv", 4, shuffle_seed=5, num_epochs=3, num_parallel_reads=2)
    iterator = iter(dataset)
    for _ in range(7):
        next(iterator)
    position = iterator.state()
    rest = [batch["x"].tolist() for batch in iterator]
    again = iter(dataset)
    again.restore(position)
    assert [batch["x"].tolist() for batch in again] == rest
    assert len(rest) == 9
