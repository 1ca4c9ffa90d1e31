import numpy as np
import pytest

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, Ftrl, NanLossDuringTrainingError, feature_column
from estimators.graph.variable import Variable
from tests.estimators.helpers import (
    QUIET,
    assert_same_bits,
    classes,
    classifier,
    line,
    regressor,
    variables,
)

BOTH_FORMS = True


def step_of(model):
    return int(model.get_variable_value("global_step"))


def test_steps_add_up(tmp_path):
    model = regressor(tmp_path).train(line().repeat(), steps=3)
    assert step_of(model.train(line().repeat(), steps=4)) == 7


def test_max_steps_are_absolute(tmp_path):
    model = regressor(tmp_path).train(line().repeat(), steps=3)
    assert step_of(model.train(line().repeat(), max_steps=5)) == 5


def test_training_is_skipped_when_max_steps_are_reached(tmp_path, caplog):
    caplog.set_level("INFO", "estimators")
    model = regressor(tmp_path).train(line().repeat(), steps=3)

    def never_called():
        raise AssertionError

    assert model.train(never_called, max_steps=3) is model
    assert caplog.messages[-1] == "Skipping training since max_steps has already saved."


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"steps": 1, "max_steps": 2}, "not both"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"max_steps": -1}, "max_steps must be at least 1, not -1"),
        ({"steps": 1.5}, "must be an integer"),
        ({"steps": True}, "must be an integer"),
    ],
)
def test_bad_limits_are_refused(tmp_path, limits, words):
    with pytest.raises((ValueError, TypeError), match=words):
        regressor(tmp_path).train(line(), **limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limits", [{}, {"steps": 100}, {"max_steps": 100}])
def test_the_end_of_the_input_ends_training(tmp_path, limits):
    assert step_of(regressor(tmp_path).train(line(rows=20, batch=3), **limits)) == 7


def test_empty_input_trains_nothing_and_saves_step_0(tmp_path, caplog):
    caplog.set_level("INFO", "estimators")
    model = regressor(tmp_path).train(line().take(0))
    assert step_of(model) == 0
    assert "Training with an empty input: no step was done." in caplog.messages
    assert caplog.messages[-1] == "Loss for final step: None."


def test_input_fn_is_a_dataset_or_a_function_of_what_it_asks_for(tmp_path):
    asked = {}

    def input_fn(mode, config, batch=4):
        asked[mode] = config.model_dir
        return line(batch=batch)

    model = regressor(tmp_path).train(input_fn)
    model.evaluate(input_fn)
    next(model.predict(input_fn))
    assert asked == dict.fromkeys(["train", "eval", "infer"], str(tmp_path))


@pytest.mark.parametrize(
    ("input_fn", "words"),
    [
        ([1, 2], "must be a function or a Dataset"),
        (lambda: [1, 2], "must return a Dataset, and returned list"),
        (lambda modus: line(), "asks for 'modus'.*did you mean 'mode'"),
        (lambda: line().map(lambda x, y: (x, y, y)), "tuples of 3"),
        (lambda: line().map(lambda x, y: (x["x"], y)), "features must be a dict"),
    ],
)
def test_other_inputs_are_refused(tmp_path, input_fn, words):
    with pytest.raises((ValueError, TypeError), match=f"(?s){words}"):
        regressor(tmp_path).train(input_fn)


def test_missing_labels_are_named(tmp_path):
    with pytest.raises(ValueError, match="there are no labels"):
        regressor(tmp_path).train(line().map(lambda features, label: features))


def test_missing_feature_is_named_with_what_it_could_be(tmp_path):
    model = regressor(tmp_path, [feature_column.numeric_column("fare")])
    data = Dataset.from_tensor_slices(({"fare_amount": [1.0]}, [2.0])).batch(1)
    with pytest.raises(ValueError, match=r"no 'fare'(?s:.*)did you mean 'fare_amount'"):
        model.train(data)


def test_feature_of_another_kind_is_refused(tmp_path):
    data = Dataset.from_tensor_slices(({"x": ["1", "2"]}, [1.0, 2.0])).batch(2)
    with pytest.raises(TypeError, match=r"numeric_column\('x'\) needs numbers"):
        regressor(tmp_path).train(data)


def test_labels_out_of_range_stop_training(tmp_path):
    model = classifier(tmp_path)
    with pytest.raises(ValueError, match="labels must be between 0 and 1, and one is 2"):
        model.train(classes([0, 1, 2, 0]))
    assert step_of(model) == 0


def test_unknown_label_of_a_vocabulary_stops_training(tmp_path):
    model = classifier(tmp_path, label_vocabulary=["no", "yes"])
    with pytest.raises(ValueError, match="the label 'maybe' is not in label_vocabulary"):
        model.train(classes(["no", "yes", "maybe", "no"]))


def test_nan_loss_stops_training_without_another_checkpoint(tmp_path):
    x = np.float32([1, 2, np.nan, 4])
    data = Dataset.from_tensor_slices(({"x": x}, x)).batch(1)
    model = regressor(tmp_path)
    with pytest.raises(NanLossDuringTrainingError, match="the loss is NaN at step 2"):
        model.train(data)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["model.ckpt-0.safetensors"]


def test_nan_loss_keeps_earlier_checkpoints(tmp_path):
    x = np.float32([1, 2, np.nan, 4])
    data = Dataset.from_tensor_slices(({"x": x}, x)).batch(1)
    model = regressor(tmp_path, save_checkpoints_steps=1)
    with pytest.raises(RuntimeError):
        model.train(data)
    assert step_of(model) == 2
    assert np.isfinite(model.get_variable_value("linear/linear_model/x/weights")).all()


def test_seed_gives_the_same_first_values(tmp_path):
    def uniform(shape, dtype, rng):
        return rng.uniform(-1, 1, shape).astype(dtype)

    def model_fn(features, labels, mode):
        loss = ((features["x"] * Variable("w", (1,), initializer=uniform) - labels) ** 2).mean()
        return EstimatorSpec(mode, loss=loss, train_op=Ftrl(0.1).minimize(loss))

    def first(name, config):
        model = Estimator(model_fn, tmp_path / name, config).train(line().take(0))
        return float(model.get_variable_value("w")[0])

    assert first("a", QUIET) == first("b", QUIET) != first("c", QUIET.replace(tf_random_seed=2))
    random = QUIET.replace(tf_random_seed=None)
    assert first("d", random) != first("e", random)
    assert first("d", random) == first("d", random)  # now from its checkpoint


def test_optimizer_may_be_a_name_an_object_or_a_function(tmp_path):
    def trained(name, **arguments):
        return variables(classifier(tmp_path / name, **arguments).train(classes().repeat(), steps=3))

    by_name = trained("a", optimizer="Ftrl")
    assert_same_bits(by_name, trained("b", optimizer=Ftrl(0.2)))
    assert_same_bits(by_name, trained("c", optimizer=lambda: Ftrl(0.2)))
    assert_same_bits(by_name, trained("d", optimizer=None))  # min(0.2, 1 / sqrt(columns))


@pytest.mark.parametrize("optimizer", ["ftrl", 3, lambda: 3])
def test_other_optimizers_are_refused(tmp_path, optimizer):
    wanted = "no optimizer 'ftrl'|optimizer must be|must return an Optimizer, and returned 3"
    with pytest.raises((ValueError, TypeError), match=wanted):
        classifier(tmp_path, optimizer=optimizer).train(classes())


def test_weights_of_examples_count(tmp_path):
    x = np.float32([1, 1, 1])
    features = {"x": x, "w": np.float32([1, 0, 0])}
    data = Dataset.from_tensor_slices((features, [1, 0, 0])).batch(3).repeat()
    model = classifier(tmp_path, weight_column="w").train(data, steps=20)
    assert next(model.predict(data))["class_ids"].tolist() == [1]


def test_short_last_batch_is_trained(tmp_path):
    data = Dataset.from_tensor_slices(({"x": np.ones(5, np.float32)}, np.ones(5, np.float32))).batch(3)
    assert step_of(regressor(tmp_path).train(data)) == 2


def test_examples_without_known_categories(tmp_path):
    column = feature_column.categorical_column_with_vocabulary_list("k", ["a", "b"])
    data = classes([0, 1, 1], k=["a", "", "zz"])
    model = classifier(tmp_path, [column]).train(data)
    weights = model.get_variable_value("linear/linear_model/k/weights")
    assert weights[0] < 0
    assert weights[1] == 0


def test_two_estimators_may_train_in_turn(tmp_path):
    one, other = regressor(tmp_path / "a"), regressor(tmp_path / "b")
    for _ in range(2):
        one.train(line().repeat(), steps=2)
        other.train(line().repeat(), steps=2)
    assert_same_bits(variables(one), variables(other))


def test_weights_that_became_nan_are_not_saved(tmp_path):
    data = Dataset.from_tensor_slices(({"x": np.float32([1, 1e30])}, np.float32([1, 1]))).batch(1)
    model = regressor(tmp_path)
    error = pytest.raises(NanLossDuringTrainingError, match="has become NaN by step 2")
    with np.errstate(all="ignore"), error:
        model.train(data)
    assert model.latest_checkpoint().endswith("model.ckpt-0")
