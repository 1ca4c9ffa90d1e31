"""Ids of categorical columns, and what counts them."""

import gzip

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.errors import NotFoundError
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import feature_column as fc
from tests.golden_values import golden

GOLDEN = golden("columns")


def array(values):
    return np.array(values, object if isinstance(np.ravel(values)[0], str) else None)


def tensors(features):
    return {key: as_tensor(array(values)) for key, values in features.items()}


def ids(column, **features):
    return evaluate(column.ids(tensors(features)), [], []).tolist()


def dense(column, **features):
    return evaluate(column.dense(tensors(features)), [], []).tolist()


def filled(sparse):
    """What is not in the sparse tensor of TensorFlow is missing: -1 here."""
    found = np.full(sparse["dense_shape"], -1)
    found[tuple(np.transpose(sparse["indices"]))] = sparse["values"]
    return found.tolist()


@pytest.mark.parametrize("case", GOLDEN["hash_bucket_column"], ids=["text", "integers"])
def test_hash_bucket(case):
    column = fc.categorical_column_with_hash_bucket("k", case["hash_bucket_size"], case["key_dtype"])
    assert ids(column, k=case["input"]) == filled(case["out"])
    assert (column.name, column.num_buckets) == ("k", 10)


def test_null_text_is_missing_in_a_hash_bucket_column():
    column = fc.categorical_column_with_hash_bucket("k", 10)
    assert ids(column, k=["omar", None, ""]) == [[6], [-1], [-1]]


def test_hash_buckets_of_coded_text(tmp_path):
    rows = Dataset.from_tensor_slices({"k": ["omar", "", "marlo"] * 50})
    rows.write_parquet(str(tmp_path / "rows"))
    from dataflow import ParquetDataset

    column = fc.categorical_column_with_hash_bucket("k", 10)
    found = next(iter(ParquetDataset(str(tmp_path / "rows")).batch(3).map(column.ids)))
    assert found.tolist() == [[6], [-1], [1]]


@pytest.mark.parametrize("case", GOLDEN["vocab_list"], ids=["missing", "default", "oov", "integers"])
def test_vocabulary_list(case):
    column = fc.categorical_column_with_vocabulary_list(
        "k", case["vocab"], default_value=case.get("default", -1), num_oov_buckets=case.get("num_oov", 0)
    )
    assert ids(column, k=case["input"]) == filled(case["out"])
    assert column.num_buckets == 3 + case.get("num_oov", 0)


def vocabulary_file(tmp_path, data=b"a\nb\r\nc\n", name="words.txt", **settings):
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return fc.categorical_column_with_vocabulary_file("k", tmp_path / name, **settings)


@pytest.mark.parametrize("name", ["words.txt", "words.txt.gz"])
def test_vocabulary_file(tmp_path, name):
    column = vocabulary_file(tmp_path, name=name)
    assert ids(column, k=[["a", "zz"], ["", "c"]]) == [[0, -1], [-1, 2]]
    assert column.num_buckets == 3


def test_a_vocabulary_file_is_read_once(tmp_path):
    column = vocabulary_file(tmp_path, num_oov_buckets=4)
    (tmp_path / "words.txt").unlink()
    assert ids(column, k=[["zz", "yy", "xx", "a"]]) == [[5, 4, 4, 0]]


def test_a_vocabulary_file_may_be_used_in_part(tmp_path):
    column = vocabulary_file(tmp_path, vocabulary_size=2, default_value=1)
    assert ids(column, k=["a", "c"]) == [[0], [1]]
    assert column.num_buckets == 2


def test_a_vocabulary_file_of_integers(tmp_path):
    column = vocabulary_file(tmp_path, b"10\n20\n30", dtype=np.int64, num_oov_buckets=4)
    assert ids(column, k=[[10, 11, -1, 12]]) == [[0, 6, -1, 3]]


def test_a_vocabulary_file_behind_a_url():
    import fsspec

    with fsspec.open("memory://columns/words.txt", "wb") as file:
        file.write(b"a\nb\n")
    column = fc.categorical_column_with_vocabulary_file("k", "memory://columns/words.txt")
    assert ids(column, k=["b", "a"]) == [[1], [0]]


