"""`Estimator` with a model function of one's own."""

import functools

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    Estimator,
    EstimatorSpec,
    Ftrl,
    LinearRegressor,
    ModeKeys,
    RunConfig,
    feature_column,
    get_variable,
)
from estimators.graph.scope import batch_number
from estimators.graph.updates import Update, with_updates
from estimators.graph.variable import Variable, constant, zeros
from estimators.metrics import mean, precision_at_thresholds
from estimators.optimizers import SGD
from tests.estimators.helpers import QUIET, line, variables


def model_fn(features, labels, mode, config):
    assert isinstance(config, RunConfig)
    weight = Variable("weight", (1,))
    predictions = {"y": features.pop("x") * weight}  # features may be changed
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions)
    error = np.abs(predictions["y"] - labels)
    loss = (error**2).mean()
    return EstimatorSpec(mode, predictions, loss, Ftrl(0.5).minimize(loss), {"error": mean(error)})


def test_custom_model(tmp_path):
    model = Estimator(model_fn, tmp_path, QUIET).train(line().repeat(), steps=200)
    assert model.get_variable_names() == sorted(
        [
            "global_step",
            "weight",
            "training/Ftrl/weight/accumulator",
            "training/Ftrl/weight/linear",
            *(f"training/Ftrl/{name}" for name in Ftrl().hyperparameters),
        ]
    )
    assert sorted(model.evaluate(line())) == ["error", "global_step", "loss"]
    np.testing.assert_allclose([p["y"] for p in model.predict(line())], 2 * np.arange(1, 9), rtol=0.01)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda features, label: None, "'label'(?s:.*)did you mean 'labels'"),
        (lambda labels: None, "no argument 'features'"),
        ("model", "must be a function"),
    ],
)
def test_model_functions_with_other_arguments_are_refused(tmp_path, function, words):
    with pytest.raises((ValueError, TypeError), match=words):
        Estimator(function, tmp_path)


def test_model_function_must_return_a_spec(tmp_path):
    with pytest.raises(TypeError, match="must return an EstimatorSpec, and returned 3"):
        Estimator(lambda features, labels: 3, tmp_path, QUIET).train(line())


def test_labels_that_the_model_does_not_take_are_refused(tmp_path):
    with pytest.raises(ValueError, match="the input gives labels"):
        Estimator(lambda features: None, tmp_path, QUIET).train(line())


def test_model_dir_may_stand_in_the_config(tmp_path):
    columns = [feature_column.numeric_column("x")]
    assert LinearRegressor(columns, config=RunConfig(model_dir=tmp_path)).model_dir == str(tmp_path)
    both = LinearRegressor(columns, tmp_path, config=RunConfig(model_dir=str(tmp_path)))
    assert both.config.model_dir == str(tmp_path)


def test_model_dirs_that_differ_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"(?s)/a.*/b.*give only one"):
        LinearRegressor(
            [feature_column.numeric_column("x")], tmp_path / "a", config=RunConfig(model_dir=tmp_path / "b")
        )


def test_without_a_model_dir_there_is_a_new_one_and_a_warning(caplog):
    columns = [feature_column.numeric_column("x")]
    one, other = LinearRegressor(columns), LinearRegressor(columns)
    assert one.model_dir != other.model_dir
    assert caplog.messages[0] == f"Using temporary folder as model directory: {one.model_dir}"


def test_config_must_be_a_run_config(tmp_path):
    with pytest.raises(TypeError, match="must be a RunConfig"):
        LinearRegressor([feature_column.numeric_column("x")], tmp_path, config={"progress": False})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([], "is empty"),
        ({"x": feature_column.numeric_column("x")}, "not a dict"),
        (["x"], "no feature column"),
        ([feature_column.numeric_column("x")] * 2, r"one name: \['x'\]"),
    ],
)
def test_bad_columns_are_refused(tmp_path, columns, words):
    with pytest.raises((ValueError, TypeError), match=words):
        LinearRegressor(columns, tmp_path)


def test_a_single_column_needs_no_list(tmp_path):
    model = LinearRegressor(feature_column.numeric_column("x"), tmp_path, config=QUIET).train(line())
    assert "linear/linear_model/x/weights" in model.get_variable_names()


# What a model function and an input function may ask for ------------------------------------------


def constant_model(mode, params):
    loss = get_variable("weight", []) * 1.0
    return EstimatorSpec(mode, {"y": loss[None]}, loss, Ftrl(0.1).minimize(loss))


def test_params_reach_model_and_input(tmp_path):
    seen = []

    def model_fn(features, labels, mode, params):
        seen.append(params["units"])
        params["units"] = 0  # a copy
        return constant_model(mode, params)

    def input_fn(params, input_context):
        seen.append((params["units"], input_context))
        return line()

    given = {"units": 3}
    model = Estimator(model_fn, tmp_path, QUIET, given)
    given["units"] = 4
    model.params["units"] = 5
    model.train(input_fn).evaluate(input_fn)
    assert seen == [(3, None), 3] * 2


