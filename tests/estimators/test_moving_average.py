"""Moving averages of variables."""

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import Estimator, EstimatorSpec, RunConfig
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program, initial_values
from estimators.graph.scope import get_global_step, get_variable
from estimators.graph.updates import Update, with_updates
from estimators.graph.variable import Variable, constant, zeros
from estimators.moving_average import ExponentialMovingAverage
from estimators.optimizers import SGD, Adam

NAME = "w/ExponentialMovingAverage"


def start(*values):
    return Variable("w", (len(values),), initializer=constant(values))


def train(program, columns, values):
    program.run(columns, values)
    if "global_step" in values:
        values["global_step"] += 1


@pytest.mark.parametrize("reference", [False, True])
def test_averages_follow_the_new_values_of_each_step(reference):
    weight = start(1.0, 2.0)
    op = ExponentialMovingAverage(0.75).apply(after=SGD(1.0).minimize((weight * np.float32([1, 2])).sum()))
    program = Program([], {}, op.updates, reference=reference)
    values = initial_values(program.variables, seed=0)
    values[NAME][:] = np.nan  # step 0 starts from the variable itself, whatever the average was
    train(program, [], values)
    assert (values["w"].tolist(), values[NAME].tolist()) == ([0.0, 0.0], [0.75, 1.5])
    train(program, [], values)
    assert values["w"].tolist() == [-1.0, -2.0]
    assert values[NAME].tolist() == [0.75 * 0.75 - 0.25, 0.75 * 1.5 - 0.5]


@pytest.mark.parametrize("reference", [False, True])
def test_all_rows_are_averaged_where_only_some_change(reference):
    table = Variable("w", (3, 1), initializer=constant([[1.0], [2.0], [3.0]]))
    ids = parameter(TensorSpec((None, 1), np.int64))
    op = ExponentialMovingAverage(0.5).apply([table], SGD(1.0).minimize(gather_sum(table, ids).sum()))
    program = Program([ids], {}, op.updates, reference=reference)
    values = initial_values(program.variables, seed=0)
    for batch in ([[1], [1]], [[0]]):
        train(program, [np.int64(batch)], values)
    assert values["w"].ravel().tolist() == [0.0, 0.0, 3.0]
    assert values[NAME].ravel().tolist() == [0.5, 0.5, 3.0]


def test_the_number_of_updates_bounds_the_decay():
    weight = start(1.0)
    average = ExponentialMovingAverage(0.5, num_updates=get_global_step())
    program = Program([], {}, average.apply(after=SGD(1.0).minimize(weight.sum())).updates)
    values = initial_values(program.variables, seed=0)
    train(program, [], values)  # decay 1 / 10
    assert values[NAME] == pytest.approx(0.1, rel=1e-6)
    train(program, [], values)  # decay 2 / 11
    assert values[NAME] == pytest.approx(2 / 11 * 0.1 - 9 / 11, rel=1e-6)


def test_updates_of_layers_are_followed_too():
    count = Variable("w", (), initializer=zeros, trainable=False)
    weight = Variable("v", (), initializer=constant(1.0))
    loss = with_updates(weight * 1.0, [Update(count, count + 4.0)])
    op = ExponentialMovingAverage(0.5).apply([count], SGD(1.0).minimize(loss))
    program = Program([], {}, op.all_updates())
    values = initial_values(program.variables, seed=0)
    train(program, [], values)
    assert (values["w"], values["v"], values[NAME]) == (4.0, 0.0, 2.0)


def test_by_default_the_trained_variables_are_followed():
    op = ExponentialMovingAverage(0.9).apply(after=Adam().minimize((start(1.0) ** 2).sum()))
    names = [update.variable.name for update in op.updates]
    assert names == ["w", "training/Adam/w/m", "training/Adam/w/v", NAME]
    assert op.hyperparameters["training/Adam/beta_1"] == 0.9


def test_an_estimator_evaluates_with_averages(tmp_path):
    def model_fn(features, labels, mode):
        weight = get_variable("w", (), initializer=constant(1.0))
        average = ExponentialMovingAverage(0.5)
        loss = np.mean(weight * labels)
        if mode == "train":
            return EstimatorSpec(mode, loss=loss, train_op=average.apply(after=SGD(1.0).minimize(loss)))
        return EstimatorSpec(mode, loss=average.averaged(loss))

    data = Dataset.from_tensor_slices(({"x": np.float32([1, 1])}, np.float32([1, 1]))).batch(1)
    estimator = Estimator(model_fn, tmp_path, RunConfig(progress=False)).train(data)
    assert estimator.get_variable_value("w") == -1.0
    assert estimator.get_variable_value(NAME) == -0.25
    assert estimator.evaluate(data)["loss"] == -0.25


@pytest.mark.parametrize("decay", [-0.1, 1.0, np.nan])
def test_decays_out_of_range_are_refused(decay):
    with pytest.raises(ValueError, match="decay must be"):
        ExponentialMovingAverage(decay)


def test_what_cannot_be_averaged_is_refused():
    average = ExponentialMovingAverage(0.9)
    with pytest.raises(ValueError, match="no variables to average"):
        average.apply([])
    with pytest.raises(TypeError, match="floating-point numbers, not of Variable"):
        average.average(Variable("count", (), np.int64))
