"""Early stopping by a function, and by what evaluations gave."""

import json
import logging

import pytest

from estimators import CheckpointSaverListener, experimental
from estimators.evaluation import evaluations
from tests.estimators.helpers import QUIET
from tests.estimators.hook_runs import messages, model, steps

STOP = "signal_early_stopping/STOP"


@pytest.fixture(autouse=True)
def all_lines(caplog):
    caplog.set_level(logging.INFO, "estimators")


class Answers:
    """Says True from a call on."""

    def __init__(self, stop_at):
        self.count, self.stop_at = 0, stop_at

    def __call__(self):
        self.count += 1
        return self.count >= self.stop_at


def stopper(estimator, answers, every=1):
    return experimental.make_early_stopping_hook(
        estimator, answers, run_every_secs=None, run_every_steps=every
    )


def test_a_function_is_asked_after_the_first_step_and_every_so_many(tmp_path, caplog):
    estimator, answers = model(tmp_path), Answers(3)
    estimator.train(steps(20), hooks=[stopper(estimator, answers, every=4)])
    assert estimator.get_variable_value("global_step") == 9
    assert answers.count == 3
    assert messages(caplog, "Requesting") == ["Requesting early stopping at global step 8"]


def test_the_checkpoint_tells_of_it(tmp_path):
    estimator = model(tmp_path)
    estimator.train(steps(3), hooks=[stopper(estimator, Answers(99))])
    assert not estimator.get_variable_value(STOP)
    estimator.train(steps(3), hooks=[stopper(estimator, Answers(1))])
    assert estimator.get_variable_value(STOP)
    assert estimator.evaluate(steps(1))["global_step"] == 4


def test_a_run_that_was_stopped_does_no_step_when_it_is_started_again(tmp_path, caplog):
    estimator = model(tmp_path)
    for _ in range(2):
        estimator.train(steps(9), hooks=[stopper(estimator, Answers(1))])
    assert estimator.get_variable_value("global_step") == 1
    assert estimator.get_variable_value(STOP)
    assert messages(caplog, "Training was stopped early at global step 1")


def test_a_run_that_was_stopped_goes_on_when_the_reason_is_gone(tmp_path):
    estimator = model(tmp_path)
    estimator.train(steps(9), hooks=[stopper(estimator, Answers(1))])
    estimator.train(steps(2), hooks=[stopper(estimator, Answers(99))])
    assert estimator.get_variable_value("global_step") == 3
    assert not estimator.get_variable_value(STOP)
    estimator.train(steps(2))
    assert STOP not in estimator.get_variable_names()


def noted(folder, metric, values):
    """Keep results of steps 100, 200, …."""
    for i, value in enumerate(values, start=1):
        evaluations.append(str(folder), 100 * i, {metric: value})


def stops(folder, hook, *arguments, **settings):
    """Tell whether a hook that looks at a folder ends training at once."""
    estimator = model(folder / "model")
    settings = {"eval_dir": folder, "run_every_secs": None, "run_every_steps": 1, **settings}
    made = getattr(experimental, hook)(estimator, *arguments, **settings)
    return estimator.train(steps(2), hooks=[made]).get_variable_value("global_step") == 1


@pytest.mark.parametrize(
    ("hook", "threshold", "expected"),
    [
        ("stop_if_higher_hook", 0.8, True),
        ("stop_if_higher_hook", 0.9, False),
        ("stop_if_lower_hook", 0.6, True),
        ("stop_if_lower_hook", 0.5, False),
    ],
)
def test_thresholds_are_strict(tmp_path, hook, threshold, expected):
    noted(tmp_path, "accuracy", [0.5, 0.9, 0.7])
    assert stops(tmp_path, hook, "accuracy", threshold) == expected


@pytest.mark.parametrize(
    ("hook", "limit", "expected"),
    [
        ("stop_if_no_decrease_hook", 200, True),  # 0.5 at 200; equal at 400
        ("stop_if_no_decrease_hook", 201, False),
        ("stop_if_no_increase_hook", 300, True),
        ("stop_if_no_increase_hook", 301, False),
    ],
)
def test_no_improvement_for_so_many_steps(tmp_path, hook, limit, expected):
    noted(tmp_path, "loss", [0.9, 0.5, 0.6, 0.5])
    assert stops(tmp_path, hook, "loss", limit) == expected


def test_a_first_nan_is_no_best_value(tmp_path):
    noted(tmp_path, "loss", [float("nan"), 0.5, 0.4])
    assert not stops(tmp_path, "stop_if_no_decrease_hook", "loss", 200)


def test_early_evaluations_may_be_left_out(tmp_path):
    noted(tmp_path, "loss", [0.1, 0.5])
    assert not stops(tmp_path, "stop_if_lower_hook", "loss", 0.2, min_steps=101)


def test_a_missing_metric_is_named(tmp_path):
    noted(tmp_path, "loss", [0.1])
    with pytest.raises(KeyError, match=r"step 100 .* no metric 'los'(?s:.*)did you mean 'loss'"):
        stops(tmp_path, "stop_if_lower_hook", "los", 0.2)


def test_evaluations_in_training_stop_it(tmp_path):
    class Evaluating(CheckpointSaverListener):
        def after_save(self, session, global_step_value):
            if global_step_value:
                estimator.evaluate(steps(1))

    estimator = model(tmp_path, QUIET.replace(save_checkpoints_steps=2))
    hook = experimental.stop_if_lower_hook(estimator, "loss", 100, run_every_secs=None, run_every_steps=1)
    estimator.train(steps(9), hooks=[hook], saving_listeners=[Evaluating()])
    assert estimator.get_variable_value("global_step") == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"run_every_steps": 1}, ValueError),
        ({"run_every_secs": None}, ValueError),
        ({"should_stop_fn": 3}, TypeError),
        ({"estimator": 3}, TypeError),
    ],
)
def test_other_settings_are_refused(tmp_path, arguments, error):
    given = {"estimator": model(tmp_path), "should_stop_fn": bool, **arguments}
    with pytest.raises(error, match=r"estimator|should_stop_fn|every"):
        experimental.make_early_stopping_hook(**given)


def test_the_chief_stops_at_a_step(tmp_path):
    estimator = model(tmp_path)
    hook = experimental.make_stop_at_checkpoint_step_hook(estimator, 3)
    assert estimator.train(steps(9), hooks=[hook]).get_variable_value("global_step") == 3


def test_another_task_stops_once_the_checkpoint_is_there(tmp_path, monkeypatch):
    cluster = {"chief": ["a"], "worker": ["b"]}
    task = {"type": "worker", "index": 0}
    estimator = model(tmp_path).train(steps(9))
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    other = model(tmp_path)
    hook = experimental.make_stop_at_checkpoint_step_hook(other, 9, wait_after_file_check_secs=0)
    assert estimator.train(steps(9), hooks=[hook]).get_variable_value("global_step") == 10
