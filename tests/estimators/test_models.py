"""Canned estimators: their numbers, names and settings, compared with those of TensorFlow."""

import functools
import json

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    BaselineClassifier,
    BaselineEstimator,
    BaselineRegressor,
    DNNClassifier,
    DNNEstimator,
    DNNLinearCombinedClassifier,
    DNNLinearCombinedEstimator,
    DNNLinearCombinedRegressor,
    DNNRegressor,
    LinearClassifier,
    LinearEstimator,
    LinearRegressor,
    MultiHead,
    RegressionHead,
    feature_column,
    nn,
)
from estimators.models.settings import V1
from estimators.optimizers import SGD, Adagrad, Adam
from estimators.values.checkpoint import load
from tests.estimators.helpers import GOLDEN_FILES, QUIET, variables
from tests.estimators.warm_values import with_values

BOTH_FORMS = True

GOLDEN = json.loads((GOLDEN_FILES / "models.json").read_text())
SUM = {"loss_reduction": "sum", "_defaults": V1}

X = feature_column.numeric_column("x", shape=2)
C = feature_column.categorical_column_with_vocabulary_list("c", ["a", "b"])
EMBEDDED = feature_column.embedding_column(C, 3)
WIDE = {"feature_columns": [C, X]}
DEEP = {"feature_columns": [X, EMBEDDED]}
LINEAR_PART = {"linear_feature_columns": [C, X]}
DNN_PART = {"dnn_feature_columns": [X, EMBEDDED]}


def rows(labels, **features):
    return Dataset.from_tensor_slices((features or GOLDEN["features"], labels)).batch(6)


# Numbers -------------------------------------------------------------------------------------------

RUNS = {
    "v1 DNNClassifier": lambda **s: DNNClassifier([4, 3], **DEEP, batch_norm=True, **SUM, **s),
    "v2 DNNClassifier n=3 Adagrad(0.05)": lambda **s: DNNClassifier(
        [4, 3], **DEEP, n_classes=3, batch_norm=True, weight_column="w", activation_fn=nn.elu, **s
    ),
    "v2 DNNRegressor Adam": lambda **s: DNNRegressor(
        [4], **DEEP, label_dimension=2, optimizer="Adam", activation_fn="tanh", **s
    ),
    "v2 DNNRegressor SGD": lambda **s: DNNRegressor([4], **DEEP, optimizer="SGD", **s),
    "v1 DNNRegressor RMSProp": lambda **s: DNNRegressor([4], **DEEP, optimizer="RMSProp", **SUM, **s),
    "v1 DNNLinearCombinedClassifier": lambda **s: DNNLinearCombinedClassifier(
        **LINEAR_PART, **DNN_PART, dnn_hidden_units=[4, 3], **SUM, **s
    ),
    "v2 DNNLinearCombinedClassifier": lambda **s: DNNLinearCombinedClassifier(
        **LINEAR_PART, **DNN_PART, dnn_hidden_units=[4, 3], **s
    ),
    "v2 DNNLinearCombinedRegressor without dnn": lambda **s: DNNLinearCombinedRegressor(**LINEAR_PART, **s),
    "v1 BaselineClassifier n=3": lambda **s: BaselineClassifier(n_classes=3, weight_column="w", **SUM, **s),
    "v2 BaselineClassifier n=3": lambda **s: BaselineClassifier(n_classes=3, weight_column="w", **s),
    "v1 BaselineRegressor": lambda **s: BaselineRegressor(**SUM, **s),
    "v2 BaselineRegressor": lambda **s: BaselineRegressor(**s),
    "v1 LinearClassifier n=3": lambda **s: LinearClassifier(
        **WIDE, n_classes=3, weight_column="w", **SUM, **s
    ),
    "v2 LinearClassifier n=3": lambda **s: LinearClassifier(**WIDE, n_classes=3, weight_column="w", **s),
    "v1 LinearRegressor None": lambda **s: LinearRegressor(
        **WIDE, label_dimension=2, optimizer=None, **SUM, **s
    ),
    "v2 LinearRegressor None": lambda **s: LinearRegressor(**WIDE, label_dimension=2, optimizer=None, **s),
    "v1 LinearRegressor Adam": lambda **s: LinearRegressor(**WIDE, optimizer="Adam", **SUM, **s),
    "v2 LinearRegressor Adam": lambda **s: LinearRegressor(**WIDE, optimizer="Adam", **s),
}


