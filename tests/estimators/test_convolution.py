import itertools

import numpy as np
import pytest

from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators.graph.gradients import gradients
from estimators.graph.primitives.convolution import conv2d, conv2d_backward_filters, conv2d_backward_input
from estimators.graph.program import Program
from estimators.graph.variable import Variable
from tests.estimators.twins import arrays, run_kernel, settings

WINDOWS = list(itertools.product([(3, 3), (2, 4), (1, 1)], [(1, 1), (2, 3)], ["same", "valid"]))


@pytest.mark.parametrize(("taps", "strides", "padding"), WINDOWS)
def test_forward_and_gradients_agree_with_torch(taps, strides, padding):
    torch = pytest.importorskip("torch")
    x, filters = arrays((2, 7, 8, 3), (*taps, 3, 4), dtype=np.float64)
    before, after = (0, 0), (0, 0)
    if padding == "same":
        outs = [-(-n // s) for n, s in zip(x.shape[1:3], strides, strict=True)]
        total = [
            max((o - 1) * s + t - n, 0) for o, s, t, n in zip(outs, strides, taps, x.shape[1:3], strict=True)
        ]
        before, after = [t // 2 for t in total], [t - t // 2 for t in total]
    images, kernel = torch.tensor(x, requires_grad=True), torch.tensor(filters, requires_grad=True)
    padded = torch.nn.functional.pad(images.permute(0, 3, 1, 2), (before[1], after[1], before[0], after[0]))
    wanted = torch.nn.functional.conv2d(padded, kernel.permute(3, 2, 0, 1), stride=strides)
    g = np.cos(np.arange(wanted.numel(), dtype=float)).reshape(wanted.shape)
    wanted.backward(torch.tensor(g))
    g = g.transpose(0, 2, 3, 1)
    attributes = settings(strides, padding)
    found = run_kernel(conv2d, x, filters, **attributes)[0]
    np.testing.assert_allclose(found, wanted.detach().numpy().transpose(0, 2, 3, 1), atol=1e-12)
    dx = run_kernel(conv2d_backward_input, filters, g, x, **attributes)[0]
    np.testing.assert_allclose(dx, images.grad.numpy(), atol=1e-12)
    df = run_kernel(conv2d_backward_filters, x, g, filters, **attributes)[0]
    np.testing.assert_allclose(df, kernel.grad.numpy(), atol=1e-12)


def test_same_puts_the_odd_zero_behind():
    x = np.arange(4.0).reshape(1, 1, 4, 1)
    ones = np.ones((1, 2, 1, 1))
    assert conv2d(x, ones, padding="same").ravel().tolist() == [1.0, 3.0, 5.0, 3.0]
    assert conv2d(x, ones, padding="same", strides=(1, 2)).ravel().tolist() == [1.0, 5.0]


def test_filters_are_not_mirrored():
    x = np.float64([1, 10, 100]).reshape(1, 1, 3, 1)
    assert conv2d(x, np.float64([2, 3]).reshape(1, 2, 1, 1)).ravel().tolist() == [32.0, 320.0]


def test_sizes_that_are_not_known_stay_so():
    x = parameter(TensorSpec((None, None, 9, 3), np.float32))
    filters = Variable("filters", (3, 3, 3, 8))
    assert conv2d(x, filters).shape == (None, None, 7, 8)
    assert conv2d(x, filters, strides=(2, 2), padding="same").shape == (None, None, 5, 8)


@pytest.mark.parametrize("reference", [False, True])
def test_programs_learn_filters_over_batches_of_any_size(reference):
    x, filters = parameter(TensorSpec((None, 6, 6, 2), np.float32)), Variable("filters", (3, 3, 2, 4))
    loss = (conv2d(x, filters, padding="same") ** 2).mean()
    program = Program([x], {"slope": gradients(loss, [filters])[0]}, reference=reference)
    for batch in (3, 5, 1):
        images, values = arrays((batch, 6, 6, 2), (3, 3, 2, 4))
        slope = program.run([images], {"filters": values})["slope"]
        y = conv2d(images, values, padding="same")
        wanted = conv2d_backward_filters(images, 2 * y / y.size, values, padding="same")
        np.testing.assert_allclose(slope, wanted, rtol=1e-4, atol=1e-6)


def leaf(*shape, dtype=np.float32):
    return parameter(TensorSpec(shape, dtype))


@pytest.mark.parametrize(
    ("x", "filters", "attributes", "message"),
    [
        (leaf(8, 28, 28), leaf(3, 3, 1, 2), {}, r"images \[batch, height, width, channels\] and filters"),
        (leaf(8, 28, 28, 3), leaf(3, 3, 1, 2), {}, "as many channels"),
        (leaf(8, 9, 9, 1), leaf(3, 3, 1, 2, dtype=np.float64), {}, "both of float32 or both of float64"),
        (leaf(None, 2, 9, 1), leaf(3, 3, 1, 2), {}, "window of 3 positions does not fit into 2: conv2d of"),
        (leaf(8, 9, 9, 1), leaf(3, 3, 1, 2), {"padding": "full"}, '"same" or "valid", and is \'full\''),
        (leaf(8, 9, 9, 1), leaf(3, 3, 1, 2), {"strides": (0, 1)}, "strides must be a positive int"),
    ],
)
def test_what_does_not_fit_is_refused(x, filters, attributes, message):
    with pytest.raises((TypeError, ValueError), match=message):
        conv2d(x, filters, **attributes)
