"""Kernels of convolution, pooling and batch normalization; with DATAFLOW_JIT=0 as plain Python."""

import itertools

import numpy as np
import pytest

from dataflow.expr.tensor import as_tensor
from dataflow.runtime import threads
from estimators.graph.primitives.convolution import conv2d, conv2d_backward_filters, conv2d_backward_input
from estimators.graph.primitives.normalization import batch_norm, batch_norm_backward, moments
from estimators.graph.primitives.pooling import (
    average_pool2d,
    average_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from estimators.graph.registry import KERNELS
from tests.estimators.twins import arrays, assert_kernel, run_kernel, settings

STEPS = [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((3, 2), (2, 1)), ((1, 1), (2, 2))]
WINDOWS = list(itertools.product([(3, 3), (2, 4), (1, 1)], STEPS, ["same", "valid"]))
SHAPES = [(0, 3), (1, 3), (5, 2), (4, 7, 7, 33), (700, 1), (3, 0)]


def rows(shape, dtype=np.float32):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(10, 3, size=shape).astype(dtype) for _ in range(2))
    return x, g, *rng.normal(size=(2, shape[-1])).astype(dtype)


def assert_kernels(x, filters, **attributes):
    result = conv2d.compute(0, x, filters, **attributes)
    (g,) = arrays(result.shape, dtype=x.dtype, seed=1)
    assert_kernel(conv2d, x, filters, **attributes)
    assert_kernel(conv2d_backward_input, filters, g, x, **attributes)
    assert_kernel(conv2d_backward_filters, x, g, filters, **attributes)