def close(found, golden):
    np.testing.assert_allclose(found, np.asarray(golden), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(GOLDEN["runs"]))
def test_training_evaluation_and_predictions_are_those_of_tf(tmp_path, name):
    golden = GOLDEN["runs"][name]
    settings = {"model_dir": tmp_path / "model", "config": QUIET}
    if "Baseline" not in name:
        settings["warm_start_from"] = with_values(golden["first"], tmp_path / "first")
    model = RUNS[name](**settings).train(rows(golden["labels"]).repeat(), steps=golden["steps"])
    for variable, value in golden["last"].items():
        close(model.get_variable_value(variable), value)
    found = model.evaluate(rows(golden["labels"]))
    assert found.keys() == golden["evaluate"].keys()
    for metric, value in golden["evaluate"].items():
        if not (name.startswith("v1") and metric.startswith("auc")):  # v1 adds small numbers to its counts
            close(found[metric], value)
    key = "predictions" if "predictions" in golden else "logits"
    close([p[key] for p in model.predict(rows(golden["labels"]))], golden[key])


# Names ---------------------------------------------------------------------------------------------

SMALL = {
    "v2 LinearClassifier": lambda **s: LinearClassifier(
        [X, C, (b := feature_column.bucketized_column(feature_column.numeric_column("w"), [0, 1])),
         feature_column.crossed_column(["c", b], 7)], **s
    ),
    "v2 DNNClassifier": lambda **s: DNNClassifier(
        [4, 3], [X, EMBEDDED, feature_column.indicator_column(C)], batch_norm=True, **s
    ),
    "v2 DNNRegressor": lambda **s: DNNRegressor([4], [X, EMBEDDED], **s),
    "v2 DNNLinearCombinedClassifier": lambda **s: DNNLinearCombinedClassifier(
        linear_feature_columns=[C], **DNN_PART, dnn_hidden_units=[4], **s
    ),
    "v1 BaselineClassifier": lambda **s: BaselineClassifier(**s),
    "v1 LinearClassifier n=3": lambda **s: LinearClassifier([X, C], n_classes=3, **s),
}  # fmt: skip


@pytest.fixture(params=sorted(SMALL))
def small(request, tmp_path):
    return request.param, SMALL[request.param](model_dir=tmp_path, config=QUIET)


def test_variable_names_and_shapes_are_those_of_tf(small):
    """But for v1's slots, which are called as in v2, and the step that Keras's Ftrl counts for itself."""
    name, model = small
    model.train(rows([0, 1, 1, 0, 1, 0]))
    golden = dict(GOLDEN["checkpoint_variables"][name])
    golden.pop("training/Ftrl/iter", None)
    v1_slots = ("Ftrl", "Ftrl_1", "Adagrad")
    golden = {key: shape for key, shape in golden.items() if key.split("/")[-1] not in v1_slots}
    found = {key: list(value.shape) for key, value in variables(model).items()}
    if name.startswith("v1"):
        found = {key: shape for key, shape in found.items() if not key.startswith("training/")}
    assert found == golden


def test_prediction_keys_dtypes_and_shapes_are_those_of_tf(small):
    name, model = small
    prediction = next(model.predict(rows([0] * 6)))
    found = {key: [str(array.dtype), list(array.shape)] for key, array in prediction.items()}
    assert found == GOLDEN["predict_keys"][name]


def test_evaluation_keys_are_those_of_tf(small):
    name, model = small
    assert sorted(model.evaluate(rows([0, 1, 1, 0, 1, 0]))) == GOLDEN["eval_keys"][name]


# The network ---------------------------------------------------------------------------------------


def test_kernels_start_glorot_uniform_and_biases_at_0(tmp_path):
    golden = GOLDEN["glorot_uniform_kernel"]
    columns = [feature_column.numeric_column("x", shape=19)]
    model = DNNRegressor([1000], columns, tmp_path, config=QUIET)
    model.train(rows([0.0], x=np.ones((1, 19), np.float32)))
    first = load(f"{tmp_path}/model.ckpt-0").arrays
    kernel, limit = first["dnn/hiddenlayer_0/kernel"], golden["limit_sqrt(6/(fan_in+fan_out))"]
    assert list(kernel.shape) == golden["shape"]
    assert 0.999 * limit < np.abs(kernel).max() <= limit
    quantiles = np.quantile(kernel, [0.25, 0.5, 0.75]) / limit
    np.testing.assert_allclose(quantiles, [-0.5, 0, 0.5], atol=0.03)
    assert not first["dnn/hiddenlayer_0/bias"].any()
    assert not first["dnn/logits/bias"].any()


