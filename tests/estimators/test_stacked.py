"""Stacked variables: one table to the model, several to checkpoints."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, ModeKeys, RunConfig, get_variable, layers, optimizers
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program, initial_values
from estimators.graph.variable import Variable, stacked

BOTH_FORMS = True
SIZES = {"day": 7, "hour": 5}
RNG = np.random.default_rng(1)
IDS = np.stack([RNG.integers(0, 7, 40), RNG.integers(0, 5, 40)], axis=1)
DATA = Dataset.from_tensor_slices((IDS, IDS.sum(axis=1).astype(np.float32))).batch(8)


def model(together):
    def model_fn(features, labels, mode):
        tables = {
            n: get_variable(f"{n}/weights", (size, 1), initializer=np_ones) for n, size in SIZES.items()
        }
        if together:
            whole = stacked("tables", list(tables.values()))
            logits = gather_sum(whole, features + np.array([0, 7]))
        else:
            parts = [gather_sum(table, features[:, i : i + 1]) for i, table in enumerate(tables.values())]
            logits = parts[0] + parts[1]
        y = (logits + layers.dense(logits * 0.0, 1))[:, 0]
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, {"y": y})
        loss = np.mean(np.square(y - labels))
        return EstimatorSpec(mode, {"y": y}, loss, optimizers.Adagrad(0.1).minimize(loss))

    return model_fn


def np_ones(shape, dtype, rng):
    return rng.normal(size=shape).astype(dtype)


def trained(together, directory, steps=10):
    config = RunConfig(tf_random_seed=3)
    return Estimator(model(together), str(directory), config).train(DATA.repeat(), steps=steps)


def values_of(estimator):
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def test_checkpoints_are_those_of_the_members(tmp_path):
    one, several = values_of(trained(True, tmp_path / "a")), values_of(trained(False, tmp_path / "b"))
    assert one.keys() == several.keys()
    assert "training/Adagrad/day/weights/accumulator" in one
    for name, value in one.items():
        np.testing.assert_allclose(value, several[name], rtol=1e-5, err_msg=name)


def test_training_goes_on_from_a_checkpoint_of_members(tmp_path):
    whole = values_of(trained(True, tmp_path / "a", 20))
    trained(False, tmp_path / "b", 10)
    halves = values_of(trained(True, tmp_path / "b", 10))
    for name, value in whole.items():
        np.testing.assert_allclose(value, halves[name], rtol=1e-4, err_msg=name)


def test_predictions_are_those_of_the_members(tmp_path):
    estimator = trained(True, tmp_path)
    other = Estimator(model(False), str(tmp_path))
    found, wanted = ([p["y"] for p in e.predict(DATA)] for e in (estimator, other))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_rows_must_be_alike():
    with pytest.raises(ValueError, match="rows differ"):
        stacked("tables", [Variable("a", (3, 2)), Variable("b", (3, 1))])


def test_members_are_trained_together_or_not_at_all():
    members = [Variable("a", (3, 1)), Variable("b", (2, 1))]
    loss = (gather_sum(stacked("tables", members), np.array([[0, 4]])) ** 2).sum()
    op = optimizers.SGD(0.1).minimize(loss, var_list=members)
    assert [update.variable.name for update in op.updates] == ["tables"]
    with pytest.raises(ValueError, match=r"looked up together with others, .*\['b'\]"):
        optimizers.SGD(0.1).minimize(loss, var_list=members[:1])


@pytest.mark.parametrize("ids", [np.array([[0, 4]]), np.array([[0, 1], [4, 3]])])
def test_clipnorm_is_that_of_each_member(ids):
    members = [Variable("a", (3, 1), initializer=np_ones), Variable("b", (2, 1), initializer=np_ones)]
    whole = gather_sum(stacked("tables", members), ids)
    apart = gather_sum(members[0], np.where(ids < 3, ids, -1))
    apart = apart + gather_sum(members[1], np.where(ids >= 3, ids - 3, -1))
    results = []
    for y in (whole, apart):
        loss = (10.0 * y**2).sum()
        program = Program([], {}, optimizers.SGD(0.1, clipnorm=0.5).minimize(loss).updates)
        values = initial_values(program.variables, 0)
        program.run([], values)
        results.append(np.concatenate([values["a"], values["b"]]))
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_a_member_beside_the_whole_is_refused():
    members = [Variable("a", (3, 1)), Variable("b", (2, 1))]
    loss = gather_sum(stacked("tables", members), np.array([[0, 4]])).sum() + members[0].sum()
    with pytest.raises(ValueError, match=r"'a'.*test_stacked.py:\d+, is part of .*'tables'"):
        Program([], {"loss": loss})
