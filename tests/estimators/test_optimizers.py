"""Optimizers against tf: dense and sparse, by kernels and by the plain NumPy form."""

import json

import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph.primitives import PRIMITIVES, adam, updates
from estimators.graph.primitives.tables import gather_sum
from estimators.graph.program import Program, initial_values
from estimators.graph.registry import KERNELS
from estimators.graph.variable import Variable, constant
from estimators.optimizers import (
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Nadam,
    Optimizer,
    RMSprop,
    v1,
)
from estimators.schedules import exponential_decay
from tests.estimators.helpers import GOLDEN_FILES

BOTH_FORMS = True

GOLDEN = json.loads((GOLDEN_FILES / "optimizers.json").read_text())["optimizers"]
SHRINKING = {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2}
ALL_L = {**SHRINKING, "l2_shrinkage_regularization_strength": 0.3}
HALVING = exponential_decay(0.1, 1, 0.5)
MAKE = {
    "v1.GradientDescent(0.1)": lambda: v1.GradientDescentOptimizer(0.1),
    "v1.Momentum(0.1,0.9)": lambda: v1.MomentumOptimizer(0.1, 0.9),
    "v1.Momentum(0.1,0.9,nesterov)": lambda: v1.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "v1.Momentum(exponential_decay(.1,1,.5),.9)": lambda: v1.MomentumOptimizer(HALVING, 0.9),
    "v1.Adagrad(0.1)": lambda: v1.AdagradOptimizer(0.1),
    "v1.Adam(0.1)": lambda: v1.AdamOptimizer(0.1),
    "v1.RMSProp(0.1)": lambda: v1.RMSPropOptimizer(0.1),
    "v1.RMSProp(0.1,momentum=0.5)": lambda: v1.RMSPropOptimizer(0.1, momentum=0.5),
    "v1.RMSProp(0.1,centered)": lambda: v1.RMSPropOptimizer(0.1, centered=True),
    "v1.Ftrl(0.1)": lambda: v1.FtrlOptimizer(0.1),
    "v1.Ftrl(0.1,l1=.1,l2=.2)": lambda: v1.FtrlOptimizer(0.1, **SHRINKING),
    "v1.Ftrl(0.1,l1=.1,l2=.2,shrink=.3)": lambda: v1.FtrlOptimizer(0.1, **ALL_L),
    "v1.Ftrl(0.1,power=-0.3)": lambda: v1.FtrlOptimizer(0.1, -0.3),
    "v1.Ftrl(0.1,beta=1)": lambda: v1.FtrlOptimizer(0.1, beta=1.0),
    "v1.Adadelta(1.0)": lambda: v1.AdadeltaOptimizer(1.0),
    "v1.ProximalAdagrad(0.1,l1=.1,l2=.2)": lambda: v1.ProximalAdagradOptimizer(0.1, **SHRINKING),
    "v1.ProximalGradientDescent(0.1,l1=.1,l2=.2)": lambda: v1.ProximalGradientDescentOptimizer(
        0.1, **SHRINKING
    ),
    "v2.SGD(0.1)": lambda: SGD(0.1),
    "v2.SGD(0.1,m=0.9)": lambda: SGD(0.1, 0.9),
    "v2.SGD(0.1,m=0.9,nesterov)": lambda: SGD(0.1, 0.9, True),
    "v2.SGD(0.1,decay=0.5)": lambda: SGD(0.1, decay=0.5),
    "v2.SGD(0.1,clipnorm=.5)": lambda: SGD(0.1, clipnorm=0.5),
    "v2.SGD(0.1,clipvalue=.15)": lambda: SGD(0.1, clipvalue=0.15),
    "v2.SGD(0.1,global_clipnorm=.5)": lambda: SGD(0.1, global_clipnorm=0.5),
    "v2.SGD(exponential_decay(.1,1,.5),m=.9)": lambda: SGD(HALVING, 0.9),
    "v2.Adagrad(0.1)": lambda: Adagrad(0.1),
    "v2.Adam(0.1)": lambda: Adam(0.1),
    "v2.Adam(0.1,amsgrad)": lambda: Adam(0.1, amsgrad=True),
    "v2.Adam(exponential_decay(.1,1,.5),decay=.5)": lambda: Adam(HALVING, decay=0.5),
    "v2.AdamW(0.1,weight_decay=.1)": lambda: AdamW(0.1, 0.1),
    "v2.AdamW(0.1,weight_decay=.1,amsgrad)": lambda: AdamW(0.1, 0.1, amsgrad=True),
    "v2.RMSprop(0.1)": lambda: RMSprop(0.1),
    "v2.RMSprop(0.1,momentum=.5)": lambda: RMSprop(0.1, momentum=0.5),
    "v2.RMSprop(0.1,centered)": lambda: RMSprop(0.1, centered=True),
    "v2.RMSprop(0.1,momentum=.5,centered)": lambda: RMSprop(0.1, momentum=0.5, centered=True),
    "v2.Ftrl(0.1)": lambda: Ftrl(0.1),
    "v2.Ftrl(0.1,l1=.1,l2=.2,shrink=.3)": lambda: Ftrl(0.1, **ALL_L),
    "v2.Adadelta(1.0)": lambda: Adadelta(1.0),
    "v2.Nadam(0.1)": lambda: Nadam(0.1),
    "v2.Nadam(0.1,schedule_decay=.5)": lambda: Nadam(0.1, schedule_decay=0.5),
    "v2.Adamax(0.1)": lambda: Adamax(0.1),
}


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


