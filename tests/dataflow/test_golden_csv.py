"""`decode_csv`, `CsvDataset` and `make_csv_dataset` give the values and error classes of tf.data."""

import itertools
import math

import numpy as np
import pytest

import dataflow as df
from dataflow import CsvDataset, decode_csv, make_csv_dataset
from dataflow.spec import dtype_name
from tests.dataflow.test_golden import elements, plain
from tests.golden_values import golden

GOLDEN = golden("behaviour")["csv"]
INT64_REQUIRED = np.array([], np.int64)
FLOAT_REQUIRED = np.array([], np.float32)
ONCE = {"num_epochs": 1, "shuffle": False}
FILES = {
    "table.csv": "f,i,big,s,e\n1.5,1,3000000000,a,\n2.0,2,4,b,\n",
    "three.csv": "a\n1\n2\n3\n",
    "other/1.csv": "a,b\n1,2\n",
    "other/2.csv": "a,c\n1,2\n",
}


def decoded(record, *defaults, **options):
    """Return a case of decode_csv, for one record or a list of them."""
    return lambda: [np.asarray(column).tolist() for column in decode_csv(record, defaults, **options)]


def records(text, *defaults, **options):
    """Return a case of CsvDataset, which reads the text from a file."""

    def read():
        with open("records.csv", "w", newline="") as file:
            file.write(text)
        return CsvDataset("records.csv", defaults, **options)

    return read


def table(path="table.csv", batch_size=2, **options):
    """Return a case of make_csv_dataset."""
    return lambda: make_csv_dataset(path, batch_size, **{**ONCE, **options})


def three_numbers_of_epochs():
    def batches(num_epochs):
        dataset = table("three.csv", num_epochs=num_epochs)()
        return [plain(batch) for batch in itertools.islice(dataset, 4)]

    return [batches(1), batches(2), batches(None)]


