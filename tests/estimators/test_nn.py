"""Functions of `estimators.nn` and `estimators.clipping` against values of tf 2.15 (tests/golden/nn.json)."""

import json
import math

import numpy as np
import pytest

from dataflow.expr.primitives.indexing import gather
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import (
    clip_by_norm,
    clip_by_value,
    nn,
)
from estimators.graph.gradients import RowGradient, gradients
from estimators.graph.primitives import PRIMITIVES
from estimators.graph.primitives.activations import relu_grad
from estimators.graph.primitives.layer_norm import layer_norm
from estimators.graph.registry import KERNELS
from estimators.graph.variable import Variable
from tests.estimators.both_forms import run
from tests.estimators.helpers import GOLDEN_FILES

GOLDEN = json.loads((GOLDEN_FILES / "nn.json").read_text())
X, WEIGHTS = np.array(GOLDEN["x"]), np.array(GOLDEN["weights"])


def normal_layer(x):
    gamma, beta = np.array([1.0, 2.0, 0.5, -1.0]), np.array([0.0, 1.0, 2.0, 3.0])
    return layer_norm(x, gamma.astype(x.dtype), beta.astype(x.dtype), epsilon=1e-3)[0]


FUNCTIONS = {
    **{name: getattr(nn, name) for name in GOLDEN if hasattr(nn, name)},
    "clip_by_norm": lambda x: clip_by_norm(x, 2.0),
    "clip_by_norm_axes": lambda x: clip_by_norm(x, 5.0, axes=1),
    "clip_by_value": lambda x: clip_by_value(x, -1.0, 1.0),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    "l2_normalize": lambda x: nn.l2_normalize(x, 1),
    "layer_norm": normal_layer,
    "leaky_relu_01": lambda x: nn.leaky_relu(x, 0.1),
    "log_softmax_0": lambda x: nn.log_softmax(x, axis=0),
    "normalize": lambda x: nn.normalize(x, axis=1)[0],
    "normalize_1": lambda x: nn.normalize(x, ord=1, axis=1)[0],
    "normalize_inf": lambda x: nn.normalize(x, ord=math.inf, axis=1)[0],
    "softmax_0": lambda x: nn.softmax(x, axis=0),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-7), (np.float32, 2e-5)])
@pytest.mark.parametrize("name", sorted(GOLDEN.keys() - {"x", "weights", "clip_by_global_norm", "images"}))
def test_values_and_slopes_of_tf(name, dtype, tolerance):
    x = parameter(TensorSpec((None, 4), dtype))
    y = FUNCTIONS[name](x)
    (slope,) = gradients((y * WEIGHTS.astype(dtype)).sum(), [x])
    found = run({"value": y, "slope": slope}, {x: X.astype(dtype)})
    assert y.dtype == slope.dtype == found["value"].dtype == found["slope"].dtype == dtype
    kind = 1e-5 if name == "layer_norm" else tolerance  # tf's was made in float32
    for key in ("value", "slope"):
        np.testing.assert_allclose(found[key], GOLDEN[name][key], rtol=kind, atol=max(kind, 1e-9))


