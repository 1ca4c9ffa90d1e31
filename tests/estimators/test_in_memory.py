"""Rows in memory are an input, and tf's input functions over them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dataflow import Dataset
from estimators import RunConfig, SessionRunHook
from estimators.inputs.in_memory import numpy_input_fn, pandas_input_fn
from estimators.inputs.input_fn import call_input_fn
from tests.estimators.helpers import QUIET, classes, classifier, line, regressor

X = {"x": np.arange(5, dtype=np.float32), "name": ["a", "b", None, "d", "e"]}
TABLES = [pd.DataFrame(X), pl.DataFrame(X), pa.table(X), pa.record_batch(X), pl.LazyFrame(X), X]


def batches(data, mode="eval", **settings):
    return list(call_input_fn(data, mode=mode, config=QUIET, **settings))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_tables_are_rows_of_features(table):
    (batch,) = batches(table)
    assert sorted(batch) == ["name", "x"]
    assert batch["x"].tolist() == [0, 1, 2, 3, 4]
    assert batch["name"].tolist() == ["a", "b", None, "d", "e"]


@pytest.mark.parametrize(
    "labels",
    [
        [5, 6, 7, 8, 9],
        np.arange(5, 10),
        pd.Series(range(5, 10)),
        pl.Series(range(5, 10)),
        pa.array(range(5, 10)),
        pd.DataFrame({"y": range(5, 10)}),
    ],
    ids=lambda labels: type(labels).__name__,
)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_a_tuple_is_features_and_labels(table, labels):
    ((features, found),) = batches((table, labels))
    assert features["x"].tolist() == [0, 1, 2, 3, 4]
    assert found.tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_labels_may_be_a_column(table):
    ((features, labels),) = batches((table, "x"))
    assert (list(features), labels.tolist()) == (["name"], [0, 1, 2, 3, 4])


def test_labels_may_be_a_dict_or_several_columns():
    parts = {"a": [1, 2, 3, 4, 5], "b": [0, 0, 1, 1, 1]}
    for labels in (parts, pd.DataFrame(parts)):
        ((_, found),) = batches((X, labels))
        assert {name: value.tolist() for name, value in found.items()} == parts


def test_an_array_is_a_feature_by_itself():
    ((features, labels),) = batches((np.eye(2), [1, 2]))
    assert (features.tolist(), labels.tolist()) == ([[1, 0], [0, 1]], [1, 2])


def test_rows_come_in_batches_of_128_in_order():
    found = batches({"x": np.arange(300)})
    assert [len(batch["x"]) for batch in found] == [128, 128, 44]
    assert np.concatenate([batch["x"] for batch in found]).tolist() == list(range(300))


def test_rows_to_train_with_are_shuffled_with_the_seed():
    first, again = batches({"x": np.arange(300)}, "train"), batches({"x": np.arange(300)}, "train")
    order = np.concatenate([batch["x"] for batch in first])
    assert sorted(order) == list(range(300)) != order.tolist()
    assert order.tolist() == np.concatenate([batch["x"] for batch in again]).tolist()


def test_training_takes_rows_once_or_as_long_as_steps_say(tmp_path):
    x = np.float32([1, 2, 3])
    model = regressor(tmp_path).train(({"x": x}, 2 * x))
    assert model.get_variable_value("global_step") == 1
    assert model.train(({"x": x}, 2 * x), max_steps=10).get_variable_value("global_step") == 10
    assert (
        model.train(pd.DataFrame({"x": x}).pipe(lambda f: (f, 2 * x)), steps=5).evaluate(
            ({"x": x}, 2 * x), steps=1
        )["global_step"]
        == 15
    )


def test_evaluate_and_predict_take_rows(tmp_path):
    model = classifier(tmp_path).train(classes().repeat(), steps=20)
    frame = pd.DataFrame({"x": np.float32([-1, 1, 2, -2])})
    assert model.evaluate((frame, [0, 1, 1, 0])) == model.evaluate(classes())
    expected = [p["logits"] for p in model.predict(classes())]
    assert [p["logits"] for p in model.predict(frame)] == expected
    assert [p["logits"] for p in model.predict((frame, [0, 1, 1, 0]))] == expected


class _Stops(SessionRunHook):
    """Breaks a run off in its sixth step."""

    calls = 0

    def after_run(self, run_context, run_values):
        self.calls += 1
        if self.calls == 6:
            raise RuntimeError("broken off")


def test_a_run_over_rows_that_broke_off_goes_on_to_the_same_weights(tmp_path):
    x = np.arange(300, dtype=np.float32) / 300

    def trained(name, hooks=()):
        model = regressor(tmp_path / name, tf_random_seed=1, save_checkpoints_steps=4)
        model.train(({"x": x}, 2 * x), hooks, max_steps=9)
        return model.get_variable_value("linear/linear_model/x/weights")

    with pytest.raises(RuntimeError, match="broken off"):
        trained("broken", [_Stops()])
    assert trained("broken") == trained("whole")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (({"x": [1, 2]}, [1]), "there are 2 rows of features, and 1 labels"),
        ((pd.DataFrame({"x": [1, 2]}), pd.Series([1])), "there are 2 rows of features, and 1 labels"),
        ((pd.DataFrame({"x": [1, 2]}), pd.Series([1, 2], [1, 0])), "index of the labels"),
        ({"x": [1, 2], "z": [1]}, r"different numbers of rows: \{'x': 2, 'z': 1\}"),
        ({"x": [1, "a"]}, "'x' does not fit into an array of one type"),
        ({"x": np.array([1, "a"], object)}, "'x' does not fit into an array of one type"),
        ({"x": [[1, 2], [3]]}, "'x' does not fit into an array of one type"),
        (pd.DataFrame({"x": [1, "a"]}), "columns of one type each(?s:.*)column x"),
        ({"x": 1.0}, "'x' is a single value"),
        ({"x": pa.array([1, None])}, "'x' has nulls, and is int64"),
        ({}, "there are no arrays in the dict"),
        ({"x": []}, "the input has no rows"),
        (pd.DataFrame({"x": []}), "the input has no rows"),
        ((pd.DataFrame({"kind": [1]}), "kinds"), r"no column 'kinds'(?s:.*)did you mean 'kind'"),
        ([1, 2], "input_fn must be a function or a Dataset, or rows in memory, not"),
    ],
)
def test_wrong_rows_are_refused(data, message):
    with pytest.raises((ValueError, TypeError), match=message):
        batches(data)


# Input functions -----------------------------------------------------------------------------------------


def test_batches_of_numpy_input_fn_run_across_epochs():
    input_fn = numpy_input_fn({"b": np.arange(3), "a": np.arange(3)}, np.arange(3), 2, 2, shuffle=False)
    found = list(input_fn())
    assert [list(features) for features, _ in found] == [["a", "b"]] * 3
    assert [labels.tolist() for _, labels in found] == [[0, 1], [2, 0], [1, 2]]


def test_numpy_input_fn_without_end_has_full_batches():
    found = numpy_input_fn(np.arange(3), batch_size=2, num_epochs=None, shuffle=False)()
    assert [batch.tolist() for batch in found.take(4)] == [[0, 1], [2, 0], [1, 2], [0, 1]]


def test_numpy_input_fn_shuffles_each_epoch_with_the_seed_of_the_config():
    input_fn = numpy_input_fn(np.arange(50), batch_size=50, num_epochs=2, shuffle=True)
    first, second = (batch.tolist() for batch in input_fn(RunConfig(tf_random_seed=3)))
    assert sorted(first) == sorted(second) == list(range(50)) != first != second
    assert first == next(iter(input_fn(RunConfig(tf_random_seed=3)))).tolist()


def test_pandas_input_fn_gives_columns_and_target():
    frame = pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}, index=[7, 8])
    ((features, labels),) = pandas_input_fn(frame, pd.Series([3, 4], [7, 8]), shuffle=False)()
    assert {k: v.tolist() for k, v in features.items()} == {"a": [1, 2], "b": ["u", "v"]}
    assert labels.tolist() == [3, 4]
    ((_, several),) = pandas_input_fn(frame, frame[["a"]], shuffle=False)()
    assert several["a"].tolist() == [1, 2]
    assert sorted(next(iter(pandas_input_fn(frame, shuffle=False)()))) == ["a", "b"]


FRAME = pd.DataFrame({"a": [1, 2]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: numpy_input_fn({"x": np.arange(2)}), "shuffle must be True or False, not None"),
        (lambda: numpy_input_fn({"x": np.arange(2)}, shuffle=1), "shuffle must be True or False, not 1"),
        (lambda: numpy_input_fn([1, 2], shuffle=False), "x must be a dict of arrays or an array, not list"),
        (lambda: numpy_input_fn({}, shuffle=False), "x is an empty dict"),
        (lambda: numpy_input_fn(np.arange(2), {}, shuffle=False), "y is an empty dict(?s:.*)y=None"),
        (
            lambda: numpy_input_fn(np.arange(2), np.arange(3), shuffle=False),
            "2 rows of features, and 3 labels",
        ),
        (lambda: numpy_input_fn({"x": np.arange(2)}, {"x": np.arange(2)}, shuffle=False), r"names: \['x'\]"),
        (lambda: numpy_input_fn(np.arange(2), num_epochs=0, shuffle=False), "num_epochs must be"),
        (lambda: pandas_input_fn(FRAME), "shuffle must be True or False"),
        (lambda: pandas_input_fn({"a": [1]}, shuffle=False), "x must be a pandas.DataFrame, not dict"),
        (lambda: pandas_input_fn(FRAME, FRAME.a[::-1], shuffle=False), "index of the labels"),
        (lambda: pandas_input_fn(FRAME, FRAME.a, shuffle=False, target_column="a"), "x has a column 'a'"),
        (lambda: pandas_input_fn(FRAME, [1, 2], shuffle=False), "y must be a pandas Series or DataFrame"),
    ],
)
def test_wrong_settings_of_input_functions_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_a_model_trains_with_an_input_function(tmp_path):
    x = np.float32([1, 2, 3, 4])
    train = numpy_input_fn({"x": x}, 2 * x, batch_size=4, num_epochs=None, shuffle=True)
    model = regressor(tmp_path, tf_random_seed=1).train(train, steps=300)
    assert model.evaluate(line(4, 4))["loss"] < 0.5


def order(seed):
    """Return what an input function gives that shuffles without a seed."""
    dataset = call_input_fn(lambda: Dataset.range(50).shuffle(50), config=RunConfig(tf_random_seed=seed))
    return [int(x) for x in dataset]


def test_the_seed_of_a_run_is_that_of_what_an_input_fn_shuffles_without_one():
    assert order(1) == order(1) != order(2)
    assert order(None) != order(None)