def test_params_that_the_model_does_not_take_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"params are given, and model_fn takes only \['features'\]"):
        Estimator(lambda features: None, tmp_path, params={})


def test_missing_params_are_warned_of(tmp_path, caplog):
    def model_fn(features, labels, mode, params):
        assert params == {}
        return constant_model(mode, params)

    Estimator(model_fn, tmp_path, QUIET).train(line())
    assert caplog.messages == ["model_fn takes params, and none are given: it gets an empty dict."]


class Models:
    """Model functions that are no plain functions."""

    def method(self, features, labels, mode):
        return constant_model(mode, None)

    def __call__(self, features, labels, mode, params):
        return constant_model(mode, params)

    def deep(self, depth, features, labels, mode, **other):
        return constant_model(mode, depth)


@pytest.mark.parametrize(
    "function",
    [
        Models().method,
        Models(),
        functools.partial(Models().deep, 3),
        functools.partial(Models().deep, depth=3),
        functools.partial(Models(), params={"depth": 3}),
    ],
)
def test_model_functions_may_be_methods_partials_and_callables(tmp_path, function):
    assert Estimator(function, tmp_path, QUIET).train(line()).get_variable_value("global_step") == 2


def test_a_variable_that_nobody_uses_is_kept(tmp_path):
    def model_fn(features, labels, mode):
        get_variable("spare", [2])
        return constant_model(mode, None)

    model = Estimator(model_fn, tmp_path, QUIET).train(line()).train(line())
    assert model.get_variable_value("spare").shape == (2,)


def test_a_variable_that_only_training_changes_is_read_in_evaluation(tmp_path):
    def model_fn(features, labels, mode):
        mean_x = get_variable("mean_x", [], initializer=zeros, trainable=False)
        x = features["x"]
        if mode == ModeKeys.TRAIN:
            x = with_updates(x, [Update(mean_x, x.mean())])
        loss = ((x - mean_x * 1.0 + get_variable("weight", [1], initializer=zeros)) ** 2).mean()
        return EstimatorSpec(mode, {"mean": mean_x[None]}, loss, Ftrl(1e-6).minimize(loss))

    model = Estimator(model_fn, tmp_path, QUIET).train(line(4))
    assert model.get_variable_value("mean_x") == 2.5
    assert next(model.predict(line(4)))["mean"] == 2.5
    assert model.evaluate(line(4))["loss"] == pytest.approx(1.25)


def test_predictions_of_one_tensor_are_plain_arrays(tmp_path):
    def model_fn(features, mode):
        return EstimatorSpec(mode, features["x"] * get_variable("w", [1], initializer=constant(3.0)))

    data = line(3, 2).map(lambda features, label: features)
    model = Estimator(model_fn, tmp_path, QUIET)
    assert [float(y) for y in model.predict(data)] == [3.0, 6.0, 9.0]
    assert [y.tolist() for y in model.predict(data, yield_single_examples=False)] == [[3.0, 6.0], [9.0]]
    with pytest.raises(ValueError, match="predict_keys needs a dict"):
        next(model.predict(data, predict_keys=["y"]))


def test_a_metric_may_be_an_array(tmp_path):
    def model_fn(features, labels, mode):
        y = features["x"] * get_variable("w", [1], initializer=constant(0.1))
        metrics = {"p": precision_at_thresholds(labels > 5, y, [0.0, 0.25, 1.0])}
        return EstimatorSpec(mode, {"y": y}, y.mean(), eval_metric_ops=metrics)

    assert Estimator(model_fn, tmp_path, QUIET).evaluate(line(4))["p"] == pytest.approx([0.5, 1.0, 0.0])


def test_steps_have_numbers(tmp_path):
    def model_fn(features, labels, mode):
        number = batch_number()
        loss = get_variable("weight", [], initializer=zeros) * 1.0
        metrics = {"number": mean(number.astype(np.float32))}
        update = Update(get_variable("last", [], np.int64, zeros, trainable=False), number)
        op = Ftrl(0.1).minimize(with_updates(loss, [update]))
        return EstimatorSpec(mode, {"n": features["x"] * 0 + number}, loss, op, metrics)

    model = Estimator(model_fn, tmp_path, QUIET).train(line(), steps=2).train(line(), steps=2)
    assert model.get_variable_value("last") == 3
    assert model.evaluate(line())["number"] == 0.5
    assert [p["n"] for p in model.predict(line(6))] == [0, 0, 0, 0, 1, 1]


# Errors --------------------------------------------------------------------------------------------


def train_with(tmp_path, build, data=None, **config):
    """Train a model whose loss is ``build(features, labels)``."""

    def model_fn(features, labels, mode):
        loss = build(features, labels)
        return EstimatorSpec(mode, loss=loss, train_op=Ftrl(0.1).minimize(loss))

    Estimator(model_fn, tmp_path, QUIET.replace(**config)).train(line() if data is None else data)