FILTERS = np.array(GOLDEN["images"]["filters"], np.float32)
ROWS = np.float32([[1, -1], [2, 0.5]])
AXES = (0, 1, 2)
OF_IMAGES = {
    "conv2d_same": lambda x: nn.conv2d(x, FILTERS, 2, "SAME"),
    "conv2d_valid": lambda x: nn.conv2d(x, FILTERS, [1, 2, 1, 1], "valid"),
    "conv2d_dilated": lambda x: nn.conv2d(x, FILTERS, padding="Same", dilations=2),
    "max_pool2d": lambda x: nn.max_pool2d(x, 2, 2, "SAME"),
    "avg_pool2d": lambda x: nn.avg_pool2d(x, [3, 2], 1, "SAME"),
    "moments_mean": lambda x: nn.moments(x, AXES)[0],
    "moments_variance": lambda x: nn.moments(x, AXES, keepdims=True)[1],
    "batch_normalization": lambda x: nn.batch_normalization(x, *nn.moments(x, AXES), *ROWS, 1e-3),
    "batch_normalization_plain": lambda x: nn.batch_normalization(x, *ROWS, None, None, 1e-3),
}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_values_and_slopes_of_images(name):
    images, wanted = np.array(GOLDEN["images"]["images"], np.float32), GOLDEN["images"][name]
    weights = np.cos(np.arange(np.size(wanted["value"]))).reshape(np.shape(wanted["value"]))
    x = parameter(TensorSpec((None, 4, 3, 2), np.float32))
    y = OF_IMAGES[name](x)
    (slope,) = gradients((y * weights.astype(np.float32)).sum(), [x])
    found = run({"value": y, "slope": slope}, {x: images})
    for key in ("value", "slope"):
        np.testing.assert_allclose(found[key], wanted[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "full"}, "padding must be 'SAME' or 'VALID', not 'full'"),
        ({"strides": [2, 2, 2, 2]}, "strides must be a positive int, or two of them"),
        ({"dilations": 0}, "dilations must be a positive int"),
    ],
)
def test_settings_of_windows_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.conv2d(np.ones((1, 3, 3, 2), np.float32), FILTERS, **arguments)


@pytest.mark.parametrize("name", ["relu", "gelu", "softmax", "log_sigmoid", "normalize"])
def test_arrays_give_arrays(name):
    result = getattr(nn, name)([[1.0, 2.0]])
    assert isinstance(result[0] if name == "normalize" else result, np.ndarray)


def test_far_from_zero_nothing_overflows():
    x = np.array([-1e4, 1e4])
    for name in ("softplus", "log_sigmoid", "log_softmax", "softmax", "silu", "elu", "selu", "gelu"):
        assert np.isfinite(getattr(nn, name)(x)).all(), name


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (4,), (2, 3, 5)])
def test_softmax_of_any_shape(shape):
    x = np.random.default_rng(0).normal(size=shape)
    leaf = parameter(TensorSpec((*shape[:-1], None), np.float64))
    found = run({"y": nn.softmax(leaf), "log": nn.log_softmax(leaf)}, {leaf: x})
    assert found["y"].shape == shape
    np.testing.assert_allclose(found["y"].sum(axis=-1), np.ones(shape[:-1]) * (shape[-1] > 0))
    np.testing.assert_allclose(np.exp(found["log"]), found["y"])


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(TypeError, match=r"there is no axis 2 in shape \(2, 4\)"):
        nn.softmax(X, axis=2)


def test_activations_need_floating_point_numbers():
    with pytest.raises(TypeError, match=r"floating-point numbers are needed.*int64"):
        nn.elu(parameter(TensorSpec((None,), np.int64)))


def test_the_rectifier_keeps_integers():
    assert nn.relu(parameter(TensorSpec((None,), np.int32))).dtype == np.int32


def test_the_rectifier_stops_what_is_not_finite_where_it_is_closed():
    slope = relu_grad(np.array([np.inf, 2.0, np.nan]), np.array([0.0, 1.0, 0.0]))
    assert slope.tolist() == [0.0, 2.0, 0.0]


# Embeddings ----------------------------------------------------------------------------------------


def test_gradient_of_an_embedding_has_only_the_rows_of_the_batch():
    table = Variable("table", (4, 2), np.float64)
    ids = parameter(TensorSpec((None, 2), np.int64))
    (slope,) = gradients((nn.embedding_lookup(table, ids) * np.array([1.0, 10.0])).sum(), [table])
    assert isinstance(slope, RowGradient)
    rows, sums = slope.summed()
    found = run({"rows": rows, "sums": sums}, {ids: np.array([[3, 1], [3, 3]])}, table=np.zeros((4, 2)))
    assert found["rows"].tolist() == [3, 1]
    assert found["sums"].tolist() == [[3.0, 30.0], [1.0, 10.0]]


