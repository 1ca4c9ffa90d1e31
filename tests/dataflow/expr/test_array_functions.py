"""NumPy's array functions on symbolic tensors give what they give on arrays."""

import numpy as np
import pytest

from dataflow import Dataset, TensorSpec, tensors
from dataflow.expr.function import Function
from dataflow.expr.tensor import parameter

X = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]], np.float32)
Y = np.arange(12, dtype=np.int32).reshape(2, 2, 3)
V = np.array([3.0, -1.0, 2.0])
IDS = np.array([[2, 0], [1, 1]])

EINSUMS = ["ab,cdb->acd", "ij,ikj->ikj", "ij,iyj->iy", "ij,yzj->zyi", "ij,kij->k", "ij,klm->mi", "ij,ikj"]
FUNCTIONS = {
    "split": (lambda x: tuple(np.split(x, 3, axis=1)), X),
    "split at": (lambda x: tuple(np.split(x, [1], axis=-1)), X),
    "array_split": (lambda x: tuple(np.array_split(x, 2, axis=1)), X),
    "take": (lambda x, i: np.take(x, i, axis=1), X, IDS),
    "take flat": (lambda x, i: x.take(i), X, IDS),
    "take known": (lambda x: np.take(x, [-1, 0], axis=0), X),
    "take one": (lambda x: np.take(x, -1, axis=1), X),
    "take_along_axis": (lambda x, i: np.take_along_axis(x, i, axis=1), X, IDS),
    "take_along_axis flat": (lambda x: np.take_along_axis(x, np.array([3, 0]), axis=None), X),
    "x[ids]": (lambda x, i: x[i], X, IDS // 2),
    "x[:, ids, None]": (lambda y, i: y[:, i[:, 0], None], Y, IDS // 2),
    "x[..., ids]": (lambda y, i: y[..., i], Y, IDS),
    "x[i]": (lambda x, i: x[i[0, 1]], X, IDS),
    "x[::-2]": (lambda v: v[::-2], V),
    "x[..., None, 0]": (lambda y: y[..., None, 0], Y),
    "x[-1, 5:0:-1]": (lambda x: x[-1, 5:0:-1], X),
    "cumsum": (lambda y: np.cumsum(y, axis=-1), Y),
    "cumsum flat": (lambda x: x.cumsum(dtype=np.float64), X),
    "cumprod": (lambda x: np.cumprod(x, axis=0), X),
    "diff": (lambda x: np.diff(x, n=2), X),
    "flip": (lambda y: (np.flip(y), np.flip(y, 1), np.fliplr(y), np.flipud(y)), Y),
    "roll": (lambda x: (np.roll(x, 2), np.roll(x, 1, axis=1), np.roll(x, (1, 2), (0, 1))), X),
    "pad": (lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=7), X),
    "pad one": (lambda x: np.pad(x, {1: (2, 1)}), X),
    "tile": (lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 3))), X),
    "repeat": (lambda x: (np.repeat(x, 2), x.repeat(3, axis=-1)), X),
    "broadcast_to": (lambda v: np.broadcast_to(v, (2, 3)), V),
    "swapaxes": (lambda y: (np.swapaxes(y, 0, -1), y.swapaxes(1, 2)), Y),
    "moveaxis": (lambda y: (np.moveaxis(y, 0, -1), np.moveaxis(y, [0, 1], [2, 0])), Y),
    "squeeze": (lambda y: np.squeeze(np.expand_dims(y, (0, -1)), axis=(0, -1)), Y),
    "likes": (lambda x: (np.zeros_like(x), np.ones_like(x, np.int64), np.full_like(x, 2.5)), X),
    "atleast": (lambda v: (np.atleast_1d(v[0]), np.atleast_2d(v)), V),
    "vstack": (lambda v: (np.vstack([v, v]), np.hstack([v, v])), V),
    "concatenate flat": (lambda x, v: np.concatenate([x, v], axis=None), X, V),
    "matmul": (lambda x, y: (np.matmul(y, x.T), y @ x[0], x @ np.swapaxes(y, 1, 2), V @ x.T), X, Y),
    "dot": (lambda x, v: (np.dot(x, v), x.dot(2.0), np.dot(v, v), np.vdot(x, x)), X, V),
    "inner": (lambda x, v: (np.inner(x, v), np.inner(x, x), np.outer(v, x)), X, V),
    "einsum": (lambda x, y: tuple(np.einsum(f, x, y) for f in EINSUMS), X, Y),
    "einsum of one": (lambda y: (np.einsum("ijk->kj", y), np.einsum("ijk", y), np.einsum("ijk->", y)), Y),
    "norm": (lambda x: tuple(np.linalg.norm(x, axis=1, ord=p) for p in (None, 0, 1, 3, np.inf)), X),
    "norm of all": (lambda x: (np.linalg.norm(x), np.linalg.norm(x, keepdims=True)), X),
    "sort": (lambda x: (np.sort(x), np.sort(x, axis=0), np.sort(x, axis=None)), X),
    "argsort": (lambda x: (np.argsort(x), x.argsort(axis=0, kind="stable")), X),
    "std": (lambda x: (np.std(x, ddof=1), x.var(axis=1, ddof=1), np.std(x, axis=0, keepdims=True)), X),
    "sums": (lambda x: (x.sum(dtype=np.float64), np.ptp(x, axis=1), np.count_nonzero(x > 0)), X),
    "average": (lambda x: (np.average(x), np.average(x, axis=1, weights=[1, 2, 5])), X),
    "select": (lambda v: np.select([v < 0, v < 3], [-v, v * 10], default=99.0), V),
    "logaddexp": (lambda v: (np.logaddexp(v, 1.0), np.arcsinh(v), np.fmod(v, 2), np.copysign(v, -1.0)), V),
    "round": (lambda x: (np.round(x, 1), x.round(), np.round(x * 10, -1)), X),
}


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


