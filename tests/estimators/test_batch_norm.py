import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph.gradients import gradients
from estimators.graph.primitives.normalization import batch_norm_inference, moments, with_relu
from estimators.graph.program import Program
from estimators.graph.variable import Variable
from tests.estimators.twins import batch_norm_train, run_kernel


def arrays(shape, dtype=np.float32):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(10, 3, size=shape).astype(dtype) for _ in range(2))
    return x, g, *rng.normal(size=(2, shape[-1])).astype(dtype)


def test_variance_survives_a_large_mean():
    x = 1e4 + np.float32([[0, 1], [1, 0], [2, 5]])
    for mean, variance in (moments(x), run_kernel(moments, x)):
        assert mean.tolist() == [10001.0, 10002.0]
        np.testing.assert_allclose(variance, [2 / 3, 14 / 3], rtol=1e-6)


def network(x, relu):
    gamma, beta = Variable("gamma", (4,)), Variable("beta", (4,))
    y, mean, variance = batch_norm_train(x, gamma, beta, epsilon=1e-3, relu=relu)
    slopes = gradients((y * y * y).sum(), [x, gamma, beta])
    return Program([x], dict(zip("ymvxgb", [y, mean, variance, *slopes], strict=True)))


@pytest.mark.parametrize("relu", [False, True])
def test_training_form_agrees_with_torch(relu):
    torch = pytest.importorskip("torch")
    program = network(parameter(TensorSpec((None, 3, 4), np.float32)), relu)
    x, _, gamma, beta = arrays((8, 3, 4))
    found = program.run([x], {"gamma": gamma, "beta": beta})
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = torch.nn.functional.batch_norm(
        leaves[0].reshape(24, 4), None, None, leaves[1], leaves[2], training=True, eps=1e-3
    )
    y = torch.relu(y) if relu else y
    (y**3).sum().backward()
    np.testing.assert_allclose(found["y"].reshape(24, 4), y.detach().numpy(), atol=1e-5)
    for name, leaf in zip("xgb", leaves, strict=True):
        np.testing.assert_allclose(found[name], leaf.grad.numpy(), rtol=1e-4, atol=1e-4)


def test_mean_and_variance_are_those_of_the_batch():
    x = parameter(TensorSpec((None, 4), np.float32))
    values = np.float32([[1, 2, 3, 4], [3, 2, 5, 0]])
    found = network(x, relu=False).run([values], {"gamma": np.ones(4, "f"), "beta": np.zeros(4, "f")})
    assert found["m"].tolist() == [2.0, 2.0, 4.0, 2.0]
    assert found["v"].tolist() == [1.0, 0.0, 1.0, 4.0]


def test_relu_joins_the_normalization():
    x, gamma, beta = Variable("x", (5, 3)), Variable("gamma", (3,)), Variable("beta", (3,))
    y = batch_norm_train(x, gamma, beta, epsilon=1e-3)[0]
    joined = with_relu(y)
    assert joined.call.inputs == y.call.inputs
    assert with_relu(joined) is with_relu(x) is None
    first, _, gamma_value, beta_value = arrays((5, 3))
    values = {"x": first, "gamma": gamma_value, "beta": beta_value}
    found = Program([], {"y": y, "joined": joined}).run([], values)
    np.testing.assert_array_equal(found["joined"], np.maximum(found["y"], 0))


def test_inference_uses_what_is_given():
    x = Variable("x", (2, 1))
    y = batch_norm_inference(
        x, np.float32([2]), np.float32([1]), np.float32([3]), np.float32([4]), epsilon=0.0
    )
    assert Program([], {"y": y}).run([], {"x": np.float32([[3], [7]])})["y"].tolist() == [[1.0], [5.0]]


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


@pytest.mark.parametrize(
    ("x", "gamma", "message"),
    [
        (leaf(8), leaf(8), "of at least two axes"),
        (leaf(8, 4), leaf(3), r"what belongs to it \[channels\], not .*4.* with .*3"),
        (leaf(8, 4), leaf(4, dtype=np.float64), "all of float32 or all of float64"),
        (leaf(8, 4, dtype=np.int64), leaf(4), "all of float32 or all of float64"),
    ],
)
def test_what_does_not_fit_is_refused(x, gamma, message):
    with pytest.raises(TypeError, match=message):
        batch_norm_train(x, gamma, gamma, epsilon=1e-3)
