"""Learning rates that change with the global step, against tf."""

import json

import numpy as np
import pytest

from estimators import schedules
from estimators.graph.program import Program
from estimators.graph.scope import get_global_step
from estimators.schedules import (
    CosineDecayRestarts,
    ExponentialDecay,
    LearningRateSchedule,
    cosine_decay,
    cosine_decay_restarts,
    exponential_decay,
    inverse_time_decay,
    linear_cosine_decay,
    natural_exp_decay,
    noisy_linear_cosine_decay,
    piecewise_constant,
    polynomial_decay,
)
from tests.estimators.helpers import GOLDEN_FILES

GOLDEN = json.loads((GOLDEN_FILES / "optimizers.json").read_text())["lr_decay"]
STEPS = GOLDEN.pop("steps")
SCHEDULES = {
    "exponential_decay(.1,10,.96)": exponential_decay(0.1, 10, 0.96),
    "exponential_decay(.1,10,.96,staircase)": exponential_decay(0.1, 10, 0.96, staircase=True),
    "natural_exp_decay(.1,10,.5)": natural_exp_decay(0.1, 10, 0.5),
    "inverse_time_decay(.1,10,.5)": inverse_time_decay(0.1, 10, 0.5),
    "inverse_time_decay(.1,10,.5,staircase)": inverse_time_decay(0.1, 10, 0.5, staircase=True),
    "polynomial_decay(.1,10)": polynomial_decay(0.1, 10),
    "polynomial_decay(.1,10,.01,power=.5,cycle)": polynomial_decay(0.1, 10, 0.01, 0.5, cycle=True),
    "piecewise([10,15],[1,.5,.1])": piecewise_constant([10, 15], [1.0, 0.5, 0.1]),
    "cosine_decay(.1,10)": cosine_decay(0.1, 10),
    "cosine_decay(.1,10,alpha=.1)": cosine_decay(0.1, 10, 0.1),
    "cosine_decay(.1,10,alpha=.1,warmup_target=.3,warmup_steps=5)": cosine_decay(0.1, 10, 0.1, 0.3, 5),
    "cosine_decay_restarts(.1,10)": cosine_decay_restarts(0.1, 10),
    "cosine_decay_restarts(.1,10,t_mul=1,m_mul=.9,alpha=.2)": cosine_decay_restarts(0.1, 10, 1.0, 0.9, 0.2),
    "linear_cosine_decay(.1,10)": linear_cosine_decay(0.1, 10),
}


def test_all_golden_values_are_used():
    assert SCHEDULES.keys() == GOLDEN.keys()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_rates_of_plain_steps(name):
    rates = [SCHEDULES[name](step) for step in STEPS]
    assert all(type(rate) is float for rate in rates)
    np.testing.assert_allclose(rates, GOLDEN[name], rtol=0, atol=1e-6)
    assert SCHEDULES[name](np.array(STEPS)).tolist() == rates


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_rates_of_symbolic_steps(name, reference):
    rate = SCHEDULES[name](get_global_step())
    assert (rate.shape, rate.dtype) == ((), np.float64)
    program = Program([], {"rate": rate}, reference=reference)
    rates = [float(program.run([], {"global_step": np.int64(step)})["rate"]) for step in STEPS]
    np.testing.assert_allclose(rates, GOLDEN[name], rtol=0, atol=1e-6)


def test_restarts_begin_in_the_very_step():
    """Logarithms are rounded: ln 243 / ln 3 is less than 5."""
    schedule = CosineDecayRestarts(1.0, 2, t_mul=3.0)
    starts = [3**i - 1 for i in range(12)]
    np.testing.assert_allclose([schedule(step) for step in starts], 1.0, atol=1e-6)
    assert all(schedule(step - 1) < 0.6 for step in starts[1:])


def test_noise_is_set_by_seed_and_step():
    schedule = noisy_linear_cosine_decay(1.0, 10**9, num_periods=0.0, seed=3)
    rates = schedule(np.arange(4000))
    noise = (rates - 1.001) / (1.0 + np.arange(4000)) ** (-0.55 / 2)
    assert abs(noise.mean()) < 0.06
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    program = Program([], {"rate": schedule(get_global_step())})
    for step in (0, 7, 3999):
        assert program.run([], {"global_step": np.array(step)})["rate"] == pytest.approx(
            rates[step], rel=1e-12
        )
    assert noisy_linear_cosine_decay(1.0, 9, seed=4)(5) != noisy_linear_cosine_decay(1.0, 9, seed=3)(5)


def test_schedules_are_values():
    assert ExponentialDecay(0.1, 10, 0.5) == exponential_decay(0.1, 10, 0.5)
    text = "InverseTimeDecay(initial_learning_rate=0.1, decay_steps=9, decay_rate=0.5, staircase=False)"
    assert repr(inverse_time_decay(0.1, 9, 0.5)) == text


def test_one_s_own_schedule():
    class Warmup(LearningRateSchedule):
        def rate(self, step):
            return np.minimum(step / 4.0, 1.0)

    assert [Warmup()(step) for step in (0, 1, 9)] == [0.0, 0.25, 1.0]


def test_the_global_step_is_no_argument():
    with pytest.raises(TypeError, match=r"decay_steps must be a number(?s:.*)take no global_step"):
        exponential_decay(0.1, get_global_step(), 10, 0.96)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: exponential_decay(0.0, 10, 0.5), "initial_learning_rate must be more than 0"),
        (lambda: exponential_decay(0.1, 0, 0.5), "decay_steps must be more than 0"),
        (lambda: exponential_decay(0.1, 10, -1.0), "decay_rate must be more than 0"),
        (lambda: polynomial_decay(0.1, 10, -0.5), "end_learning_rate must be at least 0"),
        (lambda: polynomial_decay(0.1, 10, power=0.0), "power must be more than 0"),
        (lambda: piecewise_constant([1], [0.1]), "1 boundaries need one more values, not 1"),
        (lambda: piecewise_constant([2, 1], [0.1, 0.2, 0.3]), "must grow"),
        (lambda: piecewise_constant([2], [0.1, 0.0]), r"values\[1\] must be more than 0"),
        (lambda: cosine_decay(0.1, 10, warmup_target=0.5, warmup_steps=-1), "warmup_steps must be at least"),
        (lambda: noisy_linear_cosine_decay(0.1, 10, -1.0), "initial_variance must be at least 0"),
        (lambda: cosine_decay_restarts(0.1, 10, t_mul=0.5), "t_mul must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_step_is_a_number():
    with pytest.raises(TypeError, match="a step must be a number"):
        schedules.CosineDecay(0.1, 10)("1")
