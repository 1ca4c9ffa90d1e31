"""Two players, two losses, two optimizers, one model."""

import random
import signal
import time

import numpy as np
import pytest

from dataflow import Dataset
from estimators import Estimator, EstimatorSpec, get_variable, group, variable_scope
from estimators.optimizers import SGD
from tests.estimators.gan_job import gan, real_numbers
from tests.estimators.helpers import QUIET, assert_same_bits, finish, start, variables
from tests.estimators.test_resume import wait_for_step

STEPS = 600


def test_the_generator_learns_the_distribution(tmp_path):
    model = gan(tmp_path).train(real_numbers, steps=2000)
    made = np.array([p["x"] for p in model.predict(lambda: real_numbers().take(16))])
    assert made.shape == (1024, 1)
    assert abs(made.mean() - 3.0) < 0.3
    assert 0.25 < made.std() < 1.0


def test_each_player_has_its_optimizer(tmp_path):
    names = gan(tmp_path).train(real_numbers, steps=1).get_variable_names()
    slots = {tuple(name.split("/")[1:3]) for name in names if name.count("/") > 2 and "training" in name}
    assert slots == {("Adam", "generator"), ("Momentum", "discriminator")}
    assert "generator/batch_normalization/moving_variance" in names


def test_killed_at_any_moment(tmp_path):
    moments = random.Random(3)
    for step in sorted(moments.sample(range(STEPS - 100), 2)):
        job = start("gan_job", tmp_path / "killed", STEPS, 10)
        wait_for_step(tmp_path / "killed", step, job)
        time.sleep(moments.uniform(0, 0.005))
        job.kill()
        finish(job)
        assert job.returncode == -signal.SIGKILL
    job = start("gan_job", tmp_path / "killed", STEPS, 10)
    assert "Input continues where the checkpoint was taken." in finish(job)
    whole = gan(tmp_path / "whole").train(real_numbers, max_steps=STEPS)
    assert_same_bits(variables(gan(tmp_path / "killed")), variables(whole))


def test_players_move_from_the_same_old_values(tmp_path):
    def model_fn(features, mode):
        def one(shape, dtype, rng):
            return np.ones(shape, dtype)

        with variable_scope("players"):
            a, b = get_variable("a", initializer=one), get_variable("b", initializer=one)
        ops = [SGD(0.5).minimize(a * b, var_list=[a]), SGD(0.5).minimize(-a * b, var_list=[b])]
        return EstimatorSpec(mode, loss=a * b, train_op=group(*ops))

    data = Dataset.from_tensor_slices({"x": [1.0]}).batch(1)
    model = Estimator(model_fn, tmp_path, QUIET).train(data)
    assert model.get_variable_value("players/a") == pytest.approx(0.5)
    assert model.get_variable_value("players/b") == pytest.approx(1.5)
