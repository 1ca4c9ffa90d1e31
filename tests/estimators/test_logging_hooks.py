"""Hooks that log, stop, watch and compute."""

import logging
import re

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    FinalOpsHook,
    GlobalStepWaiterHook,
    LinearClassifier,
    LoggingTensorHook,
    NanLossDuringTrainingError,
    NanTensorHook,
    SecondOrStepTimer,
    StepCounterHook,
    StopAtStepHook,
    feature_column,
)
from tests.estimators.helpers import QUIET
from tests.estimators.hook_runs import messages, model, steps


@pytest.fixture(autouse=True)
def all_lines(caplog):
    caplog.set_level(logging.INFO, "estimators")


def test_a_timer_is_due_at_once_and_then_after_steps():
    timer = SecondOrStepTimer(every_steps=2)
    assert (timer.should_trigger_for_step(7), timer.update_last_triggered_step(7)) == (True, (None, None))
    assert [timer.should_trigger_for_step(step) for step in (7, 8, 9)] == [False, False, True]
    assert timer.update_last_triggered_step(9)[1] == 2
    assert timer.last_triggered_step() == 9
    timer.reset()
    assert timer.should_trigger_for_step(9)


@pytest.mark.parametrize("arguments", [{}, {"every_secs": 1, "every_steps": 1}])
def test_a_timer_takes_one_of_both(arguments):
    with pytest.raises(ValueError, match="just one of every_secs"):
        SecondOrStepTimer(**arguments)


def test_named_tensors_are_logged_every_so_many_steps(tmp_path, caplog):
    hook = LoggingTensorHook({"w": "weight:0", "b": "loss", "step": "global_step"}, every_n_iter=2)
    model(tmp_path).train(steps(5), hooks=[hook])
    lines = messages(caplog, "b = ")
    assert lines[0] == "b = 7.5, step = 0, w = [1.]"
    assert [re.search(r"step = (\d)", line)[1] for line in lines] == ["0", "2", "4"]
    # numbers of TensorFlow 2.15.1
    assert re.fullmatch(r"b = 75\.4868, step = 2, w = \[1\.1771928\] \(\d+\.\d{3} sec\)", lines[1])


def test_tensors_in_a_list_keep_their_order(tmp_path, caplog):
    def hooks(tensors):
        return [LoggingTensorHook([tensors["weight"], tensors["x"]], at_end=True)]

    estimator = model(tmp_path, hooks=hooks).train(steps(2))
    last = estimator.get_variable_value("weight")
    (logged,) = messages(caplog, "weight = ")
    assert logged.startswith(f"weight = {last}, Tensor(parameter")
    assert logged.endswith("= [5. 6. 7. 8.]")


def test_a_formatter_makes_the_line(tmp_path, caplog):
    hook = LoggingTensorHook(["loss"], every_n_iter=1, formatter=lambda values: f"<{values['loss']}>")
    model(tmp_path).train(steps(1), hooks=[hook])
    assert messages(caplog, "<") == ["<7.5>"]


def test_predictions_have_names(tmp_path, caplog):
    list(model(tmp_path).predict(steps(1), hooks=[LoggingTensorHook(["y"], every_n_iter=1)]))
    assert messages(caplog, "y = ") == ["y = [1. 2. 3. 4.]"]


def test_other_names_are_refused(tmp_path):
    words = r"no tensor is called 'dense/relu:0': only global_step, loss, (?s:.*)the tensor itself"
    with pytest.raises(ValueError, match=words):
        model(tmp_path).train(steps(1), hooks=[LoggingTensorHook(["dense/relu:0"], every_n_iter=1)])


@pytest.mark.parametrize("arguments", [{}, {"every_n_iter": 0}, {"every_n_iter": 1, "every_n_secs": 1}])
def test_logging_needs_a_schedule(arguments):
    with pytest.raises(ValueError, match="every_"):
        LoggingTensorHook(["loss"], **arguments)


