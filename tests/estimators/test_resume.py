"""A run that is cut off goes on to the very weights of one that is not."""

import random
import signal
import threading
import time

import numpy as np
import pytest

from dataflow import Dataset
from estimators.values.checkpoint import latest, load
from tests.estimators.helpers import assert_same_bits, finish, line, regressor, start, variables
from tests.estimators.taxi_job import taxi_input, taxi_model

STEPS = 900
"""More than three passes over the 8,000 rows."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return variables(taxi_model(folder).train(taxi_input, max_steps=STEPS))


def wait_for_step(folder, step, process):
    """Wait until a checkpoint of that step or a later one is there."""
    while process.poll() is None:
        path = latest(str(folder))
        if path is not None and int(path.rsplit("-", 1)[1]) >= step:
            return
        time.sleep(0.001)


def test_killed_at_any_moment(tmp_path, uninterrupted):
    moments = random.Random(11)
    for step in sorted(moments.sample(range(STEPS - 100), 3)):
        job = start("taxi_job", tmp_path, STEPS, 10)
        wait_for_step(tmp_path, step, job)
        time.sleep(moments.uniform(0, 0.005))
        job.kill()
        finish(job)
        assert job.returncode == -signal.SIGKILL
    job = start("taxi_job", tmp_path, STEPS, 10)
    text = finish(job)
    assert job.returncode == 0
    assert "Input continues where the checkpoint was taken." in text
    assert_same_bits(variables(taxi_model(tmp_path)), uninterrupted)


@pytest.mark.parametrize(
    ("number", "codes"),
    [(signal.SIGTERM, {143}), (signal.SIGINT, {130, -signal.SIGINT})],
    ids=["TERM", "INT"],
)
def test_a_signal_saves_and_ends_the_process(tmp_path, number, codes):
    folder = tmp_path / "stopped"
    job = start("taxi_job", folder, 1_000_000, 10)
    wait_for_step(folder, 20, job)
    job.send_signal(number)
    text = finish(job)
    assert job.returncode in codes
    assert f"Stopped by {number.name}." in text
    found = load(latest(str(folder)))
    assert found.step >= 20
    assert found.input_state is not None
    resumed = taxi_model(folder).train(taxi_input, steps=50)
    whole = taxi_model(tmp_path / "whole").train(taxi_input, max_steps=found.step + 50)
    assert_same_bits(variables(resumed), variables(whole))


class Broken:
    """An input that fails once at some row."""

    def __init__(self, at):
        self.at = at

    def rows(self):
        for i in range(60):
            if i == self.at:
                self.at = None
                raise OSError("the disk is gone")
            yield np.float32(i % 7)

    def dataset(self):
        rows = Dataset.from_generator(self.rows, np.float32, ())
        return rows.map(lambda x: ({"x": x}, 3 * x)).shuffle(20, seed=1).repeat(2).batch(4)


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("at", [0, 21, 59])
def test_an_error_of_the_input_loses_nothing(tmp_path, at, every):
    whole = regressor(tmp_path / "whole", save_checkpoints_steps=every).train(Broken(None).dataset())
    broken = Broken(at)
    model = regressor(tmp_path / "broken", save_checkpoints_steps=every)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        model.train(broken.dataset())
    assert_same_bits(variables(model.train(broken.dataset())), variables(whole))


def test_a_run_that_ended_starts_its_input_anew(tmp_path):
    twice = regressor(tmp_path / "twice").train(line()).train(line())
    repeated = regressor(tmp_path / "repeated").train(line().repeat(2))
    assert_same_bits(variables(twice), variables(repeated))


def test_another_input_starts_anew_with_a_warning(tmp_path, caplog):
    model = regressor(tmp_path, save_checkpoints_steps=1)
    with pytest.raises(RuntimeError):
        model.train(Broken(30).dataset())
    before = int(model.get_variable_value("global_step"))
    model.train(line())
    assert caplog.messages == ["The input starts anew: the saved position belongs to another pipeline"]
    assert model.get_variable_value("global_step") == before + 2


def test_a_signal_in_the_middle_of_a_run_in_this_process(tmp_path):
    def rows():
        for i in range(100):
            if i == 50:
                signal.raise_signal(signal.SIGINT)
            yield np.float32(i)

    data = Dataset.from_generator(rows, np.float32, ()).map(lambda x: ({"x": x}, x)).batch(1)
    model = regressor(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.train(data)
    assert 0 < model.get_variable_value("global_step") <= 100
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_program_is_called_after_the_checkpoint(tmp_path):
    seen = []

    def rows():
        signal.raise_signal(signal.SIGTERM)
        yield np.float32(1)

    data = Dataset.from_generator(rows, np.float32, ()).map(lambda x: ({"x": x}, x)).batch(1)
    previous = signal.signal(signal.SIGTERM, lambda *_: seen.append(latest(str(tmp_path))))
    try:
        regressor(tmp_path).train(data)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert seen == [str(tmp_path / "model.ckpt-1")] or seen == [str(tmp_path / "model.ckpt-0")]


def test_training_outside_of_the_main_thread(tmp_path):
    model = regressor(tmp_path)
    thread = threading.Thread(target=model.train, args=(line(),))
    thread.start()
    thread.join()
    assert model.get_variable_value("global_step") == 2


def test_an_ignored_signal_stays_ignored(tmp_path):
    def rows():
        signal.raise_signal(signal.SIGINT)
        yield np.float32(1)

    data = Dataset.from_generator(rows, np.float32, ()).map(lambda x: ({"x": x}, x)).batch(1)
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model = regressor(tmp_path).train(data)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert model.get_variable_value("global_step") == 1
