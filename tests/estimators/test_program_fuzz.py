"""Random graphs: plans with kept arrays and fused runs give the bits of the plain form, batch after batch."""

import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph import fusion
from estimators.graph.gradients import gradients
from estimators.graph.primitives.shapes import expand_like, size_of, sum_to
from estimators.graph.program import Program, initial_values
from estimators.graph.scope import VariableStore
from estimators.graph.updates import TrainOp, Update
from estimators.graph.variable import Variable, constant
from estimators.optimizers import SGD
from tests.estimators.test_layer_gradients import CASES as LAYERS

WIDTH = 5


@pytest.fixture(autouse=True, params=[0, fusion.WORTHWHILE], ids=["all fused", "long ones fused"])
def fused(request, monkeypatch):
    monkeypatch.setattr(fusion, "WORTHWHILE", request.param)


UNARY = [
    np.negative, np.abs, np.square, np.exp, np.tanh, np.sign, lambda x: np.sqrt(np.abs(x)),
    lambda x: x.astype(np.float64).astype(np.float32), lambda x: x[:, ::-1], lambda x: x[:, 1:3],
    lambda x: x.T.T, lambda x: x.reshape(-1, x.shape[1]), lambda x: np.mean(x, axis=0) + x,
    lambda x: np.sum(x, axis=1, keepdims=True) * x, lambda x: x * 2.0, lambda x: 1.0 / (np.square(x) + 1.0),
    lambda x: np.where(x > 0.5, x, -0.25), lambda x: np.maximum(x, 0.0), lambda x: (x > 0) * x,
    lambda x: np.where(np.logical_and(x > -1, x < 1), x, 0.0), lambda x: (x <= 0.1).astype(np.float32),
    lambda x: sum_to(x, np.ones((1, 1), np.float32)) + x, lambda x: x / size_of(x, dtype="float32"),
    lambda x: expand_like(np.max(x), x) - x, lambda x: np.concatenate([x, x * 0.5], axis=1),
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, lambda x, y: x / (np.square(y) + 1.0),
    lambda x, y: np.where(x > y, x, y), lambda x, y: np.where(np.equal(x, y), x, y * 0.5),
]  # fmt: skip


def random_graph(rng):
    """Return leaves, variables, fetches and updates of a random model."""
    x = parameter(TensorSpec((None, WIDTH), np.float32))
    variables = [
        Variable(f"v{i}", shape, np.float32, constant(0.5 + i))
        for i, shape in enumerate([(), (WIDTH,), (1, WIDTH), (WIDTH, WIDTH)])
    ]
    pool = [x, x + variables[1], np.matmul(x, variables[3]), x * variables[0], x - variables[2]]
    for _ in range(int(rng.integers(4, 16))):
        if rng.random() < 0.5:
            made = UNARY[rng.integers(len(UNARY))](pool[rng.integers(len(pool))])
        else:
            left = pool[rng.integers(len(pool))]
            fitting = [t for t in pool if t.shape[1] == left.shape[1]]
            made = BINARY[rng.integers(len(BINARY))](left, fitting[rng.integers(len(fitting))])
        pool.append(made)
    loss = sum(np.mean(pool[i]) for i in rng.choice(len(pool), 3)) + np.mean(pool[-1])
    fetches = {"loss": loss, "some": pool[rng.integers(len(pool))], "last": pool[-1], "old": variables[1]}
    slopes = gradients(loss, variables)
    updates = [
        Update(v, v - slope * 0.01) for v, slope in zip(variables, slopes, strict=True) if slope is not None
    ]
    return [x], fetches, updates


@pytest.mark.parametrize("seed", range(60))
def test_plans_give_the_bits_of_the_plain_form(seed):
    rng = np.random.default_rng(seed)
    inputs, fetches, updates = random_graph(rng)
    programs = [Program(inputs, fetches, updates, reference=flag) for flag in (False, True)]
    values = [initial_values(program.variables, 0) for program in programs]
    with np.errstate(all="ignore"):
        for number, size in enumerate([7, 7, 1, 7, 300, 7, 2, 300, 7]):
            batch = rng.normal(size=(size, WIDTH)).astype(np.float32)
            planned, plain = (p.run([batch], v, number) for p, v in zip(programs, values, strict=True))
            for name in fetches:
                np.testing.assert_array_equal(planned[name], plain[name], err_msg=name, strict=True)
            for name in values[0]:
                np.testing.assert_array_equal(values[0][name], values[1][name], err_msg=name)


def with_unknown_batch(name):
    """Return a layer's result and loss over batches of any size, with what it is fed."""
    build, shape = LAYERS[name]
    with VariableStore(seed=3) as store:
        x = parameter(TensorSpec((None, *shape[1:]), np.float32))
        output = build(x)
        loss = np.mean(np.square(output)) + np.mean(np.abs(output))
        variables = [v for v in store.variables.values() if v.trainable]
    op = SGD(0.1).minimize(loss) if variables else TrainOp(())
    return x, {"loss": loss, "output": output}, op.all_updates()


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"softmax cross entropy", "huber loss"}))
def test_layers_train_the_same_whatever_sizes_batches_have(name):
    x, fetches, updates = with_unknown_batch(name)
    programs = [Program([x], fetches, updates, reference=flag) for flag in (False, True)]
    values = [initial_values(program.variables, 0) for program in programs]
    rng = np.random.default_rng(2)
    for number, size in enumerate([4, 3, 4, 3, 1, 4, 9, 3]):
        batch = rng.normal(size=(size, *x.shape[1:])).astype(np.float32)
        planned, plain = (p.run([batch], v, number) for p, v in zip(programs, values, strict=True))
        np.testing.assert_allclose(planned["loss"], plain["loss"], rtol=2e-4)
        np.testing.assert_allclose(planned["output"], plain["output"], rtol=2e-3, atol=1e-4)
    for variable in values[0]:
        np.testing.assert_allclose(values[0][variable], values[1][variable], rtol=2e-3, atol=2e-4)
