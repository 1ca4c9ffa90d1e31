"""`dataflow.random`: numbers that depend on nothing but their seed."""

import json

import numpy as np
import pytest

from dataflow import Dataset, InvalidArgumentError, SpecError, TensorSpec, random
from dataflow.expr.function import evaluate
from dataflow.expr.tensor import parameter
from tests.golden_values import golden

CASES = {json.dumps(json.loads(seed)): values for seed, values in golden("functions")["stateless"].items()}
seeds = pytest.mark.parametrize("seed", CASES)

CALLS = {
    "normal": lambda seed: random.stateless_normal((10,), seed),
    "normal_ms": lambda seed: random.stateless_normal((2, 3), seed, mean=2.0, stddev=0.5),
    "normal64": lambda seed: random.stateless_normal((5,), seed, dtype=np.float64),
    "trunc": lambda seed: random.stateless_truncated_normal((10,), seed),
    "uniform": lambda seed: random.stateless_uniform((10,), seed),
    "uniform64": lambda seed: random.stateless_uniform((5,), seed, minval=-2, maxval=3, dtype="float64"),
    "ints": lambda seed: random.stateless_uniform((10,), seed, minval=-5, maxval=100, dtype=np.int32),
    "longs": lambda seed: random.stateless_uniform((5,), seed, minval=-5, maxval=10**12, dtype=np.int64),
}
DTYPES = {"normal64": "float64", "uniform64": "float64", "ints": "int32", "longs": "int64"}


@seeds
@pytest.mark.parametrize("name", CALLS)
def test_the_numbers_are_those_of_tensorflow(name, seed):
    found = CALLS[name](json.loads(seed))
    assert found.dtype == DTYPES.get(name, "float32")
    np.testing.assert_allclose(found, CASES[seed][name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["uniform", "ints", "longs"])
def test_what_is_no_logarithm_is_equal_to_the_bit(name):
    assert CALLS[name]([1, 2]).tolist() == CASES["[1, 2]"][name]


@pytest.mark.parametrize("name", CALLS)
def test_tensors_give_what_plain_values_give(name):
    seed = parameter(TensorSpec((), np.int64))
    found = evaluate(CALLS[name]([7, seed]), [seed], [np.int64(2985944072)])
    np.testing.assert_array_equal(found, CALLS[name]([7, 2985944072]))


def noisy(images):
    return Dataset.zip(images, Dataset.random(seed=1)).map(
        lambda image, s: image + random.stateless_normal(image.shape, [7, s], stddev=0.05)
    )


def test_noise_in_map_is_the_same_in_each_run_and_another_for_each_element():
    dataset = noisy(Dataset.from_tensor_slices(np.zeros((500, 4, 3), np.float32)))
    first, second = np.stack(list(dataset)), np.stack(list(dataset))
    assert "traced" in dataset.explain()
    assert first.dtype == np.float32
    assert first.tobytes() == second.tobytes()
    assert len(np.unique(first)) > 5900
    assert np.std(first) == pytest.approx(0.05, rel=0.03)


def test_noise_goes_on_after_a_resume():
    dataset = noisy(Dataset.from_tensor_slices(np.zeros((9, 2), np.float32)))
    whole = list(dataset)
    first, second = iter(dataset), iter(dataset)
    for _ in range(4):
        next(first)
    second.restore(first.state())
    np.testing.assert_array_equal(list(second), whole[4:])


def test_the_shape_of_a_tensor_whose_size_is_not_known():
    batch = parameter(TensorSpec((None, 2), np.float32))
    noise = random.stateless_normal(batch, [1, 2])
    assert noise.shape == (None, 2)
    found = evaluate(noise, [batch], [np.zeros((5, 2), np.float32)])
    assert found.ravel().tolist() == random.stateless_normal((10,), [1, 2]).tolist()


def test_a_size_that_is_not_known_is_refused_with_the_way_out():
    batch = parameter(TensorSpec((None, 2), np.float32))
    with pytest.raises(SpecError, match="give the tensor itself as the shape"):
        random.stateless_normal(batch.shape, [1, batch[0, 0].astype(np.int64)])


def test_mean_and_stddev_may_be_tensors():
    mean = parameter(TensorSpec((2,), np.float32))
    found = evaluate(random.stateless_normal((3, 2), [1, 2], mean, 0.0), [mean], [np.float32([5, -5])])
    assert found.tolist() == [[5.0, -5.0]] * 3


def test_moments():
    numbers = random.stateless_normal((40_000,), [3, 4])
    assert abs(numbers.mean()) < 0.02
    assert numbers.std() == pytest.approx(1, abs=0.02)
    assert (numbers**4).mean() == pytest.approx(3, abs=0.2)
    bits = random.stateless_uniform((12_000,), [3, 4], maxval=6, dtype=np.int64)
    assert np.bincount(bits).min() > 1_800


@pytest.mark.parametrize("seed", [7, [1, 2, 3], [1.5, 2], ["a", 1], np.ones(2)])
def test_a_seed_is_two_integers(seed):
    x = parameter(TensorSpec((), np.float32))
    with pytest.raises(SpecError, match="two integers"):
        random.stateless_normal(x.shape, seed) * x


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dtype": np.int32}, InvalidArgumentError, "need a maxval"),
        ({"dtype": np.int32, "minval": 3, "maxval": 3}, InvalidArgumentError, "must be below"),
        ({"dtype": np.int32, "maxval": 2**40}, InvalidArgumentError, "within int32"),
        ({"dtype": np.float16}, SpecError, "not float16"),
    ],
)
def test_ranges_and_dtypes_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        random.stateless_uniform((2,), [1, 2], **arguments)
