"""`CheckpointSaverHook`, and which checkpoints are kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from estimators import CheckpointSaverHook, CheckpointSaverListener, SessionRunHook
from estimators.values import checkpoint as checkpoints
from tests.estimators.helpers import QUIET, assert_same_bits, variables
from tests.estimators.hook_runs import model, steps


class Listener(CheckpointSaverListener):
    def __init__(self, stop_at=None):
        self.notes, self.stop_at = [], stop_at

    def begin(self):
        self.notes.append("begin")

    def before_save(self, session, global_step_value):
        self.notes.append(f"before {global_step_value}")

    def after_save(self, session, global_step_value):
        self.notes.append(f"saved {global_step_value}")
        return global_step_value == self.stop_at

    def end(self, session, global_step_value):
        self.notes.append(f"end {global_step_value}")


def around(*saved):
    """What a listener notes around checkpoints."""
    return [word for step in saved for word in (f"before {step}", f"saved {step}")]


def saved_steps(folder):
    return [checkpoints.step_of(name) for name in checkpoints.listed(str(folder))]


def test_a_hook_saves_in_place_of_the_config(tmp_path):
    hook = CheckpointSaverHook(tmp_path, save_steps=2)
    model(tmp_path, QUIET.replace(save_checkpoints_steps=3)).train(steps(5), hooks=[hook])
    assert saved_steps(tmp_path) == [0, 2, 4, 5]


def test_a_hook_calls_its_listeners_and_those_of_train(tmp_path):
    own, given = Listener(), Listener()
    hook = CheckpointSaverHook(tmp_path, save_steps=2, listeners=[own])
    model(tmp_path).train(steps(3), hooks=[hook], saving_listeners=[given, own])
    assert own.notes == given.notes == ["begin", *around(0, 2, 3), "end 3"]


def test_a_listener_of_a_hook_stops_training(tmp_path):
    hook = CheckpointSaverHook(tmp_path, save_steps=2, listeners=[Listener(stop_at=4)])
    estimator = model(tmp_path).train(steps(9), hooks=[hook])
    assert estimator.get_variable_value("global_step") == 4


def test_a_hook_among_the_hooks_of_the_model_counts(tmp_path):
    model(tmp_path, hooks=lambda _: [CheckpointSaverHook(tmp_path, save_steps=4)]).train(steps(5))
    assert saved_steps(tmp_path) == [0, 4, 5]


def test_a_hook_saves_after_seconds(tmp_path):
    config = QUIET.replace(keep_checkpoint_max=None)
    model(tmp_path, config).train(steps(3), hooks=[CheckpointSaverHook(tmp_path, save_secs=0)])
    assert saved_steps(tmp_path)[:2] == [0, 1]  # steps come in blocks that grow


def test_another_directory_gets_copies(tmp_path):
    listener = Listener()
    hook = CheckpointSaverHook(tmp_path / "copies", save_steps=2, listeners=[listener])
    estimator = model(tmp_path / "model").train(steps(3), hooks=[hook])
    assert saved_steps(tmp_path / "copies") == [0, 2, 3]
    assert_same_bits(variables(estimator), variables(model(tmp_path / "copies")))
    assert listener.notes == ["begin", *around(0, 2, 3), "end 3"]


def test_training_goes_on_from_a_hooks_checkpoint(tmp_path):
    class Dies(SessionRunHook):
        def after_run(self, run_context, run_values):
            if run_context.session.global_step == 5:
                raise KeyboardInterrupt

    estimator = model(tmp_path / "a")
    saver = CheckpointSaverHook(tmp_path / "a", save_steps=2)
    with pytest.raises(KeyboardInterrupt):
        estimator.train(steps(9), hooks=[saver, Dies()])
    assert saved_steps(tmp_path / "a")[-1] == 4
    assert_same_bits(variables(estimator.train(steps(9))), variables(model(tmp_path / "b").train(steps(9))))


def test_hooks_that_only_save_are_not_called(tmp_path):
    class Own(CheckpointSaverHook):
        count = 0

        def after_run(self, run_context, run_values):
            self.count += 1

    own = Own(tmp_path, save_steps=2)
    model(tmp_path).train(steps(3), hooks=[own])
    assert own.count == 3
    assert saved_steps(tmp_path) == [0, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "just one of"),
        ({"save_steps": 1, "save_secs": 1}, "just one of"),
        ({"save_steps": 0}, "at least 1"),
        ({"save_steps": 1, "saver": object()}, "saver must be None"),
        ({"save_steps": 1, "checkpoint_basename": "m"}, "are called 'model.ckpt'"),
    ],
)
def test_other_settings_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        CheckpointSaverHook("model", **arguments)


def test_one_checkpoint_is_kept_after_so_many_hours(tmp_path, monkeypatch):
    config = QUIET.replace(save_checkpoints_steps=1, keep_checkpoint_max=1, keep_checkpoint_every_n_hours=2)
    hours = iter(np.arange(0, 100, 0.75))
    clock = SimpleNamespace(monotonic=lambda: 3600 * next(hours))
    monkeypatch.setattr("estimators.running.saving.time", clock)
    estimator = model(tmp_path, config).train(steps(6))  # looks at 0.75 (step 0), 1.5, 2.25 …
    assert saved_steps(tmp_path) == [2, 5, 6]
    estimator.train(steps(1))
    assert saved_steps(tmp_path) == [2, 5, 7]
