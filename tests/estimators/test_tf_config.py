"""The environment variable TF_CONFIG."""

import json

import pytest

from estimators import RunConfig
from tests.estimators.helpers import GOLDEN_FILES, QUIET
from tests.estimators.hook_runs import model, steps

CASES = json.loads((GOLDEN_FILES / "tf_config.json").read_text())
"""Values of the variable, and what tf.estimator's RunConfig says of them."""


@pytest.fixture
def say(monkeypatch):
    """Set the variable."""
    return lambda value: monkeypatch.setenv("TF_CONFIG", json.dumps(value))


@pytest.mark.parametrize("case", [case for case in CASES if "expected" in case])
def test_properties_are_those_of_tf(say, case):
    say(case["config"])
    config = RunConfig()
    found = {name: getattr(config, name) for name in case["expected"]}
    found["cluster_spec"] = {kind: list(addresses) for kind, addresses in config.cluster_spec.items()}
    assert found == case["expected"]
    assert config.replace(tf_random_seed=1).task_type == config.task_type


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case])
def test_what_tf_refuses_is_refused(say, case):
    say(case["config"])
    with pytest.raises({"ValueError": ValueError, "TypeError": TypeError}[case["error"]], match="TF_CONFIG"):
        RunConfig()


@pytest.mark.parametrize("text", ["{", "3", '{"cluster": 3}', '{"task": []}', '{"cluster": {"chief": "a"}}'])
def test_other_text_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises((ValueError, TypeError), match="TF_CONFIG"):
        RunConfig()


def test_two_model_dirs_must_agree(say, tmp_path):
    say({"model_dir": "elsewhere"})
    assert RunConfig(model_dir="elsewhere") == RunConfig()
    with pytest.raises(ValueError, match=r"'elsewhere' in TF_CONFIG"):
        RunConfig(model_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("task", "words"),
    [("ps", "type 'ps' in TF_CONFIG does not train"), ("worker", "2 workers and 1 parameter servers")],
)
def test_one_of_several_machines_does_not_train(say, tmp_path, task, words):
    cluster = {"chief": ["a"], "worker": ["b"], "ps": ["c"]}
    say({"cluster": cluster, "task": {"type": task, "index": 0}})
    with pytest.raises(ValueError, match=words):
        model(tmp_path, QUIET.replace()).train(steps(1))
