"""Recurrent models with a prediction for each step, compared with those of TensorFlow."""

import json

import numpy as np
import pytest

from dataflow import Dataset
from estimators import BinaryClassHead, MultiHead, RegressionHead, experimental, feature_column, heads, layers
from estimators.optimizers import SGD
from tests.estimators.helpers import GOLDEN_FILES, QUIET
from tests.estimators.warm_values import with_values

BOTH_FORMS = True

GOLDEN = json.loads((GOLDEN_FILES / "sequences.json").read_text())
FEATURES = json.loads((GOLDEN_FILES / "models.json").read_text())["rnn"]["features"]
WORDS = feature_column.embedding_column(
    feature_column.sequence_categorical_column_with_vocabulary_list("w", ["a", "b"]), 2
)
X = feature_column.sequence_numeric_column("x")
MODELS = {
    "simple_rnn": {"units": [3]},
    "lstm": {"units": [3, 2], "cell_type": "lstm", "weight_column": "wt"},
    "gru": {"units": [3], "cell_type": "gru", "n_classes": 3},
    "mask": {"units": [3]},
}


def ours(name):
    """Return our name of a variable."""
    return name.replace("sequence_features/", "rnn_model/sequence_input_layer/")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_predictions_of_each_step_are_those_of_tf(tmp_path, name):
    golden = GOLDEN[name]
    columns = {**FEATURES, **{key: np.array(column) for key, column in golden["features"].items()}}
    data = Dataset.from_tensor_slices((columns, golden["labels"])).batch(4)
    model = experimental.RNNClassifier(
        [WORDS],
        [feature_column.numeric_column("p")],
        **MODELS[name],
        return_sequences=True,
        model_dir=tmp_path / "model",
        optimizer=SGD(0.5),
        config=QUIET,
        warm_start_from=with_values({ours(n): v for n, v in golden["first"].items()}, tmp_path / "first"),
    )
    model.train(data.repeat(), steps=4)
    for variable, value in golden["last"].items():
        np.testing.assert_allclose(model.get_variable_value(ours(variable)), value, rtol=1e-5, atol=1e-5)
    wanted = {k: pytest.approx(v, abs=1e-5) for k, v in golden["evaluate"].items()}
    assert model.evaluate(data) == {**wanted, "global_step": 4}
    found = list(model.predict(data))
    assert {key: list(np.shape(value)) for key, value in found[0].items()} == golden["shapes"]
    for key, rows in golden["predict"].items():
        np.testing.assert_allclose([row[key] for row in found], rows, rtol=1e-5, atol=1e-5, err_msg=key)


def ragged(*series, labels=None):
    """Return arrays of sequences of different lengths, padded with NaN and with labels of 0."""
    longest = max(map(len, series))
    x = np.full((len(series), longest), np.nan, np.float32)
    y = np.zeros((len(series), longest), np.int64)
    for row, values in enumerate(series):
        x[row, : len(values)], y[row, : len(values)] = values, np.greater(values, 0)
    return x, y if labels is None else labels


@pytest.mark.parametrize("cell", ["simple_rnn", "lstm", "gru"])
def test_each_batch_may_have_another_length(tmp_path, cell):
    def batches():
        for series in ([[1, -1], [2]], [[1, 1, -1, 2, -2], [-1]]):
            x, y = ragged(*series)
            yield {"x": x}, y

    data = Dataset.from_generator(batches, ({"x": np.float32}, np.int64), ({"x": (None, None)}, (None, None)))
    model = experimental.RNNClassifier(
        [X], units=[4], cell_type=cell, return_sequences=True, optimizer=SGD(1.0), config=QUIET
    )
    model.train(data.repeat(60))
    assert model.evaluate(data)["accuracy"] == 1.0
    shapes = [(row["class_ids"].shape, row["sequence_mask"].tolist()) for row in model.predict(data)]
    assert shapes[1] == ((2, 1), [True, False])
    assert shapes[2] == ((5, 1), [True] * 5)


def losses(rows, **settings):
    """Return loss and accuracy of a model that was not trained."""
    x, y = rows
    features = {"x": x, **settings.pop("features", {})}
    data = Dataset.from_tensor_slices((features, y)).batch(2)
    model = experimental.RNNClassifier([X], units=[2], return_sequences=True, config=QUIET, **settings)
    found = model.train(data.take(0)).evaluate(data)
    return found["loss"], found["accuracy"]


def test_what_is_after_the_end_does_not_count():
    rows = ragged([1.0, -1.0], [2.0])
    wanted = losses(rows)
    labels = np.array([[1, 0], [1, -1]])
    assert losses((rows[0], labels)) == wanted
    weights = np.float32([[1, 1], [1, np.nan]])
    assert losses((rows[0], labels), weight_column="wt", features={"wt": weights}) == wanted
    text = np.array([["yes", "no"], ["yes", ""]], object)
    assert losses((rows[0], text), label_vocabulary=["no", "yes"]) == wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_column": feature_column.numeric_column("wt")}, "weight_column of sequences must be"),
        ({"sequence_mask": 3}, "sequence_length_mask must be a feature, not 3"),
    ],
)
def test_settings_of_sequences_that_are_refused(settings, message):
    with pytest.raises(TypeError, match=message):
        experimental.RNNClassifier([X], units=[2], return_sequences=True, **settings)


def test_heads_of_sequences_and_of_last_steps():
    for head, whole in ((RegressionHead(), True), (heads.SequentialHeadWrapper(RegressionHead()), False)):
        with pytest.raises(ValueError, match="belong together"):
            experimental.RNNEstimator(head, [X], units=[2], return_sequences=whole)
    with pytest.raises(ValueError, match="sequences cannot have the head"):
        heads.SequentialHeadWrapper(MultiHead([RegressionHead(name="a"), BinaryClassHead(name="b")]))


def test_a_label_for_a_whole_sequence_is_refused():
    with pytest.raises(ValueError, match=r"labels of sequences have shape \(None,\)(?s:.*)return_sequences"):
        losses(ragged([1.0, -1.0], [2.0], labels=[1, 0]))


def test_a_cell_and_numbers_of_each_step(tmp_path):
    head = heads.SequentialHeadWrapper(RegressionHead(), "there")
    model = experimental.RNNEstimator(
        head, [X], rnn_cell_fn=lambda: layers.GRUCell(3), return_sequences=True, config=QUIET
    )
    data = Dataset.from_tensor_slices(ragged([1.0, -1.0], [2.0])).map(lambda x, y: ({"x": x}, y)).batch(2)
    first = next(model.train(data).predict(data))
    assert first["predictions"].shape == (2, 1)
    assert first["there"].tolist() == [True, True]
