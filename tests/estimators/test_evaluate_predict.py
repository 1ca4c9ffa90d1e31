import types

import numpy as np
import pytest

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, feature_column
from tests.estimators.helpers import (
    QUIET,
    classes,
    classifier,
    housing_columns,
    housing_input,
    line,
    regressor,
)


def test_evaluate_without_a_checkpoint_uses_first_values(tmp_path):
    results = regressor(tmp_path).evaluate(line())
    assert (results["global_step"], results["prediction/mean"]) == (0, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_evaluate_uses_so_many_batches(tmp_path):
    model = regressor(tmp_path)
    assert model.evaluate(line(), steps=1)["label/mean"] == 5.0  # 2, 4, 6, 8
    assert model.evaluate(line().repeat(), steps=3)["label/mean"] == pytest.approx((5 + 13 + 5) / 3)


def test_evaluate_of_an_endless_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"endless(?s:.*)leave out .repeat\(\)"):
        regressor(tmp_path).evaluate(line().repeat())


@pytest.mark.parametrize("steps", [0, -1])
def test_evaluate_refuses_no_steps(tmp_path, steps):
    with pytest.raises(ValueError, match="steps must be at least 1"):
        regressor(tmp_path).evaluate(line(), steps=steps)


@pytest.mark.parametrize("make", [regressor, classifier])
def test_evaluate_of_an_empty_input_gives_zeros(tmp_path, make):
    results = make(tmp_path).evaluate(classes().take(0))
    assert set(results.values()) == {0.0}


def test_evaluate_an_older_checkpoint(tmp_path):
    model = regressor(tmp_path).train(line().repeat(), steps=1)
    path, before = model.latest_checkpoint(), model.evaluate(line())
    model.train(line().repeat(), steps=5)
    assert model.evaluate(line(), checkpoint_path=path) == before
    assert model.evaluate(line(), checkpoint_path=f"{path}.safetensors") == before
    assert model.evaluate(line())["global_step"] == 6


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint .*model.ckpt-7.safetensors"):
        regressor(tmp_path).evaluate(line(), checkpoint_path=str(tmp_path / "model.ckpt-7"))


def test_evaluating_changes_nothing(tmp_path):
    model = regressor(tmp_path).train(line())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}  # evaluations are in a folder
    model.evaluate(line())
    next(model.predict(line()))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_predict_is_a_generator_that_runs_when_asked(tmp_path):
    def never_called():
        raise AssertionError

    predictions = regressor(tmp_path).predict(never_called)
    assert isinstance(predictions, types.GeneratorType)
    with pytest.raises(AssertionError):
        next(predictions)


def test_predict_gives_one_dict_per_example(tmp_path):
    model = regressor(tmp_path).train(line().repeat(), steps=2)
    predictions = list(model.predict(line(rows=5, batch=2)))
    assert [list(p) for p in predictions] == [["predictions"]] * 5
    assert predictions[0]["predictions"].shape == (1,)


def test_predict_gives_batches_if_asked(tmp_path):
    batches = list(regressor(tmp_path).predict(line(rows=5, batch=2), yield_single_examples=False))
    assert [batch["predictions"].shape for batch in batches] == [(2, 1), (2, 1), (1, 1)]


def test_predict_gives_the_keys_asked_for(tmp_path):
    model = classifier(tmp_path)
    assert list(next(model.predict(classes(), predict_keys=["classes", "logits"]))) == ["logits", "classes"]
    assert list(next(model.predict(classes(), predict_keys="logits"))) == ["logits"]


def test_predict_refuses_unknown_keys(tmp_path):
    with pytest.raises(ValueError, match=r"no prediction 'class'(?s:.*)did you mean 'classes'"):
        next(classifier(tmp_path).predict(classes(), predict_keys="class"))


def test_predict_needs_no_labels_and_ignores_them(tmp_path):
    model = regressor(tmp_path).train(line())
    alone = line().map(lambda features, label: features)
    texts = line().map(lambda features, label: (features, label.astype(str)))
    expected = [p["predictions"].tolist() for p in model.predict(line())]
    for data in (alone, texts):
        assert [p["predictions"].tolist() for p in model.predict(data)] == expected


def test_predict_of_an_endless_input_never_ends(tmp_path):
    predictions = regressor(tmp_path).predict(line(rows=2, batch=2).repeat())
    assert [next(predictions)["predictions"].tolist() for _ in range(5)] == [[0.0]] * 5


def test_predictions_of_different_lengths_come_as_batches_only(tmp_path):
    def model_fn(features, mode):
        return EstimatorSpec(mode, {"x": features["x"], "total": features["x"].sum()})

    model, data = Estimator(model_fn, tmp_path, QUIET), Dataset.from_tensor_slices({"x": [1.0, 2.0]}).batch(2)
    batch = next(model.predict(data, yield_single_examples=False))
    assert (batch["x"].tolist(), float(batch["total"])) == ([1.0, 2.0], 3.0)
    with pytest.raises(ValueError, match="no common number of examples"):
        next(model.predict(data))


def test_nan_in_a_feature_of_an_evaluation_shows(tmp_path):
    model = classifier(tmp_path).train(classes().repeat(), steps=2)
    with pytest.raises(ValueError, match="look for NaN"):
        model.evaluate(classes(x=np.float32([1, np.nan, 1, 1])))


def test_two_inputs_of_one_model(tmp_path):
    model = regressor(tmp_path, housing_columns()).train(housing_input().repeat(), steps=10)
    assert model.evaluate(housing_input()) == model.evaluate(housing_input().unbatch().batch(6))


def test_variable_length_batches(tmp_path):
    column = feature_column.categorical_column_with_vocabulary_list("k", ["a", "b"])
    data = Dataset.from_generator(
        lambda: iter([(["a", "b"], [1.0, 2.0]), (["b"], [2.0])]), (str, np.float32), ((None,), (None,))
    ).map(lambda k, y: ({"k": k}, y))
    model = regressor(tmp_path, [column]).train(data)
    assert [p["predictions"].shape for p in model.predict(data)] == [(1,)] * 3


def test_no_predict_keys_at_all_are_refused(tmp_path):
    with pytest.raises(ValueError, match="predict_keys is empty"):
        next(classifier(tmp_path).predict(classes(), predict_keys=[]))
