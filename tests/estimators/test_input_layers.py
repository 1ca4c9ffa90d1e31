"""`input_layer` and `linear_model`: order, names of variables, values."""

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.tensor import as_tensor
from estimators import VariableStore, variable_scope
from estimators import feature_column as fc
from estimators.graph.program import Program, initial_values
from estimators.graph.variable import constant
from tests.estimators.helpers import classes, classifier, variables

BOTH_FORMS = True


def tensors(features):
    return {key: as_tensor(np.array(value)) for key, value in features.items()}


def run(result, values):
    return Program([], {"y": result}).run([], {k: np.float32(v) for k, v in values.items()})["y"].tolist()


def test_columns_are_sorted_by_name():
    columns = [fc.numeric_column("b"), fc.numeric_column("B"), fc.numeric_column("a", shape=2)]
    with VariableStore():
        found = fc.input_layer(tensors({"a": [[1.0, 2.0]], "b": [3.0], "B": [4.0]}), columns)
    assert found.shape == (1, 4)
    assert run(found, {}) == [[4.0, 1.0, 2.0, 3.0]]


def test_names_of_variables():
    kind = fc.categorical_column_with_identity("a b!", 3)
    columns = [fc.embedding_column(kind, 2), fc.indicator_column(kind)]
    with VariableStore() as store, variable_scope("dnn/input_from_feature_columns"):
        fc.input_layer(tensors({"a b!": [1]}), columns)
        fc.input_layer(tensors({"a b!": [1]}), columns[:1])
    scope = "dnn/input_from_feature_columns"
    assert list(store.variables) == [
        f"{scope}/input_layer/a_b__embedding/embedding_weights",
        f"{scope}/input_layer_1/a_b__embedding/embedding_weights",
    ]


def all_columns():
    a = fc.categorical_column_with_vocabulary_list("a", ["x", "y", "z"])
    x = fc.numeric_column("x")
    embedding = fc.embedding_column(a, 2, initializer=constant(1.0))
    return [fc.bucketized_column(x, [1.0]), x, embedding, a]


def test_linear_model_makes_tfs_variables():
    with VariableStore() as store:
        fc.linear_model({"a": as_tensor(["x", "y"]), "x": as_tensor([1.0, 2.0])}, all_columns(), units=3)
    assert {name: variable.shape for name, variable in store.variables.items()} == {
        "linear_model/a/weights": (3, 3),
        "linear_model/a_embedding/weights": (2, 3),
        "linear_model/a_embedding/embedding_weights": (3, 2),
        "linear_model/x/weights": (1, 3),
        "linear_model/x_bucketized/weights": (2, 3),
        "linear_model/bias_weights": (3,),
    }


def test_linear_model_adds_columns_and_bias():
    with VariableStore() as store:
        found = fc.linear_model({"a": as_tensor(["y", ""]), "x": as_tensor([1.0, 0.5])}, all_columns())
    values = {k: np.zeros_like(v) for k, v in initial_values(store.variables.values(), 1).items()}
    assert run(found, values) == [[0.0], [0.0]]
    values["linear_model/a/weights"] = [[1], [2], [3]]
    values["linear_model/x/weights"] = [[10]]
    values["linear_model/x_bucketized/weights"] = [[100], [200]]
    values["linear_model/bias_weights"] = [1000]
    assert run(found, values) == [[1212.0], [1105.0]]


@pytest.mark.parametrize(("combiner", "expected"), [("sum", 6.0), ("mean", 3.0), ("sqrtn", 6 / 2**0.5)])
def test_linear_model_combines_several_categories(combiner, expected):
    column = fc.categorical_column_with_identity("k", 3)
    with VariableStore():
        found = fc.linear_model(tensors({"k": [[1, -1, 2]]}), column, sparse_combiner=combiner)
    values = {"linear_model/k/weights": [[1], [2], [4]], "linear_model/bias_weights": [0]}
    assert run(found, values)[0] == pytest.approx([expected])


def test_linear_model_uses_weights():
    column = fc.weighted_categorical_column(fc.categorical_column_with_identity("k", 3), "w")
    with VariableStore():
        found = fc.linear_model(tensors({"k": [[1, 2]], "w": [[-1.0, 0.5]]}), [column])
    values = {"linear_model/k_weighted_by_w/weights": [[1], [2], [4]], "linear_model/bias_weights": [1]}
    assert run(found, values) == [[1.0]]


def test_a_linear_model_that_is_not_trained():
    with VariableStore() as store:
        fc.linear_model({"a": as_tensor(["y"]), "x": as_tensor([1.0])}, all_columns(), trainable=False)
    assert {variable.trainable for variable in store.variables.values()} == {False}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([fc.categorical_column_with_identity("k", 3)], "indicator_column"),
        ([fc.numeric_column("k"), fc.numeric_column("k")], "one name"),
        ([], "is empty"),
        ({"k": fc.numeric_column("k")}, "not a dict"),
        ([fc.numeric_column("missing")], "no 'missing'"),
        ([fc.embedding_column(fc.sequence_categorical_column_with_identity("k", 3), 2)], "sequence_input"),
        ([fc.sequence_numeric_column("k")], "sequence_input_layer"),
    ],
)
def test_what_an_input_layer_refuses(columns, words):
    with VariableStore(), pytest.raises(ValueError, match=words):
        fc.input_layer(tensors({"k": [1]}), columns)


def test_a_layer_needs_features_by_name():
    with VariableStore(), pytest.raises(TypeError, match="must be a dict"):
        fc.linear_model(as_tensor([1.0]), [fc.numeric_column("x")])


def test_a_linear_classifier_learns_from_all_kinds_of_columns(tmp_path):
    hashed = fc.categorical_column_with_hash_bucket("a", 50)
    columns = [
        fc.crossed_column(["a", "b"], 100),
        fc.weighted_categorical_column(hashed, "w"),
        fc.embedding_column(hashed, 2),
        fc.indicator_column(fc.categorical_column_with_identity("c", 4)),
    ]
    features = {
        "a": ["p", "q", "p", "q"],
        "b": ["r", "r", "s", "s"],
        "c": [0, 1, 2, 3],
        "w": [1.0, 2.0, 1.0, 2.0],
    }
    data = classes((0, 1, 1, 0), **features)
    model = classifier(tmp_path, columns).train(data.repeat(), steps=60)
    assert model.evaluate(data)["accuracy"] == 1.0
    assert "linear/linear_model/a_X_b/weights" in variables(model)
    assert "linear/linear_model/a_weighted_by_w/weights" in variables(model)


def test_a_classifier_learns_from_lists(tmp_path):
    rows = [(["good", "day"], 1), (["bad"], 0), ([], 0), (["good"], 1), (["bad", "day"], 0)]
    words, labels = zip(*rows, strict=True)
    data = Dataset.zip(
        Dataset.from_list(list(words)).map(lambda w: {"w": w}), Dataset.from_list(list(labels))
    )
    data = data.padded_batch(2)
    column = fc.categorical_column_with_hash_bucket("w", 100)
    model = classifier(tmp_path, [column]).train(data.repeat(), steps=60)
    assert model.evaluate(data)["accuracy"] == 1.0
