import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import Ftrl
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program
from estimators.graph.variable import Variable, constant
from tests.estimators.helpers import GOLDEN

OPTIMIZERS = GOLDEN["optimizers"]
SETTINGS = {
    "v1.Ftrl(0.1)": {},
    "v2.Ftrl(0.1)": {},
    "v1.Ftrl(0.1,l1=.1,l2=.2)": {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2},
    "v1.Ftrl(0.1,power=-0.3)": {"learning_rate_power": -0.3},
    "v1.Ftrl(0.1,beta=1)": {"beta": 1.0},
}
for _version in ("v1", "v2"):
    SETTINGS[f"{_version}.Ftrl(0.1,l1=.1,l2=.2,shrink=.3)"] = {
        "l1_regularization_strength": 0.1,
        "l2_regularization_strength": 0.2,
        "l2_shrinkage_regularization_strength": 0.3,
    }


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


def start(variable, optimizer):
    values = {variable.name: np.float32(OPTIMIZERS["var0"]).reshape(variable.shape)}
    for name, first in optimizer.slots().items():
        slot = f"training/Ftrl/{variable.name}/{name}"
        values[slot] = first(variable.shape, variable.dtype, np.random.default_rng(0))
    return values


def check(values, golden):
    slots = list(golden["final_slots"].values())[-2:]
    for name, expected in zip(("accumulator", "linear"), slots, strict=True):
        np.testing.assert_allclose(values[f"training/Ftrl/v/{name}"].ravel(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS["dense"]))
def test_ftrl_with_dense_gradients(name):
    optimizer, variable, gradient = Ftrl(0.1, **SETTINGS[name]), Variable("v", (3,)), leaf(3)
    loss = (variable * gradient).sum()
    program = Program([gradient], {}, optimizer.minimize(loss).updates)
    values, golden = start(variable, optimizer), OPTIMIZERS["dense"][name]
    for given, expected in zip(OPTIMIZERS["dense_grads"], golden["vars_after_each_step"], strict=True):
        program.run([np.float32(given)], values)
        np.testing.assert_allclose(values["v"], expected, rtol=0, atol=1e-6)
    check(values, golden)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS["sparse"]))
def test_ftrl_with_sparse_gradients(name):
    optimizer, variable = Ftrl(0.1, **SETTINGS[name]), Variable("v", (3, 1))
    ids, gradient = leaf(None, 1, dtype=np.int64), leaf(None, 1)
    loss = (gather_sum(variable, ids) * gradient).sum()
    program = Program([ids, gradient], {}, optimizer.minimize(loss).updates)
    values, golden = start(variable, optimizer), OPTIMIZERS["sparse"][name]
    steps = zip(OPTIMIZERS["sparse_grads_[indices,values]"], golden["vars_after_each_step"], strict=True)
    for (rows, given), expected in steps:
        program.run([np.int64(rows)[:, None], np.float32(given)[:, None]], values)
        np.testing.assert_allclose(values["v"].ravel(), expected, rtol=0, atol=1e-6)
    check(values, golden)


def test_ftrl_without_a_first_accumulator_leaves_a_variable_without_gradient_at_0():
    optimizer, variable, gradient = Ftrl(0.1, initial_accumulator_value=0.0), Variable("v", (3,)), leaf(3)
    program = Program([gradient], {}, optimizer.minimize((variable * gradient).sum()).updates)
    values = start(variable, optimizer)
    program.run([np.float32([0.0, 1.0, 0.0])], values)
    assert values["v"].tolist() == [0.0, values["v"][1], 0.0]


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"learning_rate": np.nan},
        {"learning_rate_power": 0.5},
        {"initial_accumulator_value": -0.1},
        {"l1_regularization_strength": -1.0},
        {"l2_regularization_strength": np.inf},
        {"l2_shrinkage_regularization_strength": -1.0},
        {"beta": -1.0},
    ],
)
def test_ftrl_refuses_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Ftrl(**settings)


def test_a_loss_without_variables_cannot_be_minimized():
    with pytest.raises(ValueError, match="no trainable variable"):
        Ftrl(0.1).minimize(leaf(3).sum())


def test_only_trainable_variables_are_trained():
    fixed, free = Variable("fixed", (), initializer=constant(2.0), trainable=False), Variable("free", ())
    op = Ftrl(0.1).minimize(fixed * free)
    assert {update.variable.name for update in op.updates if "/" not in update.variable.name} == {"free"}
