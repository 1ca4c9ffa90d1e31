"""First values from another model, and from a scaffold."""

import numpy as np
import pytest

from estimators import (
    Estimator,
    EstimatorSpec,
    Ftrl,
    ModeKeys,
    Scaffold,
    WarmStartSettings,
    get_variable,
    variable_scope,
)
from tests.estimators.helpers import QUIET, line

CONST = np.float32(7)


def ones(shape, dtype, rng):
    return np.ones(shape, dtype)


def estimator(folder, *, names=("a", "b"), size=1, warm=None, init_fn=None):
    """A sum of weights, each times x."""

    def model_fn(features, labels, mode):
        with variable_scope("sum"):
            weights = [get_variable(name, [size], initializer=ones) for name in names]
            get_variable("fixed", [], initializer=ones, trainable=False)
        y = sum((features["x"] * weight.sum() for weight in weights), np.float32(0))
        scaffold = Scaffold(init_fn)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, {"y": y}, scaffold=scaffold)
        loss = ((y - labels) ** 2).mean()
        return EstimatorSpec(mode, {"y": y}, loss, Ftrl(0.1).minimize(loss), scaffold=scaffold)

    return Estimator(model_fn, folder, QUIET, warm_start_from=warm)


@pytest.fixture
def old(tmp_path):
    """A trained model: its weights are no ones."""

    def init_fn(values):
        values["sum/a"][...] = 3.0
        return {"sum/b": np.float32([5.0]), "sum/fixed": CONST}

    return estimator(tmp_path / "old", init_fn=init_fn).train(line().take(0))


def first(folder, **arguments):
    """Return the first values of a new model, by the last part of the name."""
    model = estimator(folder, **arguments).train(line().take(0))
    names = [name for name in model.get_variable_names() if name.startswith("sum/")]
    return {name[4:]: float(model.get_variable_value(name).ravel()[0]) for name in names}


def test_scaffold_gives_first_values(old):
    assert old.get_variable_value("sum/a") == [3.0]
    assert old.get_variable_value("sum/b") == [5.0]


def test_scaffold_is_not_asked_where_a_checkpoint_is_read(tmp_path):
    calls = []
    model = estimator(tmp_path, init_fn=lambda values: calls.append(sorted(values)))
    model.train(line()).train(line())
    assert len(calls) == 1
    assert {"sum/a", "sum/b", "sum/fixed", "global_step"} <= set(calls[0])


@pytest.mark.parametrize(
    ("init_fn", "words"),
    [
        (lambda values: {"sum/c": np.float32([1])}, "'sum/c', which the model has not"),
        (lambda values: {"sum/a": np.float32([1, 2])}, r"'sum/a' the shape \(2,\) \(float32\).*has \(1,\)"),
        (lambda values: {"sum/a": np.array([1.0])}, r"\(float64\)"),
        (lambda values: [1], "None or a dict"),
    ],
)
def test_other_first_values_are_refused(tmp_path, init_fn, words):
    with pytest.raises(ValueError, match=words):
        estimator(tmp_path, init_fn=init_fn).train(line())


def test_a_path_stands_for_all_trainable_variables(tmp_path, old):
    assert first(tmp_path / "new", warm=old.model_dir) == {"a": 3.0, "b": 5.0, "fixed": 1.0}
    assert first(tmp_path / "newer", warm=old.latest_checkpoint()) == {"a": 3.0, "b": 5.0, "fixed": 1.0}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("sum/a", {"a": 3.0, "b": 1.0, "fixed": 1.0}),
        ("um/a", {"a": 1.0, "b": 1.0, "fixed": 1.0}),
        ("sum/fixed", {"a": 1.0, "b": 1.0, "fixed": 1.0}),
        (["sum/fixed", ".*b$"], {"a": 1.0, "b": 5.0, "fixed": 7.0}),
        (None, {"a": 1.0, "b": 1.0, "fixed": 1.0}),
    ],
)
def test_which_variables_are_warm_started(tmp_path, old, wanted, expected):
    assert first(tmp_path / "new", warm=WarmStartSettings(old.model_dir, wanted)) == expected


def test_a_list_of_expressions_concerns_slots_and_the_global_step_too(tmp_path):
    trained = estimator(tmp_path / "old").train(line(), steps=2)
    model = estimator(tmp_path / "new", warm=WarmStartSettings(trained.model_dir, [".*"]))
    model.train(line().take(0))
    for name in trained.get_variable_names():
        assert model.get_variable_value(name).tolist() == trained.get_variable_value(name).tolist()
    assert model.train(line(), max_steps=3).get_variable_value("global_step") == 3


def test_variables_may_have_had_other_names(tmp_path, old):
    settings = WarmStartSettings(old.model_dir, "sum/c", var_name_to_prev_var_name={"sum/c": "sum/b"})
    assert first(tmp_path / "new", names=("c",), warm=settings) == {"c": 5.0, "fixed": 1.0}


def test_a_checkpoint_of_the_model_comes_first(tmp_path, old):
    trained = estimator(tmp_path / "new").train(line().repeat(), steps=5)
    again = estimator(tmp_path / "new", warm=old.model_dir).train(line().take(0))
    assert again.get_variable_value("sum/a") == trained.get_variable_value("sum/a")


def test_evaluation_without_a_checkpoint_is_warm_started_too(tmp_path, old):
    predictions = estimator(tmp_path / "new", warm=old.model_dir).predict(line())
    assert next(predictions)["y"] == 8.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 2}, r"Variable\('sum/a', shape=\(2,\).*'sum/a' of .*old.*shape \(1,\)"),
        ({"names": ("bb",)}, r"no variable 'sum/bb'(?s:.*)did you mean 'sum/b'"),
        ({"settings": {"var_name_to_prev_var_name": {"sum/z": "sum/a"}}}, "'sum/z', which is not"),
        ({"settings": {"vars_to_warm_start": "sum/[a"}}, "no regular expression"),
        ({"settings": {"vars_to_warm_start": 3}}, "must be text, or a list"),
        ({"settings": {"ckpt_to_initialize_from": ""}}, "is empty"),
    ],
)
def test_other_warm_starts_are_refused(tmp_path, old, arguments, words):
    settings = {"ckpt_to_initialize_from": old.model_dir, **arguments.pop("settings", {})}
    with pytest.raises((ValueError, TypeError), match=words):
        estimator(tmp_path / "new", warm=WarmStartSettings(**settings), **arguments).train(line())


def test_a_warm_start_from_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint to warm-start from at .*nowhere"):
        estimator(tmp_path / "new", warm=tmp_path / "nowhere").train(line())


def test_a_warm_start_is_a_path_or_settings(tmp_path):
    with pytest.raises(TypeError, match="must be a path or WarmStartSettings, not 3"):
        estimator(tmp_path, warm=3)


def test_the_log_says_what_was_taken(old, tmp_path, caplog):
    caplog.set_level("INFO", "estimators")
    estimator(tmp_path / "new", warm=old.model_dir).train(line().take(0))
    assert "Warm-started: sum/a, sum/b" in caplog.messages


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("um", "beginning of no variable of"),
        ("sum/f", "not trainable (sum/fixed); give a list, ['sum/f']"),
    ],
)
def test_a_warm_start_of_nothing_is_a_warning(old, tmp_path, caplog, wanted, words):
    estimator(tmp_path / "new", warm=WarmStartSettings(old.model_dir, wanted)).train(line().take(0))
    assert words in next(m for m in caplog.messages if "Nothing was warm-started" in m)