@pytest.mark.parametrize(("taps", "steps", "padding"), WINDOWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_kernels_give_the_values_of_the_reference(taps, steps, padding, dtype):
    for batch, depth, count in [(3, 1, 5), (2, 3, 33), (17, 2, 32)]:
        x, filters = arrays((batch, 7, 8, depth), (*taps, depth, count), dtype=dtype)
        assert_kernels(x, filters, **settings(steps[0], padding, steps[1]))


@pytest.mark.parametrize("batch", [0, 1])
def test_convolution_kernels_take_small_batches(batch):
    assert_kernels(*arrays((batch, 5, 5, 2), (3, 3, 2, 4)), strides=(2, 2), padding="same")


def test_convolution_kernels_on_several_cores_give_the_values_of_the_reference():
    assert_kernels(*arrays((40, 20, 20, 16), (3, 3, 16, 40)), padding="same")


def test_convolution_kernels_take_any_layout():
    x, filters = arrays((8, 3, 6, 7), (4, 2, 3, 3))
    x, filters = x.transpose(2, 3, 0, 1)[::2], filters.transpose(2, 3, 1, 0)[:, :, ::-1]
    filters = np.concatenate([filters, filters[:, :, :1]], axis=2)
    x.flags.writeable = False
    assert_kernels(x, np.asfortranarray(np.repeat(filters, 3, axis=2)[:, :, :3]))


def images(*shape, dtype=np.float32):
    """Images with equal values."""
    return np.random.default_rng(0).normal(size=shape).astype(dtype).round(1)


@pytest.mark.parametrize(
    ("taps", "strides", "padding"),
    list(itertools.product([(3, 3), (2, 4), (1, 1)], [(1, 1), (2, 3), (3, 2)], ["same", "valid"])),
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pooling_kernels_give_the_values_of_the_reference(taps, strides, padding, dtype):
    attributes = {"pool_size": taps, "strides": strides, "padding": padding}
    for batch, channels in [(0, 3), (1, 1), (3, 16), (5, 37)]:
        x = images(batch, 7, 6, channels, dtype=dtype)
        y, which = max_pool2d.compute(0, x, **attributes)
        g = np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype)
        assert_kernel(max_pool2d, x, **attributes)
        assert_kernel(max_pool2d_backward, g, which, x, **attributes)
        assert_kernel(average_pool2d, x, **attributes)
        assert_kernel(average_pool2d_backward, g, x, **attributes)


def test_pooling_kernels_on_several_cores_take_any_layout():
    x = images(32, 40, 21, 20).transpose(3, 2, 1, 0)[:, :, ::-1]
    x.flags.writeable = False
    assert_kernel(max_pool2d, x, pool_size=(3, 3), strides=(2, 2))
    assert_kernel(average_pool2d, x, pool_size=(3, 3), strides=(2, 2))


def test_windows_of_many_cells_have_larger_numbers():
    x = np.arange(18.0 * 18).reshape(1, 18, 18, 1).repeat(17, axis=3)
    attributes = {"pool_size": (17, 17), "strides": (1, 1)}
    assert max_pool2d(x, **attributes)[1].dtype == np.int32
    assert max_pool2d(x, **attributes)[1][0, 0, 0, 0] == 288
    assert_kernel(max_pool2d, x, **attributes)
    which = max_pool2d(x, **attributes)[1]
    assert_kernel(max_pool2d_backward, np.ones(which.shape), which, x, **attributes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("relu", [False, True])
def test_batch_norm_kernels_give_the_values_of_the_reference(shape, dtype, relu):
    x, g, gamma, beta = rows(shape, dtype)
    mean, variance = moments(x)
    rest = (x, gamma, beta, mean, variance)
    assert_kernel(moments, x)
    assert_kernel(batch_norm, *rest, epsilon=1e-3, relu=relu)
    assert_kernel(batch_norm_backward, g, *rest, epsilon=1e-3, relu=relu)


def test_batch_norm_kernels_take_any_layout():
    x, g, gamma, beta = rows((9, 6))
    x, g = np.asfortranarray(x)[::-1], g[:, ::-1]
    x.flags.writeable = False
    assert_kernel(batch_norm_backward, g, x, gamma, beta, *moments(x), epsilon=1e-3)


def test_gradients_may_be_written_over_what_they_come_from():
    x, g, gamma, beta = rows((70, 3))
    mean, variance = moments(x)
    wanted = batch_norm_backward(g, x, gamma, beta, mean, variance, epsilon=0.1)
    kernel = KERNELS["batch_norm_backward"]
    scratch = [np.empty(s.shape, s.dtype) for s in kernel.scratch(as_tensor(g).spec, epsilon=0.1)]
    kernel.run((g, gamma, beta), scratch, g, x, gamma, beta, mean, variance, epsilon=0.1)
    for found, value in zip((g, gamma, beta), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)


def test_batch_norm_kernels_on_several_cores_give_the_values_of_the_reference():
    x, g, gamma, beta = rows((14, 100, 300))
    rest = (x, gamma, beta, *moments(x))
    assert_kernel(moments, x)
    assert_kernel(batch_norm, *rest, epsilon=1e-3)
    assert_kernel(batch_norm_backward, g, *rest, epsilon=1e-3, relu=True)


def test_results_do_not_depend_on_the_number_of_cores(monkeypatch):
    x, filters, g = arrays((40, 20, 20, 16), (3, 3, 16, 40), (40, 18, 18, 40))
    found = []
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "cores", lambda count=count: count)
        slope = run_kernel(conv2d_backward_filters, x, g, filters)[0]
        found.append((slope.tobytes(), *(m.tobytes() for m in run_kernel(moments, np.repeat(g, 2, axis=0)))))
    assert found[0] == found[1] == found[2]


def test_normalized_values_may_be_written_over_those_they_come_from():
    x, _, gamma, beta = rows((70, 3))
    wanted = batch_norm(x, gamma, beta, *moments(x), epsilon=0.1, relu=True)
    KERNELS["batch_norm"].run((x,), (), x, gamma, beta, *moments(x), epsilon=0.1, relu=True)
    np.testing.assert_array_equal(x, wanted)