def test_dropout_is_in_training_alone(tmp_path):
    data = rows([0.5, 2.0, -1.0, 0.25, 1.0, -0.5])
    kept, dropped = (DNNRegressor([50], [X], tmp_path / str(d), config=QUIET, dropout=d) for d in (None, 0.5))
    assert kept.evaluate(data) == dropped.evaluate(data)
    losses = [float(model.train(data).evaluate(data)["loss"]) for model in (kept, dropped)]
    assert abs(losses[0] - losses[1]) > 1e-4
    assert dropped.evaluate(data) == dropped.evaluate(data)


def test_batch_normalization_comes_after_dropout_with_momentum_0999(tmp_path):
    """One unit that is always 1 is 0 or 2 behind dropout; their mean over three rows is never 1."""
    settings = with_values({"dnn/hiddenlayer_0/kernel": [[0.0], [0.0]], "dnn/hiddenlayer_0/bias": [1.0]},
                           tmp_path / "first")  # fmt: skip
    model = DNNRegressor([1], [X], tmp_path / "model", dropout=0.5, batch_norm=True, config=QUIET,
                         warm_start_from=settings)  # fmt: skip
    model.train(rows([1.0, 2.0, 3.0], x=np.ones((3, 2), np.float32)), steps=1)
    mean = float(model.get_variable_value("dnn/hiddenlayer_0/batchnorm_0/moving_mean")[0])
    assert min(abs(mean - 0.001 * expected) for expected in (0, 2 / 3, 4 / 3, 2)) < 1e-6


def test_without_hidden_layers_a_network_is_linear(tmp_path):
    model = DNNRegressor([], [X], tmp_path, config=QUIET).train(rows([0.0] * 6))
    assert model.get_variable_value("dnn/logits/kernel").shape == (2, 1)


# Optimizers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "settings", "rates"),
    [
        (LinearRegressor, WIDE, {"Ftrl": 0.2}),
        (LinearRegressor, {**WIDE, "optimizer": "SGD"}, {"SGD": 0.2}),
        (LinearRegressor, {**WIDE, "optimizer": None}, {"Ftrl": 0.2}),
        (DNNRegressor, {**DEEP, "hidden_units": [2]}, {"Adagrad": 0.05}),
        (DNNRegressor, {**DEEP, "hidden_units": [2], "optimizer": "Adam"}, {"Adam": 0.001}),
        (DNNRegressor, {**DEEP, "hidden_units": [2], "optimizer": "SGD"}, {"SGD": 0.01}),
        (DNNRegressor, {**DEEP, "hidden_units": [2], "optimizer": "Adam", "_defaults": V1}, {"Adam": 0.05}),
        (
            DNNLinearCombinedRegressor,
            {**LINEAR_PART, **DNN_PART, "dnn_hidden_units": [2]},
            {"Adagrad": 0.001, "Ftrl": 0.005},
        ),
        (BaselineRegressor, {}, {"Ftrl": 0.3}),
    ],
)
def test_learning_rates_of_optimizers_by_name(tmp_path, make, settings, rates):
    model = make(**settings, model_dir=tmp_path, config=QUIET).train(rows([0.0] * 6))
    end = "/learning_rate"
    found = {n[9 : -len(end)]: float(v) for n, v in variables(model).items() if n.endswith(end)}
    assert found == {name: pytest.approx(rate) for name, rate in rates.items()}


def test_learning_rate_of_none_falls_with_the_number_of_columns(tmp_path):
    columns = [feature_column.numeric_column(f"x{i}") for i in range(100)]
    data = rows([0.0], **{f"x{i}": [1.0] for i in range(100)})
    model = LinearRegressor(columns, tmp_path, optimizer=None, config=QUIET).train(data)
    assert model.get_variable_value("training/Ftrl/learning_rate") == pytest.approx(0.1)