def assert_equal(found, wanted):
    assert len(found) == len(wanted)
    for have, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-6, strict=isinstance(want, np.ndarray))
        assert np.asarray(have).dtype == np.asarray(want).dtype


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mapped_function_gives_what_numpy_gives(name):
    function, *arrays = FUNCTIONS[name]
    elements = [tuple(arrays), tuple(a[::-1].copy() for a in arrays)]
    dataset = Dataset.from_tensor_slices(tuple(np.stack(column) for column in zip(*elements, strict=True)))
    for found, element in zip(dataset.map(function), elements, strict=True):
        assert_equal(as_tuple(found), as_tuple(function(*element)))


NEEDS_SIZES = {"split", "einsum", "take known", "array_split", "broadcast_to", "roll", "atleast"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - NEEDS_SIZES))
def test_the_first_size_may_be_unknown(name):
    function, *arrays = FUNCTIONS[name]
    leaves = [parameter(TensorSpec((None, *a.shape[1:]), a.dtype)) for a in arrays]
    outputs = as_tuple(function(*leaves))
    found = Function(tuple(leaves), outputs).run(arrays, lead=0)
    assert_equal(found, as_tuple(function(*arrays)))
    for tensor, value in zip(outputs, found, strict=True):
        assert all(n in (None, size) for n, size in zip(tensor.shape, np.shape(value), strict=True))


