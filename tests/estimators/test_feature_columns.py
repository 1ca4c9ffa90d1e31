import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import as_tensor
from estimators import feature_column as fc
from tests.estimators.helpers import GOLDEN

VOCABULARY = fc.categorical_column_with_vocabulary_list("k", ["a", "b", "c"])


def ids(column, values):
    return evaluate(column.ids({column.key: as_tensor(values)}), [], [])


def dense(column, values):
    return evaluate(column.dense({column.key: as_tensor(values)}), [], [])


def dense_of(column, **features):
    return evaluate(column.dense({key: as_tensor(value) for key, value in features.items()}), [], [])


def buckets(values, boundaries):
    column = fc.bucketized_column(fc.numeric_column("x", shape=np.shape(values)[1:] or (1,)), boundaries)
    return column, evaluate(column.ids({"x": as_tensor(np.float32(values))}), [], [])


def test_vocabulary_of_integers_takes_minus_one_for_missing():
    column = fc.categorical_column_with_vocabulary_list("k", [10, 20, 30], default_value=2)
    assert ids(column, np.array([10, 20, -1, 7])).tolist() == [[0], [1], [-1], [2]]


def test_vocabulary_takes_null_text_for_missing():
    column = fc.categorical_column_with_vocabulary_list("k", ["a"], default_value=0)
    assert ids(column, np.array(["a", None, "", "b"], object)).tolist() == [[0], [-1], [-1], [0]]


def test_bucketized():
    golden = GOLDEN["bucketized"]
    column, found = buckets([float(x) for x in golden["inputs"]], golden["boundaries"])
    assert found.ravel().tolist() == golden["bucket_ids"]
    assert column.num_buckets == golden["num_buckets"]


def test_bucketized_gives_each_position_its_own_ids():
    golden = GOLDEN["bucketized_2d"]
    column, found = buckets(golden["input"], golden["boundaries"])
    assert found.ravel().tolist() == golden["sparse_ids"]["values"]
    assert column.num_buckets == golden["num_buckets"]


def test_numeric_becomes_float32_columns():
    found = dense(fc.numeric_column("x"), np.array([1, 2, 3]))
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0], [2.0], [3.0]]
    assert dense(fc.numeric_column("x", shape=(2, 2)), np.ones((3, 2, 2))).shape == (3, 4)


def test_numeric_normalizes_before_it_converts():
    column = fc.numeric_column("x", normalizer_fn=lambda x: x - 16777216.0)
    assert dense(column, np.array([16777217.0])).tolist() == [[1.0]]  # in float32 it would be 0


def test_nan_goes_through_a_numeric_column():
    assert np.isnan(dense(fc.numeric_column("x"), np.array([np.nan]))).all()


def test_a_default_fills_missing_numbers_before_they_are_normalized():
    column = fc.numeric_column("x", default_value=4.0, normalizer_fn=lambda x: x / 2)
    assert dense(column, np.array([np.nan, 6.0])).tolist() == [[2.0], [3.0]]
    assert dense(fc.numeric_column("x", default_value=4.0), np.array([3, -1])).tolist() == [[3.0], [-1.0]]


def test_a_default_may_have_the_shape_of_the_column():
    column = fc.numeric_column("x", shape=(2,), default_value=[7.0, 8.0])
    assert dense(column, np.array([[np.nan, 1.0], [2.0, np.nan]])).tolist() == [[7.0, 1.0], [2.0, 8.0]]


def test_missing_indicator():
    x = fc.numeric_column("x", shape=(2,), default_value=0.0, normalizer_fn=np.exp)
    column = fc.missing_indicator_column(x)
    assert dense_of(column, x=np.array([[np.nan, 1.0], [2.0, 3.0]])).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert (column.name, column.width) == ("x_missing_indicator", 2)
    assert dense_of(fc.missing_indicator_column("x"), x=np.array([1, 2])).tolist() == [[0.0], [0.0]]


def test_a_bucketized_column_is_dense_too():
    column = fc.bucketized_column(fc.numeric_column("x", shape=(2,)), [0, 10])
    found = dense_of(column, x=np.array(GOLDEN["bucketized_2d"]["input"]))
    assert found.reshape(2, 2, 3).tolist() == GOLDEN["bucketized_2d"]["dense"]


def test_names():
    x = fc.numeric_column("x")
    assert (x.name, fc.bucketized_column(x, [1]).name) == ("x", "x_bucketized")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: fc.numeric_column("x", shape=0), "at least 1"),
        (lambda: fc.numeric_column("x", dtype=str), "must be a number"),
        (lambda: fc.numeric_column("x", shape=2, default_value=[1.0] * 3), "numbers of shape (2,)"),
        (lambda: fc.missing_indicator_column(fc.indicator_column(VOCABULARY)), "needs a numeric_column"),
        (lambda: fc.numeric_column(3), "must be a string"),
        (lambda: fc.bucketized_column(fc.numeric_column("x"), [2, 1]), "strictly increasing"),
        (lambda: fc.bucketized_column(fc.numeric_column("x"), []), "strictly increasing"),
        (lambda: fc.bucketized_column(fc.numeric_column("x", shape=(2, 2)), [1]), "rank 1"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", []), "is empty"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", ["a", "b", "a"]), "twice: ['a']"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", ["a", 1]), "all text or all integers"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", ["a"], default_value=1), "below 1"),
        (lambda: fc.categorical_column_with_vocabulary_list("k", ["a"], dtype=np.int64), "does not fit"),
    ],
)
def test_bad_settings_are_refused(build, words):
    with pytest.raises((ValueError, TypeError)) as error:
        build()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (fc.numeric_column("x"), ["a", "b"], "needs numbers"),
        (fc.numeric_column("x", shape=(3,)), np.ones((2, 2)), "shape=(2,)"),
        (fc.numeric_column("x"), np.float32(1), ".batch(128)"),
    ],
)
def test_features_of_another_kind_are_refused(column, values, words):
    with pytest.raises((ValueError, TypeError)) as error:
        column.dense({"x": as_tensor(values)})
    assert words in str(error.value)


def test_vocabulary_of_another_kind_than_the_feature_is_refused():
    column = fc.categorical_column_with_vocabulary_list("k", ["a"])
    with pytest.raises(TypeError, match="holds text, and the feature is"):
        column.ids({"k": as_tensor([1, 2])})


def test_text_vocabulary_may_say_its_dtype():
    assert fc.categorical_column_with_vocabulary_list("k", ["a"], dtype=str).num_buckets == 1


def test_columns_are_values():
    one, other = (fc.bucketized_column(fc.numeric_column("x"), [1, 2]) for _ in range(2))
    assert one == other
    assert len({one, other}) == 1


def test_element_order_of_a_batch_is_kept():
    data = Dataset.from_tensor_slices({"k": ["b", "a", "b"]}).batch(3)
    column = fc.categorical_column_with_vocabulary_list("k", ["a", "b"])
    assert next(iter(data.map(column.ids))).tolist() == [[1], [0], [1]]
