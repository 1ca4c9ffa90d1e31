"""`Estimator` with a model function of one's own."""

import numpy as np
import pytest

from estimators import Estimator, EstimatorSpec, Ftrl, LinearRegressor, ModeKeys, RunConfig, feature_column
from estimators.graph.variable import Variable
from estimators.metrics import mean
from tests.estimators.helpers import QUIET, line


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


def loss():
    return Variable("loss", ())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: EstimatorSpec("train"), "missing loss and train_op"),
        (lambda: EstimatorSpec("eval"), "missing loss"),
        (lambda: EstimatorSpec("infer"), "missing predictions"),
        (lambda: EstimatorSpec("test"), "mode must be one of"),
        (lambda: EstimatorSpec("eval", loss=Variable("v", (2,))), "loss must be a scalar"),
        (lambda: EstimatorSpec("eval", loss=loss(), eval_metric_ops={"loss": mean(loss())}), r"\['loss'\]"),
        (lambda: EstimatorSpec("eval", loss=loss(), eval_metric_ops={"m": 3}), "'m' must be a Metric"),
        (lambda: EstimatorSpec("infer", {"y": 3.0}), "'y' must be a Tensor"),
    ],
)
def test_incomplete_specs_are_refused(build, words):
    with pytest.raises((ValueError, TypeError), match=words):
        build()


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