@pytest.mark.parametrize("ids", [np.array(2), np.array([], np.int32), np.array([[1], [0]], np.uint8)])
@pytest.mark.parametrize("row", [(), (3,), (2, 2)])
def test_embeddings_of_any_shape(ids, row):
    table = np.random.default_rng(0).normal(size=(3, *row)).astype(np.float32)
    leaf = parameter(TensorSpec((None,) * ids.ndim, ids.dtype))
    found = run({"y": nn.embedding_lookup(Variable("t", table.shape), leaf)}, {leaf: ids}, t=table)["y"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, table[ids.astype(np.int64)])


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_id_beyond_the_table_is_named(bad):
    ids = parameter(TensorSpec((None,), np.int64))
    rows = nn.embedding_lookup(Variable("t", (3, 2)), ids)
    with pytest.raises(ValueError, match=f"id {bad} is out of range for size 3"):
        run({"y": rows}, {ids: np.array([0, bad])}, t=np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=f"id {bad} is out of range"):
        nn.embedding_lookup(np.zeros((3, 2)), [0, bad])


def test_ids_are_integers():
    with pytest.raises(TypeError, match="takes integer positions, not"):
        nn.embedding_lookup(Variable("t", (3, 2)), parameter(TensorSpec((None,), np.float32)))


# Kernels -------------------------------------------------------------------------------------------

MINE = (
    "elu", "erf", "gather", "layer_norm", "layer_norm_grad", "log_softmax", "relu", "relu_grad",
    "selu", "softmax", "softmax_grad", "softplus",
)  # fmt: skip


@pytest.mark.parametrize("name", MINE)
def test_kernels_agree_with_the_reference(name):
    primitive, kernel = {**PRIMITIVES, "gather": gather}[name], KERNELS[name]
    for inputs, attributes in primitive.samples():
        values = [np.asarray(value) for value in inputs]
        if values[0].dtype == object:
            continue
        wanted = primitive.compute(0, *values, **attributes)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        out = tuple(np.full_like(array, 99) for array in wanted)
        specs = [TensorSpec(value.shape, value.dtype) for value in values]
        scratch = kernel.scratch(*specs, **attributes) if kernel.scratch else ()
        kernel.run(out, tuple(np.empty(s.shape, s.dtype) for s in scratch), *values, **attributes)
        for found, reference in zip(out, wanted, strict=True):
            np.testing.assert_allclose(found, reference, rtol=1e-12 if found.dtype.itemsize == 8 else 1e-5)


@pytest.mark.parametrize("name", ["relu", "relu_grad"])
def test_rectifiers_have_the_same_bits_in_both_forms(name):
    values = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    values[:, :4] = [0.0, -0.0, np.inf, -np.inf]
    inputs = values[: 2 if name == "relu_grad" else 1]
    out = np.empty(50, np.float32)
    KERNELS[name].run((out,), (), *inputs)
    assert out.tobytes() == PRIMITIVES[name].compute(0, *inputs).tobytes()


def test_layer_norm_of_long_rows_of_float32():
    x = (np.random.default_rng(0).normal(size=(3, 5, 700)) + 100).astype(np.float32)
    ones, zeros = np.ones(700, np.float32), np.zeros(700, np.float32)
    leaf = parameter(TensorSpec((None, 5, 700), np.float32))
    y = run({"y": layer_norm(leaf, ones, zeros, epsilon=0.0)[0]}, {leaf: x})["y"]
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean(axis=-1, keepdims=True)) / wide.std(axis=-1, keepdims=True)
    np.testing.assert_allclose(y, wanted, atol=2e-4)


def test_error_function_of_single_precision():
    x = np.concatenate([np.linspace(-6, 6, 2001), np.logspace(-30, 0, 200), [np.inf, -np.inf]])
    x, out = x.astype(np.float32), np.empty(2203, np.float32)
    KERNELS["erf"].run((out,), (), x)
    np.testing.assert_allclose(out, [math.erf(v) for v in x], rtol=6e-7)
    assert np.abs(out).max() == 1
    KERNELS["erf"].run((out[:1],), (), np.float32([np.nan]))
    assert np.isnan(out[0])
