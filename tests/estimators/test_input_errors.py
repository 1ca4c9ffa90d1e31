"""Canned estimators over input that is wrong: each error names the column, the value, and a way out."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    DNNClassifier,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    NanLossDuringTrainingError,
    feature_column,
)
from tests.estimators.helpers import QUIET

BOTH_FORMS = True

AGE = feature_column.numeric_column("age")
AGES = np.float32([31, 54, 23])


def linear(columns=(AGE,), **settings):
    return LinearClassifier(columns, config=QUIET, **settings)


def dnn(columns=(AGE,), **settings):
    return DNNRegressor([2], columns, config=QUIET, **settings)


def combined(columns=(AGE,), **settings):
    both = {"linear_feature_columns": [AGE], "dnn_feature_columns": columns}
    return DNNLinearCombinedRegressor(**both, dnn_hidden_units=[2], config=QUIET, **settings)


def data(labels=(0, 1, 1), **features):
    return Dataset.from_tensor_slices(({"age": AGES, **features}, list(labels))).batch(3)


@pytest.mark.parametrize("make", [linear, dnn, combined])
def test_an_unknown_column(make):
    column = feature_column.numeric_column("agee")
    with pytest.raises(ValueError, match=r"the features have no 'agee'\n.*did you mean 'age'\?"):
        make([column]).train(data())


def test_an_unknown_weight_column():
    with pytest.raises(ValueError, match=r"no 'wt', which is the weight_column\n.*did you mean 'wgt'"):
        linear(weight_column="wt").train(data(wgt=AGES))


TOWN = feature_column.categorical_column_with_vocabulary_list("town", ["Bern"])


@pytest.mark.parametrize(
    ("make", "column", "features", "message"),
    [
        (linear, AGE, {"age": ["1", "2", "x"]}, r"numeric_column\('age'\) needs numbers(?s:.*)astype"),
        (linear, TOWN, {"town": [1, 2, 3]}, "vocabulary of 'town' holds text, and the feature is .*int64"),
        (
            dnn,
            feature_column.indicator_column(feature_column.categorical_column_with_identity("age", 99)),
            {},
            r"identity\('age'\) needs integers, and the feature is .*float32(?s:.*)hash_bucket",
        ),
    ],
)
def test_a_column_of_the_wrong_dtype(make, column, features, message):
    with pytest.raises(TypeError, match=message):
        make([column]).train(data(**features))


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (linear(), ["a", "b", "a"], "labels are text(?s:.*)give label_vocabulary"),
        (dnn(), ["a", "b", "a"], "labels of a regression must be numbers(?s:.*)astype"),
        (linear(n_classes=3), [0.0, 1.0, 2.0], "labels of 3 classes must be integers(?s:.*)astype"),
        (linear(weight_column="wt"), [0, 1, 1], "weight_column 'wt' holds .*string(?s:.*)astype"),
    ],
)
def test_labels_and_weights_of_the_wrong_dtype(model, labels, message):
    with pytest.raises(TypeError, match=message):
        model.train(data(labels, wt=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (linear(), [0, 1, 2], "labels must be between 0 and 1, and one is 2(?s:.*)MultiClassHead"),
        (
            DNNClassifier([2], [AGE], n_classes=3, config=QUIET),
            [0, -1, 2],
            "labels of 3 classes must be between 0 and 2, and one is -1(?s:.*)n_classes=3",
        ),
        (linear(label_vocabulary=["no", "yes"]), ["no", "yess", "no"], "label 'yess'(?s:.*)mean 'yes'"),
    ],
)
def test_a_label_out_of_range(model, labels, message):
    with pytest.raises(ValueError, match=message):
        model.train(data(labels))


@pytest.mark.parametrize(
    ("make", "value", "what"),
    [(linear, np.nan, "NaN"), (dnn, np.nan, "NaN"), (combined, np.nan, "NaN"), (linear, np.inf, "infinite")],
)
def test_a_feature_that_is_no_number(make, value, what):
    columns = [AGE, feature_column.numeric_column("height")]
    height = np.float32([1.8, value, 1.7])
    words = rf"features\['height'\] is {what} in 1 of 3 .* example 1 \(from 0\)\n.*default_value"
    with pytest.raises(NanLossDuringTrainingError, match=words):
        make(columns).train(data(height=height))


def test_an_evaluation_of_nan_says_where_it_is(caplog):
    model = dnn().train(data())
    assert np.isnan(model.evaluate(data(age=np.float32([1, np.nan, 3])))["loss"])
    assert "batch 0 is NaN: features['age'] is NaN in 1 of 3 examples" in caplog.text


def test_a_file_of_categories_that_is_missing(tmp_path):
    path = tmp_path / "towns.txt"
    with pytest.raises(FileNotFoundError, match=rf"file\('town'\) does not exist: {path}\n.*a text file"):
        feature_column.categorical_column_with_vocabulary_file("town", path)


@pytest.mark.parametrize("make", [linear, dnn, combined])
@pytest.mark.parametrize("value", [-2, np.nan])
def test_a_negative_weight(make, value):
    words = rf"weights in the weight_column 'wt' must be at least 0, and one is {value}(?s:.*)filter"
    with pytest.raises(ValueError, match=words):
        make(weight_column="wt").train(data(wt=np.float32([1, value, 1])))


def test_none_among_numbers():
    with pytest.raises(TypeError, match=r"'age' has None among its values\n.*np.nan"):
        linear().train(({"age": [31.0, None, 23.0]}, [0, 1, 1]))
