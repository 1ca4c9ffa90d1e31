"""Predicting single rows, and predictions as a dataset."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dataflow import Dataset, image
from estimators import Estimator, EstimatorSpec, Ftrl, ModeKeys, feature_column, get_variable, layers
from tests.estimators.helpers import QUIET, classes, classifier, line, regressor

COLUMNS = [
    feature_column.numeric_column("x"),
    feature_column.categorical_column_with_vocabulary_list("kind", ["a", "b"]),
]
ROWS = {"x": np.float32([-1, 1, 2, -2]), "kind": ["a", "b", "b", "a"]}


def trained(tmp_path):
    return classifier(tmp_path, COLUMNS).train((ROWS, [0, 1, 1, 0]), steps=20)


def example(predictions):
    """Return one example as plain lists."""
    return {name: value.tolist() for name, value in predictions.items()}


def test_one_row_is_predicted_as_by_predict(tmp_path):
    model = trained(tmp_path)
    expected = [example(p) for p in model.predict(ROWS)]
    predict = model.predictor()
    rows = [{"x": x, "kind": kind} for x, kind in zip(ROWS["x"], ROWS["kind"], strict=True)]
    assert [example(predict(row)) for row in rows] == expected
    assert example(predict({"x": 1, "kind": "b"})) == expected[1]


def test_several_rows_have_an_axis_of_rows(tmp_path):
    model = trained(tmp_path)
    found = model.predictor(predict_keys=["classes", "logits"])(ROWS)
    assert found["classes"].tolist() == [["0"], ["1"], ["1"], ["0"]]
    np.testing.assert_array_equal(found["logits"], [p["logits"] for p in model.predict(ROWS)])


def test_missing_text_is_none(tmp_path):
    model = trained(tmp_path)
    (expected,) = model.predict({"x": [1.0], "kind": [None]}, predict_keys="logits")
    assert model.predictor()({"x": 1.0, "kind": None})["logits"] == expected["logits"]


def test_a_predictor_is_kept_until_training_goes_on(tmp_path):
    model = regressor(tmp_path).train(line())
    first = model.predictor()
    assert model.predictor() is first
    assert model.predictor(model.latest_checkpoint()) is first
    before = first({"x": 1.0})["predictions"]
    model.train(line())
    assert model.predictor()({"x": 1.0})["predictions"] != before == first({"x": 1.0})["predictions"]


def test_an_older_checkpoint_can_predict(tmp_path):
    model = regressor(tmp_path).train(line())
    path, before = model.latest_checkpoint(), model.predictor()({"x": 1.0})
    assert model.train(line()).predictor(path)({"x": 1.0}) == before


def scaling(features, labels, mode):
    """One feature without a name, and one tensor of predictions."""
    y = features * get_variable("weight")
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, y)
    loss = np.mean((y - labels) ** 2)
    return EstimatorSpec(mode, y, loss, Ftrl(0.5).minimize(loss))


def test_a_single_feature_and_a_single_tensor_have_no_names(tmp_path):
    model = Estimator(scaling, tmp_path).train((np.float32([1, 2]), np.float32([3, 6])), steps=200)
    assert model.predictor()(np.float32(2)) == pytest.approx(6, abs=0.01)
    assert model.predictor()([1.0, 2.0]) == pytest.approx([3, 6], abs=0.01)
    (batch,) = model.predictions(np.float32([1, 2]))
    assert batch == pytest.approx([3, 6], abs=0.01)


@pytest.mark.parametrize("use", ["predictor", "predictions"])
def test_without_a_checkpoint_there_is_nothing_to_predict_with(tmp_path, use):
    arguments = [line()] if use == "predictions" else []
    with pytest.raises(ValueError, match=r"there is no checkpoint(?s:.*)train first"):
        getattr(regressor(tmp_path), use)(*arguments)


def test_threads_may_share_a_predictor(tmp_path):
    predict = regressor(tmp_path).train(line()).predictor()
    expected = [float(predict({"x": float(x)})["predictions"][0]) for x in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: float(predict({"x": float(x)})["predictions"][0]), range(200)))
    assert found == expected


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"x": [1.0, 2.0], "kind": ["a"]}, r"different numbers of rows: \{'kind': 1, 'x': 2\}"),
        ({"kind": "a"}, "'x'"),
        ({"x": [[1.0], [1.0, 2.0]], "kind": ["a", "b"]}, "'x' is no array of one type"),
        ({"x": 1.0, "kind": 3.5}, "kind"),
    ],
)
def test_wrong_features_are_refused(tmp_path, features, message):
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        trained(tmp_path).predictor()(features)


def test_unknown_prediction_keys_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no prediction 'logit'"):
        regressor(tmp_path).train(line()).predictor(predict_keys="logit")({"x": 1.0})


# As a dataset ----------------------------------------------------------------------------------------------


def numbered(rows=1000, batch=64):
    x = np.arange(rows, dtype=np.float32) / rows
    names = [f"row {i}" for i in range(rows)]
    return Dataset.from_tensor_slices(({"x": x, "id": np.arange(rows), "name": names}, 2 * x)).batch(batch)


def test_predictions_are_a_dataset_of_batches(tmp_path):
    model = regressor(tmp_path).train(numbered())
    found = list(model.predictions(numbered(100), keep=["id", "name"]))
    assert [len(batch["id"]) for batch in found] == [64, 36]
    assert found[1]["name"][-1] == "row 99"
    np.testing.assert_array_equal(
        np.concatenate([batch["predictions"] for batch in found]),
        [p["predictions"] for p in model.predict(numbered(100))],
    )


def test_all_predictions_of_a_classifier_can_be_unbatched(tmp_path):
    model = trained(tmp_path)
    found = list(model.predictions(ROWS).unbatch())
    assert [example(p) for p in found] == [example(p) for p in model.predict(ROWS)]


def test_predictions_are_written_once_each_over_files(tmp_path):
    model = regressor(tmp_path / "model").train(numbered())
    predictions = model.predictions(numbered(), keep="id").unbatch()
    result = predictions.write_parquet(str(tmp_path / "out"), rows_per_file=300)
    assert (result.files, result.rows) == (4, 1000)
    table = pq.read_table(tmp_path / "out")
    assert sorted(table.column("id").to_pylist()) == list(range(1000))
    again = predictions.write_parquet(str(tmp_path / "out"), rows_per_file=300)
    assert again.rows_before == 1000


def test_other_values_are_not_taken_for_those_written_before(tmp_path):
    model = regressor(tmp_path / "model").train(numbered())
    model.predictions(numbered()).unbatch().write_parquet(str(tmp_path / "out"))
    model.train(numbered())
    with pytest.raises(FileExistsError, match="another pipeline"):
        model.predictions(numbered()).unbatch().write_parquet(str(tmp_path / "out"))


def test_predictions_go_on_from_a_saved_position(tmp_path):
    predictions = regressor(tmp_path).train(numbered()).predictions(numbered(), keep="id").unbatch()
    whole = [int(row["id"]) for row in predictions]
    iterator = iter(predictions)
    for _ in range(130):
        next(iterator)
    state = iterator.state()
    rest = iter(predictions)
    rest.restore(state)
    assert [int(row["id"]) for row in rest] == whole[130:]


def test_features_to_keep_must_be_there_and_have_names_of_their_own(tmp_path):
    model = classifier(tmp_path).train(classes())
    with pytest.raises(ValueError, match=r"no feature 'y' to keep"):
        model.predictions(classes(), keep=["y"])
    with pytest.raises(ValueError, match=r"'logits' is a feature to keep, and a prediction"):
        model.predictions({"x": [1.0], "logits": [1]}, keep=["logits"])


def test_images_are_decoded_to_the_same_bits(tmp_path):
    def model_fn(features, labels, mode):
        pixels = image.resize(image.decode_png(features["file"], channels=3), [6, 6]) / np.float32(255)
        logits = layers.dense(layers.flatten(layers.conv2d(pixels, 2, 3, activation=np.tanh)), 1)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, {"y": logits})
        loss = np.mean((logits[:, 0] - labels) ** 2)
        return EstimatorSpec(mode, {"y": logits}, loss, Ftrl(0.1).minimize(loss))

    pixels = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8)
    files = []
    for array in pixels:
        Image.fromarray(array).save(file := io.BytesIO(), "PNG")
        files.append(file.getvalue())
    rows = {"file": np.array(files, object)}
    model = Estimator(model_fn, tmp_path, QUIET)
    model.train(Dataset.from_tensor_slices((rows, np.float32([1, 2, 3]))).batch(3))
    wanted = [prediction["y"].tolist() for prediction in model.predict(rows)]
    assert model.predictor()(rows)["y"].tolist() == wanted
