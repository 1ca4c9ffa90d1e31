"""What hooks get as `session` and `coord`."""

import numpy as np
import pytest

from estimators import CheckpointSaverListener, SessionRunArgs, SessionRunHook, get_global_step
from tests.estimators.hook_runs import model, steps


class Reading(SessionRunHook):
    """Reads a tensor after each step."""

    def __init__(self, tensor):
        self.tensor, self.seen = tensor, []

    def after_run(self, run_context, run_values):
        self.seen.append(run_context.session.run(self.tensor))

    def end(self, session):
        self.last = session.run({"a": [self.tensor], "b": None})


def test_a_session_gives_values_as_they_are_after_the_step(tmp_path):
    made = []

    def hooks(tensors):
        made.append(Reading(tensors["doubled"]))
        return made

    estimator = model(tmp_path, hooks=hooks).train(steps(3))
    (hook,) = made
    assert len({value.item() for value in hook.seen}) == 3
    assert hook.last["a"][0] == hook.seen[-1] == 2 * estimator.get_variable_value("weight")
    assert hook.last["b"] is None


def test_a_session_gives_the_global_step(tmp_path):
    hook = Reading(get_global_step())
    model(tmp_path).train(steps(3), hooks=[hook])
    assert hook.seen == [1, 2, 3]


def test_a_session_reads_no_batch(tmp_path):
    with pytest.raises(ValueError, match=r"needs a batch(?s:.*)SessionRunArgs"):
        model(tmp_path, hooks=lambda tensors: [Reading(tensors["y"])]).train(steps(1))


def test_nothing_is_fed():
    with pytest.raises(ValueError, match="feeds values"):
        SessionRunArgs(None, feed_dict={"x": np.zeros(1)})


def test_a_hook_stops_before_the_first_step(tmp_path, caplog):
    class Never(SessionRunHook):
        def after_create_session(self, session, coord):
            coord.request_stop()

    estimator = model(tmp_path).train(steps(3), hooks=[Never()])
    assert estimator.get_variable_value("global_step") == 0
    assert not [message for message in caplog.messages if "empty input" in message]


def test_listeners_get_a_session(tmp_path):
    class Listener(CheckpointSaverListener):
        seen = ()

        def after_save(self, session, global_step_value):
            self.seen = (*self.seen, int(session.run(get_global_step())))

    listener = Listener()
    model(tmp_path).train(steps(2), saving_listeners=[listener])
    assert listener.seen == (0, 2)