def test_optimizer_from_a_function(tmp_path):
    made = []
    model = DNNRegressor([2], [X], tmp_path, optimizer=lambda: made.append(1) or Adam(0.01), config=QUIET)
    assert made == []
    model.train(rows([0.0] * 6)).evaluate(rows([0.0] * 6))
    assert made == [1]
    assert model.get_variable_value("training/Adam/learning_rate") == pytest.approx(0.01)


def test_each_part_of_a_combined_model_has_its_optimizer(tmp_path):
    model = DNNLinearCombinedRegressor(
        tmp_path, **LINEAR_PART, **DNN_PART, dnn_hidden_units=[2], config=QUIET,
        linear_optimizer=SGD(0.1, momentum=0.9), dnn_optimizer=Adagrad(0.1),
    ).train(rows([1.0] * 6).repeat(), steps=2)  # fmt: skip
    slots = {name for name in variables(model) if "bias" in name and name.startswith("training/")}
    assert slots == {
        "training/Adagrad/dnn/hiddenlayer_0/bias/accumulator",
        "training/Adagrad/dnn/logits/bias/accumulator",
        "training/SGD/linear/linear_model/bias_weights/momentum",
    }
    assert model.get_variable_value("global_step") == 2


def test_one_kind_of_optimizer_for_both_parts(tmp_path):
    model = DNNLinearCombinedRegressor(
        tmp_path, **LINEAR_PART, **DNN_PART, dnn_hidden_units=[2], config=QUIET, linear_optimizer="Adagrad"
    ).train(rows([1.0] * 6).repeat(), steps=2)
    rates = {name: float(value) for name, value in variables(model).items() if "learning_rate" in name}
    assert rates == {
        "training/Adagrad/learning_rate": pytest.approx(0.001),
        "training/Adagrad_1/learning_rate": pytest.approx(0.005),
    }


def test_shared_embeddings_are_trained_with_the_network(tmp_path):
    d = feature_column.categorical_column_with_vocabulary_list("d", ["a", "b"])
    model = DNNLinearCombinedRegressor(
        tmp_path,
        **LINEAR_PART,
        dnn_feature_columns=feature_column.shared_embeddings([C, d], 2),
        dnn_hidden_units=[3],
        dnn_optimizer="Adagrad",
        config=QUIET,
    ).train(rows([1.0] * 6, **GOLDEN["features"], d=list("ababab")))
    assert "training/Adagrad/c_d_shared_embedding/accumulator" in model.get_variable_names()


# Settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "loss"), [(2, np.log(2)), (3, np.log(3)), (np.int64(4), np.log(4))])
def test_head_by_number_of_classes(tmp_path, classes, loss):
    model = BaselineClassifier(tmp_path, n_classes=classes, config=QUIET)
    assert model.evaluate(rows([0, 1, 1, 0, 1, 0]))["loss"] == pytest.approx(loss)


def test_any_head(tmp_path):
    head = MultiHead([RegressionHead(name="a"), RegressionHead(2, name="b")])
    ends = {"head": head, "config": QUIET}
    labels = {"a": [1.0] * 6, "b": [[1.0, 2.0]] * 6}
    for i, model in enumerate(
        [
            LinearEstimator(**ends, **WIDE, model_dir=tmp_path / "0"),
            DNNEstimator(**ends, **DEEP, hidden_units=[3], model_dir=tmp_path / "1"),
            DNNLinearCombinedEstimator(**ends, **DNN_PART, dnn_hidden_units=[3], model_dir=tmp_path / "2"),
            BaselineEstimator(**ends, model_dir=tmp_path / "3"),
        ]
    ):
        assert next(model.predict(rows(labels)))[("b", "predictions")].shape == (2,), i


def test_sparse_combiner(tmp_path):
    features = {"c": [["a", "b"], ["a", ""]]}
    for combiner, expected in (("sum", [3.0, 1.0]), ("mean", [1.5, 1.0]), ("sqrtn", [3 / 2**0.5, 1.0])):
        folder = tmp_path / combiner
        first = with_values({"linear/linear_model/c/weights": [[1.0], [2.0]]}, folder / "first")
        model = LinearRegressor(
            [C], folder / "model", sparse_combiner=combiner, warm_start_from=first, config=QUIET
        )
        model.train(rows([0.0] * 2, **features), max_steps=1)
        data = rows([0.0] * 2, **features)
        found = [
            p["predictions"][0] for p in model.predict(data, checkpoint_path=f"{folder}/model/model.ckpt-0")
        ]
        assert found == [pytest.approx(value, rel=1e-6) for value in expected]


