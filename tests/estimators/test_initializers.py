"""First values of variables: their means, spreads and bounds, and names."""

import math

import numpy as np
import pytest

from estimators import VariableStore, get_variable, initializers
from estimators.initializers import INITIALIZERS, get

FILTER = (3, 3, 40, 60)
"""360 inputs, 540 outputs."""


def draw(initializer, shape=FILTER, dtype=np.float32, seed=0):
    return initializer(shape, np.dtype(dtype), np.random.default_rng(seed))


UNIFORM = {
    "random_uniform": 0.05,
    "glorot_uniform": math.sqrt(6 / 900),
    "he_uniform": math.sqrt(6 / 360),
    "lecun_uniform": math.sqrt(3 / 360),
}
CUT = {
    "truncated_normal": 0.05 * 0.87962566,
    "glorot_normal": math.sqrt(2 / 900),
    "he_normal": math.sqrt(2 / 360),
    "lecun_normal": math.sqrt(1 / 360),
}


@pytest.mark.parametrize("name", sorted(UNIFORM))
def test_uniform_values_fill_their_interval(name):
    values, limit = draw(get(name)), UNIFORM[name]
    assert 0.999 * limit < values.max() <= np.float32(limit)
    assert -limit <= values.min() < -0.999 * limit
    assert abs(values.mean()) < 0.01 * limit
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.01)


@pytest.mark.parametrize("name", sorted(CUT))
def test_cut_normal_values_have_their_spread_and_bound(name):
    values, spread = draw(get(name)), CUT[name]
    bound = 2 * spread / 0.87962566
    assert 0.98 * bound < np.abs(values).max() <= 1.000001 * bound
    assert abs(values.mean()) < 0.02 * spread
    assert values.std() == pytest.approx(spread, rel=0.01)


def test_normal_values_are_not_cut():
    for initializer in (
        initializers.random_normal(3.0, 2.0),
        initializers.variance_scaling(4.0 * 360, distribution="untruncated_normal"),
    ):
        values = draw(initializer)
        assert values.std() == pytest.approx(2.0, rel=0.01)
        assert np.abs(values - values.mean()).max() > 6.0


@pytest.mark.parametrize(("mode", "count"), [("fan_in", 360), ("fan_out", 540), ("fan_avg", 450)])
def test_modes_of_variance_scaling(mode, count):
    values = draw(initializers.variance_scaling(2.0, mode, "uniform"))
    assert np.abs(values).max() == pytest.approx(math.sqrt(6 / count), rel=0.001)


@pytest.mark.parametrize(("shape", "limit"), [((), 3.0), ((1000,), 0.003), ((10, 990), 0.006), ((0, 3), 0)])
def test_fans_of_low_ranks(shape, limit):
    values = draw(initializers.glorot_uniform(), shape)
    assert values.shape == shape
    assert np.all(np.abs(values) <= math.sqrt(limit))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 4), (5, 5)])
def test_orthogonal_matrices(shape):
    matrix = draw(initializers.orthogonal(gain=2.0), shape, np.float64).reshape(-1, shape[-1])
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_are_even_over_all():
    """Without the signs of the decomposition, the first entries would all be negative."""
    firsts = [draw(initializers.orthogonal(), (2, 2), seed=seed)[0, 0] for seed in range(200)]
    assert 70 < np.sum(np.array(firsts) > 0) < 130


def test_fixed_values():
    assert draw(initializers.zeros, (2,)).tolist() == [0.0, 0.0]
    assert draw(initializers.ones, (2,), np.int64).tolist() == [1, 1]
    assert draw(initializers.constant([1, 2]), (2, 2)).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert draw(initializers.identity(3.0), (2, 2)).tolist() == [[3.0, 0.0], [0.0, 3.0]]


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_every_initializer_keeps_shape_and_dtype_and_is_set_by_the_generator(name):
    for dtype in (np.float32, np.float64):
        one, same = (draw(get(name), (4, 3), dtype, seed=5) for _ in range(2))
        assert (one.shape, one.dtype) == ((4, 3), np.dtype(dtype))
        assert one.tobytes() == same.tobytes()


@pytest.mark.parametrize("name", ["he_normal", "random_uniform", "orthogonal", "truncated_normal"])
def test_a_seed_of_one_s_own_replaces_the_generator(name):
    seeded = INITIALIZERS[name](seed=7)
    assert draw(seeded, (3, 3), seed=0).tobytes() == draw(seeded, (3, 3), seed=1).tobytes()
    assert draw(get(name), (3, 3), seed=0).tobytes() != draw(get(name), (3, 3), seed=1).tobytes()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: get("glorot_unifrom"), ValueError, "did you mean 'glorot_uniform'"),
        (lambda: get(3), TypeError, "a name or a function"),
        (lambda: get(initializers.he_normal), TypeError, "call it"),
        (lambda: initializers.variance_scaling(0.0), ValueError, "scale must be more than 0"),
        (lambda: initializers.variance_scaling(mode="fan"), ValueError, "no mode 'fan'"),
        (lambda: initializers.variance_scaling(distribution="even"), ValueError, "no distribution 'even'"),
        (lambda: initializers.random_normal(stddev=-1.0), ValueError, "stddev must be at least 0"),
        (lambda: initializers.random_uniform(1.0, 0.0), ValueError, "minval must be at most maxval"),
        (lambda: draw(get("identity"), (3,)), TypeError, "rank 2, not of shape"),
        (lambda: draw(get("orthogonal"), (3,)), TypeError, "rank 2 or more"),
        (lambda: draw(get("he_normal"), (3, 3), np.int64), TypeError, "floating-point numbers, not int64"),
        (lambda: draw(initializers.constant([1, 2]), (3,)), TypeError, "cannot fill a variable of shape"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_zeros_and_ones_as_classes_of_tf():
    assert initializers.zeros() is initializers.zeros
    assert initializers.ones()((2,)).tolist() == [1.0, 1.0]
    assert get(initializers.ones()) is get("ones")


@pytest.mark.parametrize(
    ("settings", "wanted", "dtype"),
    [
        ({"initializer": np.array([1.0, 2.0])}, [1.0, 2.0], "float64"),
        ({"initializer": 3.0, "shape": [2]}, [3.0, 3.0], "float32"),
        ({"initializer": 3}, 3, "int64"),
        ({"initializer": "ones", "shape": [2], "dtype": np.float64}, [1.0, 1.0], "float64"),
    ],
)
def test_what_a_variable_may_start_at(settings, wanted, dtype):
    with VariableStore():
        variable = get_variable("v", **settings)
    assert draw(variable.initializer, variable.sizes, variable.dtype).tolist() == wanted
    assert variable.dtype == dtype


def test_a_variable_cannot_start_at_a_tensor():
    with VariableStore(), pytest.raises(TypeError, match="computed in the model"):
        get_variable("v", initializer=get_variable("w") * 2)