def test_a_missing_vocabulary_file_is_refused_where_the_column_is_made(tmp_path):
    with pytest.raises(NotFoundError, match=r"vocabulary_file of .*'k'.* does not exist: .*nothing.txt"):
        fc.categorical_column_with_vocabulary_file("k", tmp_path / "nothing.txt")


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        (b"a\nb\n", {"vocabulary_size": 3}, "has 2 lines, and vocabulary_size is 3"),
        (b"a\nb\na\n", {}, "holds 'a' twice: at 0 and at 2"),
        (b"1\nb\n", {"dtype": np.int64}, "line 2 of .* is 'b'"),
        (b"", {}, "is empty"),
        (b"a\n", {"default_value": 0, "num_oov_buckets": 1}, "give one of them"),
        (b"\xff\n", {}, "not UTF-8"),
    ],
)
def test_bad_vocabulary_files_are_refused(tmp_path, data, settings, words):
    with pytest.raises(ValueError, match=words):
        vocabulary_file(tmp_path, data, **settings)


def test_a_large_vocabulary_is_looked_up_exactly():
    words = [f"word {i * 7919 % 20011}" for i in range(20011)]
    column = fc.categorical_column_with_vocabulary_list("k", words)
    assert ids(column, k=[words[5], words[20010], "word", "word 20011"]) == [[5], [20010], [-1], [-1]]


def test_identity_with_a_default():
    case = GOLDEN["identity"][1]
    column = fc.categorical_column_with_identity("k", case["num_buckets"], case["default"])
    assert ids(column, k=case["input"]) == filled(case["out"])


def test_an_identity_out_of_range_is_an_error_that_names_it():
    column = fc.categorical_column_with_identity("k", 4)
    assert ids(column, k=[[0, 3, -1, -2]]) == [[0, 3, -1, -1]]
    with pytest.raises(ValueError, match=r"'k' holds 4, which is no id below num_buckets=4"):
        ids(column, k=GOLDEN["identity"][0]["input"])
    data = Dataset.from_tensor_slices({"k": [1, 2, 3, 4]}).batch(2).map(column.ids)
    with pytest.raises(ValueError, match="'k' holds 4"):
        list(data)


def test_indicator_counts():
    case = GOLDEN["indicator"][0]
    column = fc.indicator_column(fc.categorical_column_with_vocabulary_list("k", ["a", "b", "c"]))
    assert dense(column, k=case["input"]) == case["out"]
    assert (column.name, column.width) == ("k_indicator", 3)


def weighted():
    return fc.weighted_categorical_column(
        fc.categorical_column_with_vocabulary_list("k", ["a", "b", "c"]), "w"
    )


def test_weighted_categories():
    case, column = GOLDEN["weighted"], weighted()
    assert ids(column, **case["input"]) == filled(case["ids"])
    found = evaluate(column.weights(tensors(case["input"])), [], [])
    assert (found.dtype, found.tolist()) == (np.float32, case["input"]["w"])
    assert dense(fc.indicator_column(column), **case["input"])[0] == case["indicator"][0]
    assert column.name == "k_weighted_by_w"


def test_weights_belong_to_places():
    features = {"k": array([["a", "b"]]), "w": np.ones((1, 3))}
    with pytest.raises(TypeError, match="2 values and 3 weights"):
        weighted().weights({key: as_tensor(value) for key, value in features.items()})
    with pytest.raises(TypeError, match="weights are numbers"):
        weighted().weights(tensors({"k": ["a"], "w": ["b"]}))


CROSSES = GOLDEN["crossed_column"]["cases"]
COLUMNS = {
    "n": fc.categorical_column_with_identity("n", 10),
    "k": fc.categorical_column_with_vocabulary_list("k", ["u", "v"]),
    "x_bucketized": fc.bucketized_column(fc.numeric_column("x"), [0.0, 10.0]),
    "a_X_b": fc.crossed_column(["a", "b"], 10),
}