def train(program, columns, values):
    """Do a step, and count it as the training loop does."""
    program.run(columns, values)
    if "global_step" in values:
        values["global_step"] += 1


def check_steps(program, steps, optimizer, golden):
    """Compare the variable after each step, and the slots after the last."""
    values = initial_values(program.variables, seed=0)
    # tf's AdamW subtracts powers of a rounded beta_2 from 1, and not the powers of its other steps.
    tolerance = 3e-6 if isinstance(optimizer, AdamW) else 1e-6
    for columns, expected in zip(steps, golden["vars_after_each_step"], strict=True):
        train(program, columns, values)
        np.testing.assert_allclose(values["v"].ravel(), expected, rtol=0, atol=tolerance)
    slots = [values[f"training/{optimizer.name}/v/{name}"].ravel() for name in optimizer.slots()]
    expected = [value for name, value in golden["final_slots"].items() if name.split("/")[-2:-1] == ["v"]]
    for found, wanted in zip(slots, expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-12)


def variable(*shape):
    return Variable("v", shape, initializer=constant(np.reshape(GOLDEN["var0"], shape)))


def test_all_golden_values_are_used():
    assert MAKE.keys() == GOLDEN["dense"].keys() == GOLDEN["sparse"].keys()


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("name", sorted(MAKE))
def test_dense_gradients(name, reference):
    optimizer, gradient = MAKE[name](), leaf(3)
    op = optimizer.minimize((variable(3) * gradient).sum())
    program = Program([gradient], {}, op.updates, reference=reference)
    steps = [[np.float32(given)] for given in GOLDEN["dense_grads"]]
    check_steps(program, steps, optimizer, GOLDEN["dense"][name])


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"v2.SGD(0.1,clipvalue=.15)"}))
def test_sparse_gradients(name, reference):
    optimizer, ids, gradient = MAKE[name](), leaf(None, 1, dtype=np.int64), leaf(None, 1)
    op = optimizer.minimize((gather_sum(variable(3, 1), ids) * gradient).sum())
    program = Program([ids, gradient], {}, op.updates, reference=reference)
    steps = [
        [np.int64(rows)[:, None], np.float32(given)[:, None]]
        for rows, given in GOLDEN["sparse_grads_[indices,values]"]
    ]
    check_steps(program, steps, optimizer, GOLDEN["sparse"][name])


def test_clipvalue_limits_the_sums_of_sparse_gradients():
    """Unlike in tf, which limits 0.2 and 0.3 before it adds them up: so dense and sparse agree."""
    ids, gradient = leaf(None, 1, dtype=np.int64), leaf(None, 1)
    op = SGD(1.0, clipvalue=0.25).minimize((gather_sum(variable(3, 1), ids) * gradient).sum())
    values = initial_values([variable(3, 1)], seed=0)
    Program([ids, gradient], {}, op.updates).run([np.int64([[1], [1]]), np.float32([[0.2], [0.3]])], values)
    assert values["v"].ravel().tolist() == [1.0, 1.75, -1.0]


# Kernels -------------------------------------------------------------------------------------------

STEPS = sorted({p.name for m in (adam, updates) for p in vars(m).values() if p in PRIMITIVES.values()})
SAMPLES = [(name, *sample) for name in STEPS for sample in PRIMITIVES[name].samples()]


def arrays_of(inputs, kind):
    return [np.asarray(x).astype(kind) if np.asarray(x).dtype.kind == "f" else x for x in inputs]