def test_one_tensor_is_no_list():
    with pytest.raises(TypeError, match="a dict or a list, not 'loss'"):
        LoggingTensorHook("loss", every_n_iter=1)


@pytest.mark.parametrize(("arguments", "last"), [({"num_steps": 2}, 5), ({"last_step": 6}, 6)])
def test_stop_at_step(tmp_path, arguments, last):
    estimator = model(tmp_path).train(steps(3))
    estimator.train(steps(9), hooks=[StopAtStepHook(**arguments)])
    assert estimator.get_variable_value("global_step") == last


@pytest.mark.parametrize("arguments", [{}, {"num_steps": 1, "last_step": 1}])
def test_stop_at_step_takes_one_of_both(arguments):
    with pytest.raises(ValueError, match="just one of num_steps"):
        StopAtStepHook(**arguments)


def nan_at_2(**arguments):
    """Watch a tensor that is NaN in the second batch."""
    return lambda tensors: [NanTensorHook(np.where(tensors["x"] > 4, np.nan, tensors["x"]), **arguments)]


def test_a_watched_tensor_raises(tmp_path):
    with pytest.raises(NanLossDuringTrainingError, match="NaN at step 2"):
        model(tmp_path, hooks=nan_at_2()).train(steps(3))


def test_a_watched_tensor_stops(tmp_path):
    estimator = model(tmp_path, hooks=nan_at_2(fail_on_nan_loss=False)).train(steps(3))
    assert estimator.get_variable_value("global_step") == 2


def test_final_ops_have_the_last_values(tmp_path):
    made = []

    def hooks(tensors):
        made.append(FinalOpsHook({"doubled": tensors["doubled"]}))
        return made

    estimator = model(tmp_path, hooks=hooks).train(steps(2))
    assert made[0].final_ops_values["doubled"] == 2 * estimator.get_variable_value("weight")


def test_waiting_for_ever_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="global step 3 for ever: it is 0"):
        model(tmp_path).train(steps(1), hooks=[GlobalStepWaiterHook(3)])
    estimator = model(tmp_path / "b").train(steps(3)).train(steps(1), hooks=[GlobalStepWaiterHook(3)])
    assert estimator.get_variable_value("global_step") == 4


class Writer:
    def __init__(self):
        self.points = []

    def add_scalar(self, tag, value, global_step):
        assert value > 0
        self.points.append((tag, global_step))

    def flush(self):
        self.points.append("flushed")


def test_steps_per_second_are_counted(tmp_path):
    writer = Writer()
    model(tmp_path).train(steps(7), hooks=[StepCounterHook(every_n_steps=3, summary_writer=writer)])
    assert writer.points == [("global_step/sec", 4), ("global_step/sec", 7), "flushed"]


def test_steps_per_second_are_written(tmp_path):
    model(tmp_path).train(steps(3), hooks=[StepCounterHook(1, output_dir=tmp_path / "speed")])
    (path,) = (tmp_path / "speed").iterdir()
    assert path.read_bytes().count(b"global_step/sec") == 2


def test_a_global_step_that_does_not_grow_is_named(tmp_path, caplog):
    model(tmp_path).evaluate(steps(9), hooks=[StepCounterHook()])
    assert len(messages(caplog, "The global step has not grown")) == 5


def test_variables_that_are_kept_as_one_are_logged(tmp_path, caplog):
    columns = [feature_column.categorical_column_with_identity(name, 3) for name in "ab"]
    data = Dataset.from_tensor_slices(({"a": [1, 2], "b": [0, 2]}, [0, 1])).batch(1)
    names = [f"linear/linear_model/{name}/weights" for name in "ab"]
    estimator = LinearClassifier(columns, tmp_path, config=QUIET)
    estimator.train(data, hooks=[LoggingTensorHook(names, every_n_iter=1, at_end=True)])
    zeros, _, last = messages(caplog, names[0])
    assert zeros.count("[0.]") == 6
    flat = [estimator.get_variable_value(name) for name in names]
    assert last.startswith(f"{names[0]} = {flat[0]}, {names[1]} = {flat[1]} (")