def is_sparse(case):
    return any(isinstance(value, dict) for value in case["features"].values())


@pytest.mark.parametrize("case", [c for c in CROSSES if not is_sparse(c)], ids=lambda c: c["case"])
def test_crossed_column(case):
    keys = [COLUMNS.get(key, key) for key in case["keys"]]
    column = fc.crossed_column(keys, case["hash_bucket_size"], case["hash_key"])
    assert ids(column, **case["features"]) == filled(case["out"])
    assert (column.name, column.num_buckets) == (case["name"], case["hash_bucket_size"])


def test_null_text_makes_no_cross():
    case = next(c for c in CROSSES if c["case"] == "two sparse strings")
    column = fc.crossed_column(["a", "b"], 1000)
    assert ids(column, a=["x", "y", None], b=["p", "q", "p"]) == filled(case["out"])


def test_crosses_in_a_dataset_are_those_of_single_rows():
    column = fc.crossed_column([COLUMNS["k"], "a", "b"], 1000)
    rows = {"k": ["u", "", "zz", "v"], "a": ["x", "y", "", "x"], "b": [3, 4, -1, 5]}
    found = [row for batch in Dataset.from_tensor_slices(rows).batch(3).map(column.ids) for row in batch]
    single = [ids(column, **{key: values[i : i + 1] for key, values in rows.items()})[0] for i in range(4)]
    assert [row.tolist() for row in found] == single
    assert single[1] == [-1]


def test_lists_become_multi_valued_categories():
    data = Dataset.from_list([["a", "b", "a"], [], ["c"]]).map(lambda k: {"k": k}).padded_batch(3)
    column = fc.indicator_column(fc.categorical_column_with_vocabulary_list("k", ["a", "b", "c"]))
    assert next(iter(data.map(column.dense))).tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_more_axes_are_more_values():
    column = fc.categorical_column_with_identity("k", 10)
    assert ids(column, k=[[[1, 2], [3, -1]]]) == [[1, 2, 3, -1]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: fc.categorical_column_with_hash_bucket("k", 0), "at least 1"),
        (lambda: fc.categorical_column_with_hash_bucket("k", 9, np.float32), "text or an integer"),
        (lambda: fc.categorical_column_with_identity("k", 2, 2), "below num_buckets=2"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", ["a"], None, 0, 1), "give one of them"),
        (lambda: fc.crossed_column(["a"], 10), "at least two keys"),
        (lambda: fc.crossed_column("ab", 10), "list of at least two keys"),
        (lambda: fc.crossed_column(["a", fc.numeric_column("b")], 10), "strings or categorical"),
        (lambda: fc.crossed_column(["a", fc.categorical_column_with_hash_bucket("b", 9)], 10), "'b' itself"),
        (lambda: fc.crossed_column(["a", weighted()], 10), "has weights"),
        (lambda: fc.crossed_column(["a", "b"], 0), "at least 1"),
        (lambda: fc.indicator_column(fc.numeric_column("x")), "needs a categorical column"),
        (lambda: fc.weighted_categorical_column(weighted(), "v"), "weights already"),
        (lambda: fc.weighted_categorical_column(fc.numeric_column("x"), "v"), "a categorical column"),
    ],
)
def test_bad_settings_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize(
    ("column", "features", "words"),
    [
        (fc.categorical_column_with_hash_bucket("k", 9), {"k": [1.5]}, "bucketized_column"),
        (fc.categorical_column_with_hash_bucket("k", 9, str), {"k": [1]}, "needs text"),
        (fc.categorical_column_with_identity("k", 9), {"k": ["a"]}, "needs integers"),
        (fc.crossed_column(["a", "b"], 9), {"a": ["x"], "b": [1.5]}, "text or integers"),
        (fc.categorical_column_with_identity("price", 9), {"prices": [1]}, "did you mean 'prices'"),
    ],
)
def test_features_of_another_kind_are_refused(column, features, words):
    with pytest.raises((TypeError, ValueError), match=words):
        ids(column, **features)