CASES = {
    "csv basic": decoded(["1,2.5,a", "3,,"], [0], [0.0], ["zz"]),
    "csv required missing": decoded([",1"], FLOAT_REQUIRED, [0]),
    "csv required type only": decoded(["1"], np.float32),
    "csv dtype as default": decoded(["1,2"], INT64_REQUIRED, FLOAT_REQUIRED),
    "csv too few": decoded(["1"], [0], [0]),
    "csv too many": decoded(["1,2,3"], [0], [0]),
    "csv bad int": decoded(["1.0"], [0]),
    "csv int spaces": decoded([" 1 "], [0]),
    "csv float forms": decoded(["1e3,2.,inf,nan,-.5,0x10"], *[[0.0]] * 6),
    "csv int overflow": decoded(["2147483648"], [0]),
    "csv int64 big": decoded(["9223372036854775807"], INT64_REQUIRED),
    "csv plus sign": decoded(["+1"], [0]),
    "csv quoted": decoded(['"a,b","say ""hi""","x\ny"'], [""], [""], [""]),
    "csv quote inside unquoted": decoded(['a"b'], [""]),
    "csv no quote mode": decoded(['a"b,"c"'], [""], [""], use_quote_delim=False),
    "csv text after closing quote": decoded(['"a"b'], [""]),
    "csv newline in unquoted": decoded(["a\nb"], [""]),
    "csv trailing newline": decoded(["a\n"], [""]),
    "csv leading newline": decoded(["\na,\nb"], [""], [""]),
    "csv na_value": decoded(["1,NA,5"], [0], ["d"], [9], na_value="NA"),
    "csv quoted na": decoded(['"NA",x'], ["d"], [""], na_value="NA"),
    "csv spaces kept in strings": decoded([" a , b"], [""], [""]),
    "csv delim tab": decoded(["a\tb"], [""], [""], field_delim="\t"),
    "csv delim 2 chars": decoded(["a||b"], [""], [""], field_delim="||"),
    "csv select": decoded(["1,x,2"], [0], [0], select_cols=[0, 2]),
    "csv select not increasing": decoded(["1,2"], [0], [0], select_cols=[1, 0]),
    "csv select len": decoded(["1,2"], [0], [0], select_cols=[0]),
    "csv select out of range": decoded(["1,2"], [0], select_cols=[5]),
    "csv empty record": decoded([""], ["d"]),
    "csv empty record 2": decoded([""], [0], [0]),
    "csv default len2": decoded(["1"], [0, 1]),
    "csv bool unsupported": decoded(["1"], [True]),
    "csv scalar record shape": decoded("1,2", [0], [0]),
    "csv matrix record": decoded([["1,2"], ["3,4"]], [0], [0]),
    "csv unicode delim": decoded(["aéb"], [""], [""], field_delim="é"),
    "csv single empty quoted": decoded(['""'], ["d"]),
    "csv only delim": decoded([","], ["p"], ["q"]),
    "CsvDataset": records("1,a\n\n2,b\n", [0], [""]),
    "CsvDataset blank last line": records("1,a\n2,b\n", [0], [""]),
    "CsvDataset crlf": records("1,a\r\n2,b\r\n", [0], [""]),
    "CsvDataset too many": records("1,a,c\n", [0], [""]),
    "CsvDataset too few": records("1\n", [0], [""]),
    "CsvDataset select": records("1,a,9\n2,b,8\n", [0], [0], select_cols=[0, 2]),
    "CsvDataset exclude": records("1,a,9\n2,b,8\n", [0], [0], exclude_cols=[1]),
    "CsvDataset cr only": records("1,a\r2,b\r", [0], [""]),
    "CsvDataset error then continues": lambda: records("1,a\nx,b\n3,c\n", [0], [""])().ignore_errors(),
    "CsvDataset header empty file": records("", [0], [""], header=True),
    "make_csv infer": table(),
    "make_csv label": table(label_name="s"),
    "make_csv select": table(select_columns=["f", "s"]),
    "make_csv select idx": table(select_columns=[3, 0]),
    "make_csv dup select": table(select_columns=["f", "f"]),
    "make_csv bad label": table(label_name="nothing"),
    "make_csv no header no names": table(header=False),
    "make_csv names": table(column_names=["a", "b", "c", "d", "e"]),
    "make_csv no files": table("nothing/*.csv"),
    "make_csv defaults": table(column_defaults=[np.float32, np.int64, np.float64, str, [5]]),
    "make_csv epochs & remainder": three_numbers_of_epochs,
    "make_csv inconsistent headers": table("other/*.csv"),
}
ERRORS = {"InvalidArgumentError": df.InvalidArgumentError, "ValueError": ValueError}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Work in a folder with the files that the cases read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)


def with_text_for_special_numbers(values):
    return [
        [str(x) if isinstance(x, float) and not math.isfinite(x) else x for x in column] for column in values
    ]


@pytest.mark.parametrize("name", [name for name in CASES if "error" in GOLDEN[name]])
def test_errors(files, name):
    with pytest.raises(ERRORS[GOLDEN[name]["error"]]):
        list(CASES[name]())


@pytest.mark.parametrize("name", [name for name in CASES if "error" not in GOLDEN[name]])
def test_values(files, name):
    found = CASES[name]()
    if name == "csv float forms":
        found = with_text_for_special_numbers(found)
    assert (elements(found) if isinstance(found, df.Dataset) else found) == GOLDEN[name]["ok"]


@pytest.mark.parametrize("name", [name for name in CASES if "dtypes" in GOLDEN[name]])
def test_specs(files, name):
    spec, label = CASES[name]().element_spec, GOLDEN[name].get("label")
    features = spec if label is None else spec[0]
    assert {key: dtype_name(leaf.dtype) for key, leaf in features.items()} == GOLDEN[name]["dtypes"]
    assert list(features) == list(GOLDEN[name]["dtypes"])
    assert {leaf.shape for leaf in features.values()} == {(None,)}
    assert label is None or (dtype_name(spec[1].dtype), spec[1].shape) == (label, (None,))


def test_every_case_of_tensorflow_is_tried():
    assert CASES.keys() == GOLDEN.keys()
