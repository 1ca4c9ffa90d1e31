"""`InMemoryEvaluatorHook`: evaluations in the middle of training."""

import pytest

from estimators.evaluation import evaluations
from estimators.experimental import InMemoryEvaluatorHook
from tests.estimators.helpers import QUIET, assert_same_bits, variables
from tests.estimators.hook_runs import model, steps
from tests.estimators.test_hooks import Diary


def kept(folder, name=None):
    return evaluations.read(evaluations.directory_of(str(folder), name))


def test_evaluations_come_at_the_start_every_so_many_steps_and_at_the_end(tmp_path):
    estimator = model(tmp_path)
    estimator.train(steps(5), hooks=[InMemoryEvaluatorHook(estimator, steps(1), every_n_iter=2)])
    assert [evaluation.step for evaluation in kept(tmp_path)] == [0, 2, 4, 5]
    assert kept(tmp_path)[0].metrics == {"loss": 7.5, "error": 2.5}


def test_evaluations_are_those_of_the_checkpoint(tmp_path):
    estimator = model(tmp_path)
    estimator.train(steps(5), hooks=[InMemoryEvaluatorHook(estimator, steps(3), steps=2, name="two")])
    results = estimator.evaluate(steps(3), steps=2)
    assert kept(tmp_path, "two")[-1].metrics["loss"] == results["loss"]


def test_evaluations_do_not_change_training(tmp_path):
    estimator = model(tmp_path / "a")
    estimator.train(steps(5), hooks=[InMemoryEvaluatorHook(estimator, steps(1), every_n_iter=1)])
    assert_same_bits(variables(estimator), variables(model(tmp_path / "b").train(steps(5))))


def test_hooks_of_evaluations_are_called(tmp_path):
    estimator, notes = model(tmp_path), Diary()
    estimator.train(steps(2), hooks=[InMemoryEvaluatorHook(estimator, steps(1), hooks=[notes])])
    assert notes.notes == ["begin", "created", "before", "after", "end"] * 2


def test_the_input_function_is_called_once(tmp_path):
    calls = []
    estimator = model(tmp_path)
    hook = InMemoryEvaluatorHook(estimator, lambda: calls.append(1) or steps(1), every_n_iter=1)
    estimator.train(steps(4), hooks=[hook])
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every_n_iter": 0}, "every_n_iter must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"estimator": 3}, "must be an Estimator"),
        ({"hooks": [3]}, "hooks must hold SessionRunHook"),
    ],
)
def test_other_settings_are_refused(tmp_path, arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        InMemoryEvaluatorHook(**{"estimator": model(tmp_path), "input_fn": steps(1), **arguments})


def test_several_machines_are_refused(tmp_path, monkeypatch):
    task = '"task": {"type": "chief", "index": 0}'
    monkeypatch.setenv("TF_CONFIG", f'{{"cluster": {{"chief": ["a"], "worker": ["b"]}}, {task}}}')
    with pytest.raises(ValueError, match="only where one machine trains"):
        InMemoryEvaluatorHook(model(tmp_path, QUIET.replace()), steps(1))
