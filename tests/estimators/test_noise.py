"""Dropout and random numbers in models."""

import numpy as np
import pytest

from dataflow import Dataset
from dataflow.expr.primitives import random
from dataflow.expr.tensor import parameter
from dataflow.spec import TensorSpec
from estimators import (
    Estimator,
    EstimatorSpec,
    Ftrl,
    RunConfig,
    VariableStore,
    get_variable,
    nn,
)
from estimators.graph.gradients import gradients
from estimators.graph.registry import KERNELS
from tests.estimators.both_forms import run


def draws(build, batch=0, seed=1, **feeds):
    """Return what `build` makes in a batch of a model of the seed."""
    leaves = [parameter(TensorSpec((None, *value.shape[1:]), value.dtype)) for value in feeds.values()]
    with VariableStore(seed=seed):
        made = build(*leaves)
    outputs = made if isinstance(made, tuple) else (made,)
    fetches = {str(i): output for i, output in enumerate(outputs)}
    found = run(fetches, dict(zip(leaves, feeds.values(), strict=True)), batch)
    return tuple(found.values()) if isinstance(made, tuple) else found["0"]


ONES = np.ones((200, 50), np.float32)


def test_dropout_drops_a_share_and_scales_the_rest():
    y = draws(lambda x: nn.dropout(x, 0.25), x=ONES)
    assert (np.unique(y).tolist(), y.dtype) == ([0.0, np.float32(4 / 3)], np.float32)
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.02)


def test_dropout_drops_other_values_in_each_batch_and_the_same_in_each_run():
    first, again, later, other = (
        draws(lambda x: nn.dropout(x, 0.5), batch, seed, x=ONES)
        for batch, seed in [(0, 1), (0, 1), (1, 1), (0, 2)]
    )
    assert first.tolist() == again.tolist()
    assert np.mean(first == later) == pytest.approx(0.5, abs=0.05)
    assert np.mean(first == other) == pytest.approx(0.5, abs=0.05)


def test_two_dropouts_differ_unless_they_have_one_seed():
    a, b = draws(lambda x: (nn.dropout(x, 0.5), nn.dropout(x, 0.5)), x=ONES)
    c, d = draws(lambda x: (nn.dropout(x, 0.5, seed=3), nn.dropout(x, 0.5, seed=3)), x=ONES)
    assert np.mean(a == b) == pytest.approx(0.5, abs=0.05)
    assert c.tolist() == d.tolist()


def test_the_gradient_of_dropout_has_its_mask():
    def build(x):
        y = nn.dropout(x, 0.5)
        return y, gradients(y.sum(), [x])[0]

    value, slope = draws(build, x=ONES)
    assert value.tolist() == slope.tolist()


def test_noise_shape_drops_whole_rows():
    y = draws(lambda x: nn.dropout(x, 0.5, noise_shape=(None, 1)), x=ONES)
    assert (y == y[:, :1]).all()
    assert set(y[:, 0].tolist()) == {0.0, 2.0}


def test_no_dropout_leaves_the_tensor_as_it_is():
    assert nn.dropout(ONES, 0.0) is ONES


@pytest.mark.parametrize("rate", [-0.1, 1.0, 50])
def test_rates_are_shares(rate):
    with pytest.raises(ValueError, match="rate must be a number from 0 to less than 1"):
        nn.dropout(ONES, rate)


def test_dropout_refuses_what_does_not_fit():
    with pytest.raises(TypeError, match=r"noise_shape \(2, 1\) does not fit"):
        nn.dropout(ONES, 0.5, noise_shape=(2, 1))
    with pytest.raises(TypeError, match="dropout takes floating-point numbers"):
        nn.dropout(np.ones(2, np.int64), 0.5)


def test_noise_has_the_shape_of_a_batch_and_its_moments():
    normal, uniform = draws(
        lambda x: (nn.random_normal(x, mean=2.0, stddev=0.5), nn.random_uniform(x, -1.0, 1.0)), x=ONES
    )
    assert normal.shape == uniform.shape == (200, 50)
    assert (normal.mean(), normal.std()) == (pytest.approx(2.0, abs=0.02), pytest.approx(0.5, abs=0.02))
    assert (uniform.min(), uniform.max()) == (pytest.approx(-1, abs=0.01), pytest.approx(1, abs=0.01))


def test_random_integers_and_wide_numbers():
    ints, wide = draws(
        lambda: (
            nn.random_uniform((300,), maxval=3, dtype=np.int64),
            nn.random_normal((2, 3), dtype=np.float64),
        )
    )
    assert (set(ints.tolist()), ints.dtype) == ({0, 1, 2}, np.int64)
    assert (wide.shape, wide.dtype) == ((2, 3), np.float64)


def test_slopes_go_past_noise():
    x = ONES[:1]
    slope = draws(lambda leaf: gradients((leaf * nn.random_normal(leaf)).sum(), [leaf])[0], x=x)
    assert slope.tolist() == draws(nn.random_normal, x=x).tolist()


def noisy_model(features, labels, mode):
    weight = get_variable("weight", [3, 2])
    x = nn.dropout(features, 0.5)
    y = nn.relu(x @ weight) + nn.random_normal(x @ weight, stddev=0.1)
    loss = np.square(y - labels).mean()
    return EstimatorSpec(mode, loss=loss, train_op=Ftrl(0.1).minimize(loss))


def test_a_run_with_dropout_goes_on_to_the_same_weights(tmp_path):
    def batches():
        return Dataset.from_tensors((np.ones((8, 3), np.float32), np.ones((8, 2), np.float32))).repeat()

    def trained(name, *steps, seed=1):
        config = RunConfig(tf_random_seed=seed, progress=False)
        for count in steps:
            model = Estimator(noisy_model, tmp_path / name, config=config).train(batches, steps=count)
        return model.get_variable_value("weight")

    whole = trained("whole", 6)
    assert whole.tobytes() == trained("parts", 2, 4).tobytes()
    assert whole.tobytes() != trained("other", 6, seed=2).tobytes()


@pytest.mark.parametrize("size", [0, 1, 7, 5000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_in_kept_arrays_have_the_same_bits(dtype, size):
    seed, out = np.array([5, 3]), np.empty((size, 1), dtype)
    wanted = random.random_uniform.compute(0, seed, shape=(size, 1), dtype=dtype)
    KERNELS["random_uniform"].run((out,), (), seed, shape=(size, 1), dtype=dtype)
    assert out.tobytes() == wanted.tobytes()