def assert_same_step(found, wanted, name):
    tolerance = {"rtol": 1e-6} if name == "ftrl" else {"rtol": 0}  # powers are rounded in other ways
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, atol=0, **tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "inputs", "attributes"), SAMPLES)
@pytest.mark.parametrize("place", ["new", "own", "gradient", "swapped"])
def test_kernel_is_the_plain_form_whatever_memory_it_fills(place, name, inputs, attributes, kind):
    given = arrays_of(inputs, kind)
    wanted = PRIMITIVES[name].compute(0, *given, **attributes)
    given = [np.array(value) for value in given]
    own = [given[0], *given[2 : 1 + len(wanted)]]
    out = {
        "new": [np.full_like(array, np.nan) for array in own],
        "own": own,
        "gradient": [given[1], *own[1:]],
        "swapped": own[::-1],
    }[place]
    KERNELS[name].run(tuple(out), (), *given, **attributes)
    assert_same_step(out, wanted, name)


def test_kernels_take_gradients_of_any_layout():
    given = np.ones((2, 3)), np.arange(6.0).reshape(3, 2).T
    out = (np.empty((2, 3)),)
    KERNELS["sgd"].run(out, (), *given, 0.5, l1=0.0, l2=0.0)
    assert out[0].tolist() == [[1.0, 0.0, -1.0], [0.5, -0.5, -1.5]]


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamax", "nadam", "rmsprop", "sgd"])
def test_steps_keep_nan(name):
    inputs, attributes = PRIMITIVES[name].samples()[-2]
    given = [np.array(value) for value in inputs]
    given[1][0, 1] = np.nan
    wanted = PRIMITIVES[name].compute(0, *given, **attributes)
    own = [given[0], *given[2 : 1 + len(wanted)]]
    KERNELS[name].run(tuple(own), (), *given, **attributes)
    assert np.isnan(own[0][0, 1])
    assert_same_step(own, wanted, name)


def test_nadam_knows_its_product_of_momenta_in_any_step():
    product = 1.0
    for t in range(1, 3001):
        product *= 0.9999 * (1 - 0.5 * 0.96 ** (0.004 * t))
        now = 0.9999 * (1 - 0.5 * 0.96 ** (0.004 * t))
        if t in (1, 10, 3000):
            share, _, _ = adam._nadam_rates(float(t - 1), 0.9999, 0.999, 0.004)
            assert share == pytest.approx((1 - now) / (1 - product), rel=1e-12)


# Settings ------------------------------------------------------------------------------------------


