"""Gradients of array functions: unknown batch sizes, ties, dtypes, sparse rows."""

import numpy as np
import pytest

from dataflow import TensorSpec, tensors
from dataflow.expr.tensor import parameter
from estimators.graph.gradients import RowGradient, gradients
from estimators.graph.program import Program
from estimators.graph.variable import Variable
from tests.estimators.gradient_cases import arrays, basics

FORMS = {
    f"{name}-{i}": form
    for name, forms in {**basics.CASES, **arrays.CASES}.items()
    for i, form in enumerate(forms if isinstance(forms, list) else [forms])
}
NEED_SIZES = {"broadcast_to-0", "roll-1", "split-2", "gather-1", "index-0", "index-3", "index-4", "index-5"}
NEED_SIZES |= {name for name in FORMS if name.split("-")[0] in ("gather_sum", "gather_weighted")}
NEED_SIZES |= {name for name in FORMS if name.split("-")[0] in ("put_like", "sum_copies")}


def slopes(function, points, *, unknown):
    leaves = [parameter(TensorSpec((None, *p.shape[1:]) if unknown else p.shape, p.dtype)) for p in points]
    result = function(*leaves)
    found = gradients((result * result).sum(), leaves)
    dense = {f"{i}": g.dense() if isinstance(g, RowGradient) else g for i, g in enumerate(found)}
    return Program(leaves, dense).run(points, {})


@pytest.mark.parametrize("name", sorted(FORMS.keys() - NEED_SIZES))
def test_an_unknown_size_changes_nothing(name):
    function, points = FORMS[name]
    known, unknown = (slopes(function, points, unknown=flag) for flag in (False, True))
    for i in known:
        np.testing.assert_allclose(known[i], unknown[i], rtol=1e-12, strict=True)


def gradient(function, value):
    x = Variable("x", np.shape(value), np.asarray(value).dtype)
    (slope,) = gradients(function(x), [x])
    return Program([], {"x": slope}).run([], {"x": np.asarray(value)})["x"].tolist()


def test_equal_extremes_share_the_gradient():
    assert gradient(lambda x: np.max(x), [1.0, 3.0, 3.0]) == [0.0, 0.5, 0.5]
    assert gradient(lambda x: np.min(x, axis=1).sum(), [[2.0, 2.0], [1.0, 5.0]]) == [[0.5, 0.5], [1.0, 0.0]]


def test_of_two_equal_values_the_first_has_the_gradient():
    x, y = Variable("x", (), np.float64), Variable("y", (), np.float64)
    for function in (np.maximum, np.minimum, np.fmax, np.fmin):
        found = Program([], dict(zip("xy", gradients(function(x, y), [x, y]), strict=True)))
        assert found.run([], {"x": np.array(2.0), "y": np.array(2.0)}) == {"x": 1.0, "y": 0.0}


def test_clipping_lets_gradients_through_at_the_limits():
    assert gradient(lambda x: np.clip(x, 0.0, 1.0).sum(), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [
        0.0,
        1.0,
        1.0,
        1.0,
        0.0,
    ]


def test_products_with_zeros_have_slopes():
    assert gradient(np.prod, [2.0, 0.0, 4.0]) == [0.0, 8.0, 0.0]
    assert gradient(np.prod, [2.0, 0.0, 0.0]) == [0.0, 0.0, 0.0]
    assert gradient(lambda x: np.cumprod(x).sum(), [2.0, 0.0, 4.0]) == [1.0, 10.0, 0.0]


def test_a_power_of_0_is_flat():
    assert gradient(lambda x: (x**0 + x).sum(), [0.0, 2.0]) == [1.0, 1.0]


@pytest.mark.parametrize("look_up", [lambda t, i: tensors.gather(t, i), lambda t, i: t[i]])
def test_rows_of_a_table_have_sparse_gradients(look_up):
    table = Variable("table", (5, 2))
    rows = look_up(table, parameter(TensorSpec((None, 2), np.int32)))
    (slope,) = gradients(rows.sum(), [table])
    assert isinstance(slope, RowGradient)


def test_summed_gradients_of_rows():
    table, ids = Variable("table", (5, 2), np.float64), parameter(TensorSpec((None, 2), np.int64))
    (slope,) = gradients((tensors.gather(table, ids) * [1.0, 2.0]).sum(), [table])
    rows, sums = slope.summed()
    found = Program([ids], {"rows": rows, "sums": sums}).run(
        [np.array([[4, 1], [4, 4]])], {"table": np.zeros((5, 2))}
    )
    assert found["rows"].tolist() == [4, 1]
    assert found["sums"].tolist() == [[3.0, 6.0], [1.0, 2.0]]


def test_gradients_have_the_dtype_of_what_they_belong_to():
    x = Variable("x", (2, 3))
    double = np.ones((3, 2))
    for result in (
        x * double.T,
        x @ double,
        np.where(double.T > 0, x, double.T),
        np.concatenate([x, double.T]),
    ):
        assert gradients(result.sum(), [x])[0].dtype == np.float32


def test_stop_gradient():
    assert gradient(lambda x: (x * tensors.stop_gradient(x)).sum(), [2.0, 3.0]) == [2.0, 3.0]


@pytest.mark.parametrize("function", [np.floor, np.ceil, np.rint, np.trunc])
def test_rounding_has_no_gradient_on_purpose(function):
    x = Variable("x", ())
    with pytest.raises(ValueError, match=r"has no gradient \(used at .*(.|\n)*stop_gradient"):
        gradients(function(x), [x])


@pytest.mark.parametrize(
    "function", [lambda x: x**3, np.cumprod, np.sort, lambda x: x[::2], lambda x: np.repeat(x, 2)]
)
def test_gradients_of_gradients(function):
    x = Variable("x", (3,), np.float64)
    (slope,) = gradients((function(x) ** 2).sum(), [x])
    slope = slope.dense() if isinstance(slope, RowGradient) else slope
    (second,) = gradients((slope**2).sum(), [x])
    second = second.dense() if isinstance(second, RowGradient) else second
    program = Program([], {"value": (slope**2).sum(), "second": second})
    point, step = np.array([1.5, -0.5, 2.0]), np.array([1e-6, -2e-6, 3e-6])
    up, down = (program.run([], {"x": point + s})["value"] for s in (step, -step))
    assert (up - down) / 2 == pytest.approx(program.run([], {"x": point})["second"] @ step, rel=1e-6)
