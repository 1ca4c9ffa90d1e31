import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph.primitives.pooling import (
    average_pool2d,
    max_pool2d,
    max_pool2d_backward,
)
from tests.estimators.twins import run_kernel

ROW = np.float64([3, 1, 1, 4, 2]).reshape(1, 1, 5, 1)
THREE = {"pool_size": (1, 3), "strides": (1, 2), "padding": "same"}


def test_what_same_adds_does_not_count():
    assert max_pool2d(-ROW, **THREE)[0].ravel().tolist() == [-1.0, -1.0, -2.0]
    assert average_pool2d(ROW, **THREE).ravel().tolist() == [2.0, 2.0, 3.0]


def test_the_first_of_equal_values_gets_the_gradient():
    x = np.float64([[1, 2], [2, 2]]).reshape(1, 2, 2, 1)
    _, which = max_pool2d(x, pool_size=(2, 2), strides=(2, 2))
    dx = max_pool2d_backward(np.ones((1, 1, 1, 1)), which, x, pool_size=(2, 2), strides=(2, 2))
    assert dx.ravel().tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("channels", [1, 16])
def test_nan_is_the_maximum_and_its_gradient_goes_to_it(channels):
    x = np.float32([1, 5, np.nan, 7, 2]).reshape(1, 1, 5, 1).repeat(channels, axis=3)
    for y, which in (run_kernel(max_pool2d, x, **THREE), max_pool2d(x, **THREE)):
        np.testing.assert_array_equal(y[0, 0, :, 0], np.float32([5, np.nan, 7]))
        assert which[0, 0, :, 0].tolist() == [2, 1, 0]
    infinite = np.full((1, 1, 2, channels), -np.inf, np.float32)
    assert run_kernel(max_pool2d, infinite, **THREE)[0][0, 0, 0, 0] == -np.inf


def test_values_and_gradients_agree_with_torch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).normal(size=(2, 9, 8, 5))
    leaf = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    wanted = torch.nn.functional.max_pool2d(leaf, (3, 2), (2, 3))
    attributes = {"pool_size": (3, 2), "strides": (2, 3)}
    y, which = run_kernel(max_pool2d, x, **attributes)
    np.testing.assert_array_equal(y, wanted.detach().numpy().transpose(0, 2, 3, 1))
    g = np.cos(np.arange(y.size)).reshape(y.shape)
    wanted.backward(torch.tensor(g.transpose(0, 3, 1, 2)))
    dx = run_kernel(max_pool2d_backward, g, which, x, **attributes)[0]
    np.testing.assert_allclose(dx, leaf.grad.numpy().transpose(0, 2, 3, 1), atol=1e-14)


def test_sizes_that_are_not_known_stay_so():
    x = parameter(TensorSpec((None, None, 9, 3), np.float32))
    values, which = max_pool2d(x, pool_size=(2, 2), strides=(2, 2))
    assert values.shape == which.shape == (None, None, 4, 3)
    assert (values.dtype, which.dtype) == (np.float32, np.uint8)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((8, 28, 28), np.float32, r"average_pool2d takes .* images \[batch, height, width, channels\], not"),
        ((8, 28, 28, 1), np.uint8, "float32 or float64 images"),
        ((8, 1, 28, 1), np.float32, "window of 2 positions does not fit into 1: average_pool2d of images"),
    ],
)
def test_what_does_not_fit_is_refused(shape, dtype, message):
    with pytest.raises(TypeError, match=message):
        average_pool2d(parameter(TensorSpec(shape, dtype)), pool_size=(2, 2), strides=(2, 2))