def test_ftrl_without_a_first_accumulator_leaves_a_variable_without_gradient_at_0():
    optimizer, gradient = Ftrl(0.1, initial_accumulator_value=0.0), leaf(3)
    program = Program([gradient], {}, optimizer.minimize((variable(3) * gradient).sum()).updates)
    values = initial_values(program.variables, seed=0)
    program.run([np.float32([0.0, 1.0, 0.0])], values)
    assert values["v"].tolist() == [0.0, values["v"][1], 0.0]


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (Ftrl, {"learning_rate": 0.0}),
        (Ftrl, {"learning_rate": np.nan}),
        (Ftrl, {"learning_rate_power": 0.5}),
        (Ftrl, {"initial_accumulator_value": -0.1}),
        (Ftrl, {"l1_regularization_strength": -1.0}),
        (Ftrl, {"l2_regularization_strength": np.inf}),
        (Ftrl, {"l2_shrinkage_regularization_strength": -1.0}),
        (Ftrl, {"beta": -1.0}),
        (SGD, {"momentum": 1.5}),
        (SGD, {"decay": -1.0}),
        (SGD, {"clipnorm": 0.0}),
        (SGD, {"clipvalue": -1.0}),
        (SGD, {"global_clipnorm": np.nan}),
        (SGD, {"l1_regularization_strength": -1.0}),
        (Adagrad, {"epsilon": -1.0}),
        (Adam, {"beta_1": 1.0}),
        (Adam, {"beta_2": -0.1}),
        (AdamW, {"weight_decay": -1.0}),
        (Adamax, {"beta_2": 1.0}),
        (Nadam, {"schedule_decay": -1.0}),
        (RMSprop, {"rho": 1.0}),
        (RMSprop, {"initial_rms": -1.0}),
        (Adadelta, {"rho": 2.0}),
    ],
)
def test_settings_out_of_range_are_refused(make, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(**settings)


@pytest.mark.parametrize(
    ("make", "settings", "error", "words"),
    [
        (SGD, {"clipnorm": 1.0, "global_clipnorm": 1.0}, ValueError, "both given"),
        (SGD, {"momentum": 0.5, "l1_regularization_strength": 1.0}, ValueError, "momentum or shrinkage"),
        (SGD, {"learning_rate": "0.1"}, TypeError, "learning_rate must be a number"),
        (SGD, {"rate": 1.0}, TypeError, "rate"),
        (v1.AdagradOptimizer, {"learning_rate": 1.0, "initial_accumulator_value": 0.0}, ValueError, "more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(make, settings, error, words):
    with pytest.raises(error, match=words):
        make(**settings)


def test_estimators_know_tf_s_names():
    assert {"Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"} <= OPTIMIZERS.keys()


def test_adamw_leaves_excluded_variables_alone():
    weight, bias = (Variable(name, (), initializer=constant(1.0)) for name in ("kernel", "bias"))
    op = AdamW(0.5, 0.5, exclude_from_weight_decay=["bias"]).minimize((weight + bias) * 0.0)
    program = Program([], {}, op.updates)
    values = initial_values(program.variables, seed=0)
    program.run([], values)
    assert (values["kernel"], values["bias"]) == (0.75, 1.0)


def test_the_learning_rate_may_be_a_tensor_or_a_function_of_the_global_step():
    rate, weight = leaf(), Variable("w", (), initializer=constant(1.0))
    program = Program([rate], {}, SGD(rate).minimize(weight * 1.0).updates)
    values = initial_values(program.variables, seed=0)
    train(program, [np.float32(0.25)], values)
    assert values["w"] == 0.75
    program = Program([], {}, SGD(lambda step: 1.0 / (step + 1.0)).minimize(weight * 1.0).updates)
    values = initial_values(program.variables, seed=0)
    for expected in (0.0, -0.5):
        train(program, [], values)
        assert values["w"] == expected


def test_the_learning_rate_must_be_a_scalar():
    with pytest.raises(TypeError, match=r"the learning rate must be a scalar, and is .*\(2,\)"):
        SGD(leaf(2)).minimize(Variable("w", ()) * 1.0)


def test_a_schedule_is_no_setting_of_checkpoints():
    op = SGD(HALVING, name="Mine").minimize(Variable("w", ()) * 1.0)
    assert op.hyperparameters == {"training/Mine/decay": 0.0, "training/Mine/momentum": 0.0}


def test_one_s_own_optimizer_gives_slots_and_a_formula():
    class Sign(Optimizer):
        default_name = "Sign"

        @property
        def hyperparameters(self):
            return self.learning_rate_setting

        def slots(self):
            return {}

        def step(self, variable, gradient, slots, learning_rate, global_step):
            return variable - learning_rate * np.sign(gradient), {}

    program = Program([], {}, Sign(0.5).minimize((variable(3) * np.float32([3, 0, -7])).sum()).updates)
    values = initial_values(program.variables, seed=0)
    program.run([], values)
    assert values["v"].tolist() == [0.5, 2.0, -0.5]


# What is trained -----------------------------------------------------------------------------------


def test_a_loss_without_variables_cannot_be_minimized():
    with pytest.raises(ValueError, match="no trainable variable"):
        Ftrl(0.1).minimize(leaf(3).sum())


def test_variables_of_var_list_that_the_loss_does_not_depend_on(caplog):
    used, idle = Variable("used", (3,)), Variable("idle", (3,))
    pairs = Ftrl(0.1).compute_gradients(used.sum(), [used, idle])
    assert [pair[1] for pair in pairs if pair[0] is None] == [idle]
    op = Ftrl(0.1).minimize(used.sum(), var_list=[used, idle])
    assert "does not depend on these variables of var_list: idle" in caplog.text
    assert not [update for update in op.updates if "idle" in update.variable.name]


def test_var_list_without_any_gradient():
    used, idle = Variable("used", (3,)), Variable("idle", (3,))
    with pytest.raises(ValueError, match=r"no gradient for any variable of \['idle'\]"):
        Ftrl(0.1).minimize(used.sum(), var_list=[idle])
    with pytest.raises(ValueError, match=r"var_list is empty.*\['used'\]"):
        Ftrl(0.1).minimize(used.sum(), var_list=[])


def test_functions_without_gradient_are_an_error():
    used, idle = Variable("used", (3,)), Variable("idle", (3,))
    loss = used.sum() + idle.argmax()
    with pytest.raises(ValueError, match=r"'idle'.*has no gradient: .* only through argmax at"):
        Ftrl(0.1).compute_gradients(loss, [used, idle])


def test_only_trainable_variables_are_trained():
    fixed, free = Variable("fixed", (), initializer=constant(2.0), trainable=False), Variable("free", ())
    op = Ftrl(0.1).minimize(fixed * free)
    assert {update.variable.name for update in op.updates if "/" not in update.variable.name} == {"free"}