def test_warm_start_from_a_folder(tmp_path):
    data = rows([1.0] * 6)
    one = DNNRegressor([3], [X, EMBEDDED], tmp_path / "one", config=QUIET).train(data.repeat(), steps=5)
    other = DNNRegressor(
        [3],
        [X, EMBEDDED],
        tmp_path / "other",
        config=QUIET,
        warm_start_from=one.model_dir,
        optimizer=SGD(1e-20),
    ).train(data, steps=1)
    for name, value in variables(one).items():
        if name.startswith("dnn/"):
            np.testing.assert_allclose(other.get_variable_value(name), value, rtol=1e-6)


def test_a_baseline_needs_features_for_their_number_alone(tmp_path):
    data = Dataset.from_tensor_slices((["a", "b", "c"], [1.0, 2.0, 3.0])).batch(2)
    model = BaselineRegressor(tmp_path, config=QUIET).train(data.repeat(), steps=300)
    assert [p["predictions"].tolist() for p in model.predict(data)] == [[pytest.approx(2.3, abs=0.3)]] * 3


NUMBERS = [feature_column.numeric_column("x")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearClassifier(NUMBERS, n_classes=1), "n_classes must be an integer of at least 2, not 1"),
        (lambda: DNNClassifier([4], NUMBERS, n_classes=2.0), "n_classes must be an integer"),
        (lambda: LinearRegressor([]), "feature_columns is empty"),
        (lambda: LinearRegressor(NUMBERS, sparse_combiner="max"), "combiner must be one of"),
        (lambda: LinearRegressor(NUMBERS, optimizer="Adagard"), "'Adagard'(?s:.*)mean 'Adagrad'"),
        (lambda: LinearRegressor(NUMBERS, optimizer=3), "optimizer must be a name"),
        (lambda: DNNRegressor([4], NUMBERS, optimizer=None), "optimizer must be a name"),
        (lambda: LinearEstimator("head", NUMBERS), "head must be one of estimators.heads, not 'head'"),
        (lambda: DNNRegressor(10, NUMBERS), "hidden_units must be a list"),
        (lambda: DNNRegressor([10, 0], NUMBERS), "hidden_units must be a list"),
        (lambda: DNNRegressor([10, 2.5], NUMBERS), "hidden_units must be a list"),
        (lambda: DNNRegressor([4], NUMBERS, dropout=1.0), "dropout must be at least 0 and below 1"),
        (lambda: DNNRegressor([4], NUMBERS, activation_fn="rleu"), "mean 'relu'"),
        (lambda: DNNLinearCombinedRegressor(), "neither linear_feature_columns nor dnn_feature_columns"),
        (
            lambda: DNNLinearCombinedRegressor(linear_feature_columns=[], dnn_feature_columns=[]),
            "neither linear_feature_columns nor dnn_feature_columns",
        ),
        (lambda: DNNLinearCombinedRegressor(dnn_feature_columns=NUMBERS), "without dnn_hidden_units"),
        (
            lambda: DNNLinearCombinedRegressor(dnn_feature_columns=NUMBERS, dnn_hidden_units=[]),
            "without dnn_hidden_units",
        ),
        (lambda: BaselineClassifier(loss_reduction="average"), "average"),
    ],
)
def test_settings_that_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_categories_need_a_form_for_networks(tmp_path):
    model = DNNRegressor([4], [C], tmp_path, config=QUIET)
    with pytest.raises(ValueError, match=r"'c' is a categorical column(?s:.*)embedding_column"):
        model.train(rows([0.0] * 6))


def test_function_that_makes_no_optimizer(tmp_path):
    model = LinearRegressor([X], tmp_path, optimizer=lambda: "Adam", config=QUIET)
    with pytest.raises(TypeError, match="must return an Optimizer, and returned 'Adam'"):
        model.train(rows([0.0] * 6))


@pytest.mark.parametrize("make", [LinearRegressor, functools.partial(DNNRegressor, [2])])
def test_features_must_have_names(tmp_path, make):
    data = Dataset.from_tensor_slices((np.ones((3, 2), np.float32), [1.0, 2.0, 3.0])).batch(3)
    with pytest.raises(TypeError, match="features must be a dict"):
        make([X], tmp_path, config=QUIET).train(data)
