"""Exported models: what requests give, the files that are written, and calls that are right or wrong."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

import estimators
from dataflow import Dataset
from dataflow.storage import directories
from estimators import (
    Estimator,
    EstimatorSpec,
    LinearRegressor,
    ModeKeys,
    export,
    feature_column,
    load_model,
    placeholder,
)
from tests.estimators.helpers import QUIET, line, regressor
from tests.estimators.test_export import assert_predicts_alike, exported, receiver_of

VARIABLES = "variables/variables.safetensors"

# Receivers -----------------------------------------------------------------------------------------


def doubled(tmp_path):
    """Return a trained model of one number."""
    return regressor(tmp_path / "model").train(line(), steps=2)


def test_examples_as_json(tmp_path):
    model = doubled(tmp_path)
    receiver = export.build_parsing_serving_input_receiver_fn({"x": (np.float32, 4.0)})
    loaded = load_model(model.export_saved_model(tmp_path / "export", receiver))
    assert list(loaded.signature("predict").inputs) == ["examples"]
    assert list(loaded.signature("regression").inputs) == ["inputs"]
    (wanted,) = model.predict({"x": np.float32([4])})
    assert loaded(['{"x": 4}', "{}"])["outputs"].tolist() == [wanted["predictions"].tolist()] * 2


def test_features_are_computed_from_what_requests_give(tmp_path):
    def receiver():
        x, kind = placeholder(np.float64, [None], "half"), placeholder(str, [None])
        return export.ServingInputReceiver({"x": x * 2, "kind": kind}, {"half": x, "kind": kind})

    model = doubled(tmp_path)
    loaded = load_model(model.export_saved_model(tmp_path / "export", receiver))
    (wanted,) = model.predict({"x": np.float64([4])})
    assert loaded({"half": [2.0], "kind": ["a"]})["outputs"][0] == wanted["predictions"]


def test_alternatives_are_signatures_of_their_own(tmp_path):
    def receiver():
        x = placeholder(np.float64, [None])
        twice = x * 2
        return export.ServingInputReceiver({"x": twice}, x, {"whole": twice})

    loaded = load_model(doubled(tmp_path).export_saved_model(tmp_path / "export", receiver))
    assert loaded({"input": [2.0]}) == loaded([2.0]) == loaded({"input": [4.0]}, "whole:serving_default")


def test_a_model_of_one_tensor(tmp_path):
    def model_fn(features, mode):
        weight = estimators.get_variable("w", (), initializer=3.0)
        loss = np.mean(features * weight)
        train_op = estimators.optimizers.SGD(2.0).minimize(loss)
        return EstimatorSpec(mode, features * weight, loss, train_op)

    def receiver():
        x = placeholder(np.float32, [None])
        return export.TensorServingInputReceiver(x, x)

    model = Estimator(model_fn, tmp_path / "model", QUIET)
    model.train(Dataset.from_tensor_slices(np.float32([1])).batch(1))
    loaded = load_model(model.export_saved_model(tmp_path / "export", receiver))
    assert loaded([1.0, 2.0])["output"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("receiver", "message"),
    [
        (lambda: export.ServingInputReceiver({}, {}), "features are empty"),
        (lambda: export.ServingInputReceiver({"x": 1.0}, placeholder(float, [None])), "must be a tensor"),
        (lambda: _mixed(), "is not among the receiver_tensors"),
        (lambda: {"x": 1}, "must return a ServingInputReceiver"),
    ],
)
def test_receivers_that_are_wrong(receiver, message, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        doubled(tmp_path).export_saved_model(tmp_path / "export", receiver)
    assert not (tmp_path / "export").exists()


def _mixed():
    return export.ServingInputReceiver(placeholder(float, [None]), placeholder(float, [None]))


# Files ---------------------------------------------------------------------------------------------


def test_an_export_has_the_layout_of_tf(tmp_path):
    extra = tmp_path / "note.txt"
    extra.write_text("hello")
    model = doubled(tmp_path)
    base = tmp_path / "export"
    arguments = {"assets_extra": {"a/note.txt": str(extra)}, "as_text": True}
    first, second = (model.export_saved_model(base, receiver_of(line()), **arguments) for _ in range(2))
    assert sorted(path.name for path in base.iterdir()) == sorted(p[-10:] for p in (first, second))
    assert load_model(base).path == second > first
    files = sorted(str(path.relative_to(second)) for path in base.glob(f"{second[-10:]}/**/*.*"))
    assert files == ["assets.extra", "assets.extra/a/note.txt", "saved_model.json", VARIABLES]
    assert json.loads((base / second / "saved_model.json").read_text())["global_step"] == 2


def test_vocabularies_are_files(tmp_path):
    column = feature_column.categorical_column_with_vocabulary_list("k", ["é", "b c"])
    odd = feature_column.categorical_column_with_vocabulary_list("o", ["a\nb", ""])
    data = Dataset.from_tensor_slices(({"k": ["é", "a"], "o": ["a\nb", "b"]}, [1.0, 2.0])).batch(2)
    model = regressor(tmp_path / "model", [column, odd]).train(data)
    loaded = assert_predicts_alike(model, data, tmp_path)
    names = {p.name: p.read_text("utf-8") for p in (tmp_path / "export").glob("*/assets/*")}
    assert names == {"vocabulary_0.txt": "é\nb c\n", "vocabulary_1.json": '["a\\nb", ""]'}, loaded


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    base = tmp_path / "export"
    gone = base / f"temp-1700000000-{directories._host()}-999999999"
    (gone / "variables").mkdir(parents=True)
    foreign = base / "temp-1700000000-00000000-1"
    foreign.mkdir()
    path = doubled(tmp_path).export_saved_model(base, receiver_of(line()))
    assert sorted(p.name for p in base.iterdir()) == [path[-10:], foreign.name]


def test_exports_in_other_storages(tmp_path):
    model = doubled(tmp_path)
    base = f"memory://{tmp_path.name}/export"
    paths = [model.export_saved_model(base, receiver_of(line())) for _ in range(2)]
    assert load_model(base).path == paths[1]
    assert load_model(paths[0])([1.0])["outputs"].shape == (1, 1)
    directories.remove_oldest(base, "saved_model.json", 1)
    assert directories.numbered(base, "saved_model.json") == [paths[1][-10:]]


def test_a_warm_start_is_exported_before_training(tmp_path):
    first = doubled(tmp_path)
    second = LinearRegressor(
        [feature_column.numeric_column("x")], tmp_path / "new", config=QUIET, warm_start_from=first.model_dir
    )
    loaded = exported(second, line(), tmp_path)
    assert loaded([4.0])["outputs"][0] == next(iter(first.predict({"x": np.float32([4])})))["predictions"]


def test_a_model_without_checkpoint_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="to export"):
        regressor(tmp_path / "model").export_saved_model(tmp_path, receiver_of(line()))


def test_training_and_evaluation_are_exported_too(tmp_path):
    def supervised():
        x, y = placeholder(np.float32, [None]), placeholder(np.float32, [None])
        return export.SupervisedInputReceiver({"x": x}, y, {"x": x, "y": y})

    model = doubled(tmp_path)
    modes = {ModeKeys.PREDICT: receiver_of(line()), ModeKeys.EVAL: supervised, ModeKeys.TRAIN: supervised}
    loaded = load_model(model.experimental_export_all_saved_models(tmp_path / "export", modes))
    assert {"train", "eval", "predict", "serving_default"} <= loaded.signatures.keys()
    batch = next(iter(line(4)))
    expected = model.evaluate(line(4))["loss"]
    for name in ("train", "eval"):
        assert loaded({"x": batch[0]["x"], "y": batch[1]}, name)["loss"] == pytest.approx(expected)


# Calls ---------------------------------------------------------------------------------------------


def small(tmp_path):
    kinds = [
        feature_column.numeric_column("x"),
        feature_column.categorical_column_with_vocabulary_list("k", ["a"]),
    ]
    data = Dataset.from_tensor_slices(({"x": np.float32([1, 2]), "k": ["a", "b"]}, [1.0, 2.0])).batch(2)
    model = regressor(tmp_path / "model", kinds).train(data)
    return exported(model, data, tmp_path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": [1.0]}, "misses 'k'(.|\n)*'x': float32 \\[None\\], 'k': string \\[None\\]"),
        ({"x": [1.0], "k": ["a"], "z": [1]}, "has unknown 'z'"),
        ({"x": [[1.0]], "k": ["a"]}, r"'x' must have the shape \[None\], and has \[1, 1\]"),
        ({"x": 1.0, "k": ["a"]}, r"has \[\](.|\n)*the first axis"),
        ({"x": ["1"], "k": ["a"]}, "'x' must be float32, and is text"),
        ({"x": [None], "k": ["a"]}, "'x' must be float32, and is text or other objects, such as None"),
        ({"x": [1.0], "k": [1]}, "'k' must be string, and holds 1"),
        ({"x": [1.0, 2.0], "k": ["a"]}, "different numbers of rows: {'x': 2, 'k': 1}"),
        ([1.0], "inputs must be a dict, not list"),
    ],
)
def test_wrong_inputs(inputs, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        small(tmp_path)(inputs)


def test_an_unknown_signature(tmp_path):
    with pytest.raises(ValueError, match="no signature 'predic'\n  what to do: did you mean 'predict'"):
        small(tmp_path)({}, "predic")


def test_rows_in_memory_and_datasets(tmp_path):
    loaded = small(tmp_path)
    rows = {"x": np.float32([1, 2, 3]), "k": np.array(["a", "b", "a"], object)}
    expected = loaded(rows)["outputs"].tolist()
    frame = pd.DataFrame({**rows, "other": 1})
    assert loaded.predict(frame)["outputs"].tolist() == loaded.predict(rows)["outputs"].tolist() == expected
    batches = Dataset.from_tensor_slices({**rows, "id": np.arange(3)}).batch(2)
    found = list(loaded.predictions(batches, keep=["id"]))
    assert [batch["id"].tolist() for batch in found] == [[0, 1], [2]]
    assert [v for batch in found for v in batch["outputs"].tolist()] == expected


def test_predictions_are_the_same_pipeline_whatever_ran_before(tmp_path):
    kinds = [feature_column.categorical_column_with_identity(name, 3) for name in ("i", "j")]
    rows = {"i": np.array([0, 1]), "j": np.array([2, 0])}
    data = Dataset.from_tensor_slices((rows, [1.0, 2.0])).batch(2)
    model = exported(regressor(tmp_path / "model", kinds).train(data), data, tmp_path)
    before = model.predictions(data).explain()
    assert model(rows)["outputs"].tolist() == next(iter(model.predictions(data)))["outputs"].tolist()
    assert model.predictions(data).explain() == before


def test_calls_from_several_threads(tmp_path):
    loaded = small(tmp_path)
    sizes = [1, 2, 3, 50] * 10
    batches = [{"x": np.arange(n, dtype=np.float32), "k": np.array(["a"] * n, object)} for n in sizes]
    expected = [loaded(batch)["outputs"].tolist() for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        assert [found["outputs"].tolist() for found in pool.map(loaded, batches)] == expected


def test_a_dataset_of_single_rows(tmp_path):
    rows = Dataset.from_tensor_slices({"x": np.float32([1]), "k": np.array(["a"], object)})
    with pytest.raises(ValueError, match=r"shape \[None\], and has \[\]\n  what to do: batch the dataset"):
        small(tmp_path).predict(rows)


def test_no_rows(tmp_path):
    assert small(tmp_path)({"x": [], "k": []})["outputs"].shape == (0, 1)