@pytest.mark.parametrize(
    ("exponent", "primitive"),
    [(2, "square"), (2.0, "square"), (0.5, "sqrt"), (-1, "reciprocal"), (1, "positive")],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_constant_powers_are_faster_functions_of_the_same_value(exponent, primitive, dtype):
    if dtype == np.int32 and exponent == -1:
        return
    x = parameter(TensorSpec((3,), dtype))
    power = x**exponent
    value = np.array([1, 4, 9], dtype)
    (found,) = Function((x,), (power,)).run([value], lead=0)
    np.testing.assert_array_equal(found, value**exponent, strict=True)
    if dtype != np.int32 or type(exponent) is int:
        assert power.call.primitive.name == primitive


def test_gather_looks_up_text_and_arrays():
    names = np.array([["a", "b"], ["c", "d"]])
    found = list(Dataset.range(2).map(lambda i: tensors.gather(names, i)))
    assert [item.tolist() for item in found] == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_id_out_of_range_is_an_error_that_names_it(bad):
    dataset = Dataset.from_tensor_slices([0, bad]).map(lambda i: tensors.gather(V, i))
    with pytest.raises(ValueError, match=f"id {bad} is out of range for size 3"):
        list(dataset)


def test_one_hot_is_off_where_out_of_range():
    hot = tensors.one_hot(np.array([1, 3, -1]), 3, on_value=5, off_value=-1, axis=0, dtype=np.int32)
    assert hot.T.tolist() == [[-1, 5, -1], [-1, -1, -1], [-1, -1, -1]]
    found = list(Dataset.from_tensor_slices([0, 2]).map(lambda i: tensors.one_hot(i, 3)))
    assert np.array_equal(found, np.eye(3, dtype=np.float32)[[0, 2]])


def test_top_k_gives_the_lower_position_of_equal_values():
    rows = np.array([[1.0, 7.0, 7.0, 2.0], [5.0, 5.0, 5.0, 5.0]])
    values, positions = next(iter(Dataset.from_tensors(rows).map(lambda x: tensors.top_k(x, 3))))
    assert values.tolist() == [[7.0, 7.0, 2.0], [5.0, 5.0, 5.0]]
    assert positions.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert positions.dtype == np.int32


def test_reshape_keeps_the_unknown_size():
    x = parameter(TensorSpec((None, 2, 3), np.float32))
    assert x.reshape(x.shape[0], -1).shape == (None, 6)
    assert x.reshape(-1, 3).shape == (None, 3)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x + np.ones(2), r"np.add of .*\(2, 3\).* and .*\(2,\).*: the shapes do not broadcast, at"),
        (lambda x: x @ x, r"np.matmul of .*\(2, 3\).* and .*: 3 columns do not meet 2 rows, at .*:\d+"),
        (
            lambda x: np.concatenate([x, x.T]),
            r"along axis 0: the shapes of .*\(2, 3\).*\(3, 2\).* do not fit",
        ),
        (lambda x: np.stack([x[0], x[0, :1]]), r"np.stack: the shapes of .* do not fit"),
        (lambda x: np.split(x, 2, axis=1), "no 2 equal parts"),
        (lambda x: x.reshape(4), r"cannot reshape .* at .*test_array_functions.py:\d+"),
        (lambda x: np.sum(x, axis=2), r"axis 2 is out of range for rank 2, at .*test_array_functions.py:\d+"),
        (lambda x: np.squeeze(x, 0), "whose size is not 1"),
        (lambda x: np.where(x > 0, x, np.ones(2)), "np.where of .* do not broadcast"),
        (lambda x: tensors.top_k(x, 4), "the 4 largest"),
        (lambda x: tensors.gather(x, x), "takes integer positions"),
    ],
)
def test_misfits_name_the_shapes_and_the_line(function, message):
    with pytest.raises(TypeError, match=message):
        function(parameter(TensorSpec((2, 3))))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.nansum(x), r"np.nansum is not .*\n.*functions.py:\d+\n.*did you mean np.sum"),
        (lambda x: np.clip(x, 0, 1, out=None), "np.clip on symbolic tensors: .* keyword argument 'out'"),
        (lambda x: x.means(), r"no attribute 'means'(.|\n)*did you mean mean"),
        (lambda x: x[x > 0], r"condition(.|\n)*use np.where"),
        (lambda x: np.arange(3)[x.astype(np.int64)], r"dataflow.tensors.gather\(array, ids\)"),
        (lambda x: np.pad(x, 1, mode="edge"), "one constant value"),
    ],
)
def test_what_is_not_there_suggests_what_is(function, message):
    with pytest.raises(TypeError, match=message):
        function(parameter(TensorSpec((2, 3))))


def test_einsum_of_batches_of_unknown_size():
    q = parameter(TensorSpec((None, 4, 2, 3), np.float64))
    scores = np.einsum("bqhd,bkhd->bhqk", q, q)
    value = np.random.default_rng(0).normal(size=(5, 4, 2, 3))
    (found,) = Function((q,), (scores,)).run([value], lead=0)
    assert scores.shape == (None, 2, 4, 4)
    np.testing.assert_allclose(found, np.einsum("bqhd,bkhd->bhqk", value, value))