def test_a_wrong_size_names_line_and_shapes(tmp_path):
    words = r"(?s)\(None, 1\).*\(3, 2\).*at .*test_estimator.py:\d+"
    with pytest.raises(TypeError, match=words):
        train_with(tmp_path, lambda features, labels: features["x"][:, None] @ get_variable("w", [3, 2]))


def test_no_labels_are_named_where_the_model_uses_them(tmp_path):
    data = line().map(lambda features, label: features)
    with pytest.raises(TypeError) as caught:
        train_with(tmp_path, lambda features, labels: (features["x"] - labels).mean(), data)
    assert "labels are None in mode 'train'" in str(caught.value)


def nan_data(feature, label=1.0):
    return Dataset.from_tensor_slices(({"x": np.float32(feature)}, np.float32([label] * len(feature))))


def test_nan_in_a_feature_is_named(tmp_path):
    words = r"NaN at step 1: features\['x'\] is NaN in 1 of 2 examples of the batch, first in example 1"
    with pytest.raises(RuntimeError, match=words):
        train_with(
            tmp_path,
            lambda f, y: ((f["x"] * get_variable("w", [1]) - y) ** 2).mean(),
            nan_data([1, 2, 3, np.nan]).batch(2),
        )


def test_an_infinite_feature_is_named(tmp_path):
    words = r"step 0: features\['x'\] is infinite in 1 of 2 examples of the batch, first in example 0"
    with np.errstate(all="ignore"), pytest.raises(RuntimeError, match=words):
        train_with(
            tmp_path,
            lambda f, y: (f["x"] * get_variable("w", [1], initializer=zeros) - y).mean(),
            nan_data([np.inf, 1]).batch(2),
        )


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_computed_from_a_feature_is_named(tmp_path):
    words = r"step 0: log of features\['x'\], at .*test_estimator.py:\d+, is NaN in 1 of 2 examples"
    with pytest.raises(RuntimeError, match=words):
        train_with(
            tmp_path,
            lambda f, y: (np.log(f["x"]) * get_variable("w", [1]) - y).mean(),
            nan_data([1, -2]).batch(2),
        )


def nan_by_log(features, labels):
    weight = get_variable("w", [1], initializer=constant(-2.0))
    return (np.log(weight) * features["x"] - labels).mean()


def test_nan_without_a_reason_says_how_to_find_it(tmp_path):
    error = pytest.raises(RuntimeError, match=r"NaN at step 0(?s:.*)RunConfig\(reference=True\)")
    with np.errstate(all="ignore"), error:
        train_with(tmp_path, nan_by_log)


def test_the_operation_that_gives_nan_first_is_named(tmp_path):
    words = (
        r"step 0: log, used at .*test_estimator.py:\d+, gives NaN first; its inputs: float32 \(1,\) from -2"
    )
    with np.errstate(all="ignore"), pytest.raises(RuntimeError, match=words):
        train_with(tmp_path, nan_by_log, reference=True)


def test_a_run_that_diverged_goes_on_from_its_checkpoint_to_find_the_operation(tmp_path):
    def diverging(features, labels, mode):
        weight = get_variable("w", [1], initializer=constant(1.0))
        loss = (weight**2 * features["x"] - weight**2 * features["x"] * 2).mean()
        return EstimatorSpec(mode, loss=loss, train_op=SGD(5.0).minimize(loss))

    def train(**config):
        config = QUIET.replace(save_checkpoints_steps=10, **config)
        Estimator(diverging, tmp_path, config).train(line(1000, 1).take(200))

    with np.errstate(all="ignore"), pytest.raises(RuntimeError, match=r"NaN (at|by|in) step") as first:
        train()
    with np.errstate(all="ignore"), pytest.raises(RuntimeError, match="gives NaN first") as second:
        train(reference=True)
    assert "reference=True" in first.value.hint
    assert "test_estimator.py" in second.value.message


def test_the_operation_that_gives_a_nan_gradient_is_named(tmp_path):
    def build(features, labels):
        return np.sqrt(get_variable("w", [1], initializer=zeros) * features["x"]).sum()

    words = r"(?s)training/Ftrl/w/.* has become NaN in step 0: .*gives NaN first"
    with np.errstate(all="ignore"), pytest.raises(RuntimeError, match=words):
        train_with(tmp_path, build, nan_data([0, 0]).batch(2), reference=True)


def test_the_reference_gives_the_same_result(tmp_path):
    results = [
        variables(
            Estimator(model_fn, tmp_path / str(reference), QUIET.replace(reference=reference)).train(line())
        )
        for reference in (False, True)
    ]
    for name, value in results[0].items():
        np.testing.assert_allclose(value, results[1][name], rtol=1e-6)
