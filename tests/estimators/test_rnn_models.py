"""Recurrent models, compared with those of TensorFlow."""

import json

import numpy as np
import pytest

from dataflow import Dataset
from estimators import PoissonRegressionHead, RegressionHead, experimental, feature_column, layers
from estimators.optimizers import Adagrad
from tests.estimators.helpers import GOLDEN_FILES, QUIET
from tests.estimators.warm_values import with_values

BOTH_FORMS = True

GOLDEN = json.loads((GOLDEN_FILES / "models.json").read_text())["rnn"]
WORDS = feature_column.embedding_column(
    feature_column.sequence_categorical_column_with_vocabulary_list("w", ["a", "b"]), 2
)
CONTEXT = feature_column.numeric_column("p")
NETWORKS = {
    "simple_rnn": {"units": [3]},
    "lstm": {"units": [3, 2], "cell_type": "lstm"},
    "gru": {"units": [3], "cell_type": "gru"},
}


def data():
    return Dataset.from_tensor_slices((GOLDEN["features"], GOLDEN["labels"])).batch(4)


def ours(name):
    """Return our name of a variable."""
    return name.replace("sequence_features/", "rnn_model/sequence_input_layer/")


@pytest.mark.parametrize("cell", sorted(NETWORKS))
def test_rnn_classifier_is_that_of_tf(tmp_path, cell):
    golden = GOLDEN["runs"][cell]
    first = with_values({ours(name): v for name, v in golden["first"].items()}, tmp_path / "first")
    model = experimental.RNNClassifier(
        [WORDS],
        [CONTEXT],
        **NETWORKS[cell],
        model_dir=tmp_path / "model",
        optimizer=Adagrad(0.1),
        config=QUIET,
        warm_start_from=first,
    )
    model.train(data().repeat(), steps=4)
    for name, value in golden["last"].items():
        np.testing.assert_allclose(model.get_variable_value(ours(name)), value, rtol=1e-5, atol=1e-5)
    assert model.evaluate(data()) == {k: pytest.approx(v, abs=1e-5) for k, v in golden["evaluate"].items()}
    found = [prediction["logits"].tolist() for prediction in model.predict(data())]
    np.testing.assert_allclose(found, golden["logits"], rtol=1e-5, atol=1e-5)


def test_rnn_with_a_cell_and_a_head(tmp_path):
    model = experimental.RNNEstimator(
        PoissonRegressionHead(),
        [WORDS],
        rnn_cell_fn=lambda: layers.GRUCell(3),
        model_dir=tmp_path,
        config=QUIET,
    ).train(data())
    assert model.get_variable_value("training/Adagrad/learning_rate") == pytest.approx(0.05)
    assert model.get_variable_value("rnn_model/rnn/gru_cell/kernel").shape == (2, 9)


def test_an_optimizer_by_name_learns_as_in_tf(tmp_path):
    first = {
        "logits/bias": [0.25],
        "logits/kernel": [[0.98279047], [1.44293964]],
        "rnn/simple_rnn_cell/bias": [0.0829361, 0.23584233],
        "rnn/simple_rnn_cell/kernel": [[0.29593679, 1.04477739]],
        "rnn/simple_rnn_cell/recurrent_kernel": [[-0.88678026, 0.49255726], [-0.26722601, -0.77871406]],
    }
    settings = with_values({f"rnn_model/{name}": value for name, value in first.items()}, tmp_path / "first")
    data = Dataset.from_tensor_slices(({"x": [[1.0, 2.0], [500.0, 1.0]]}, [[1.0], [40.0]])).batch(2)
    x = feature_column.sequence_numeric_column("x")
    model = experimental.RNNEstimator(
        RegressionHead(), [x], units=[2], optimizer="SGD", config=QUIET, warm_start_from=settings
    ).train(data.repeat(2))
    assert model.get_variable_value("rnn_model/logits/bias") == pytest.approx([0.75], abs=1e-6)
    kernel = model.get_variable_value("rnn_model/rnn/simple_rnn_cell/kernel")
    np.testing.assert_allclose(kernel, [[0.70146084, 1.30512094]], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "units is missing"),
        ({"units": [0]}, "integers of at least 1"),
        ({"units": [3], "cell_type": "lsmt"}, "mean 'lstm'"),
        ({"units": [3], "rnn_cell_fn": lambda: None}, "choose one"),
    ],
)
def test_settings_of_recurrent_models_that_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        experimental.RNNClassifier([WORDS], **settings)
