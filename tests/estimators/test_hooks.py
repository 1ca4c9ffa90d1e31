"""Hooks and listeners: what is called when, and what they get."""

import numpy as np
import pytest

from dataflow import Dataset
from estimators import (
    CheckpointSaverListener,
    Estimator,
    EstimatorSpec,
    Ftrl,
    ModeKeys,
    NanLossDuringTrainingError,
    SessionRunArgs,
    SessionRunHook,
    get_variable,
)
from estimators.graph.scope import get_global_step
from estimators.metrics import mean
from tests.estimators.helpers import QUIET, assert_same_bits, line, variables

TENSORS = {}
"""Tensors of the model function's last call."""


def model_fn(features, labels, mode, params):
    weight = get_variable("weight", [1], initializer=lambda shape, dtype, rng: np.ones(shape, dtype))
    y = features["x"] * weight
    TENSORS.update(x=features["x"], y=y, weight=weight, doubled=features["x"] * 2)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, {"y": y}, prediction_hooks=params.get("hooks"))
    loss = ((y - labels) ** 2).mean()
    return EstimatorSpec(
        mode,
        {"y": y},
        loss,
        Ftrl(0.1).minimize(loss),
        {"error": mean(y)},
        training_chief_hooks=params.get("chief"),
        training_hooks=params.get("hooks"),
        evaluation_hooks=params.get("hooks"),
    )


def model(folder, config=QUIET, **params):
    return Estimator(model_fn, folder, config, params)


class Diary(SessionRunHook):
    """Writes down every call."""

    def __init__(self, notes=None, name="", fetch=None):
        self.notes, self.name, self.fetch = [] if notes is None else notes, name, fetch

    def __deepcopy__(self, memo):  # params are copied
        return self

    def note(self, *words):
        self.notes.append(" ".join(map(str, filter(None, (self.name, *words)))))

    def begin(self):
        self.note("begin")

    def after_create_session(self, session, coord):
        self.note("created")

    def before_run(self, run_context):
        self.note("before")
        return None if self.fetch is None else SessionRunArgs(self.fetch())

    def after_run(self, run_context, run_values):
        self.note("after")
        self.results = run_values.results

    def end(self, session):
        self.note("end")


class Stop(SessionRunHook):
    """Asks to stop in one of the two calls of a step."""

    def __init__(self, at, *, before=False):
        self.at, self.before, self.count = at, before, 0

    def before_run(self, run_context):
        self.count += 1
        if self.before and self.count == self.at:
            run_context.request_stop()

    def after_run(self, run_context, run_values):
        if self.count == self.at:
            run_context.request_stop()


def test_hooks_are_called_in_order_in_training(tmp_path):
    notes = []
    chief, given, late = (Diary(notes, name) for name in ("chief", "given", "late"))
    model(tmp_path, chief=[chief], hooks=[late]).train(line(batch=8), hooks=[given])
    names = ("chief", "given", "late")
    steps = ["begin", "created", "before", "after", "end"]
    assert notes == [f"{name} {step}" for step in steps for name in names]


@pytest.mark.parametrize("run", ["evaluate", "predict"])
def test_hooks_are_called_in_other_modes(tmp_path, run):
    notes = []
    given, late = Diary(notes, "given"), Diary(notes, "late")
    result = getattr(model(tmp_path, hooks=[late]), run)(line(), hooks=[given])
    list(result)
    calls = ["begin", "created", *["before", "after"] * 2, "end"]
    assert notes == [f"{name} {call}" for call in calls for name in ("given", "late")]


def test_a_hook_gets_what_it_asks_for_in_its_structure(tmp_path):
    hook = Diary(fetch=lambda: {"w": TENSORS["weight"], "rest": (TENSORS["x"], [TENSORS["doubled"]], None)})
    model(tmp_path).train(line(rows=4), hooks=[hook])
    assert hook.results["w"] == [1.0]  # as before the step
    x, [doubled], nothing = hook.results["rest"]
    assert (x.tolist(), doubled.tolist(), nothing) == ([1, 2, 3, 4], [2, 4, 6, 8], None)


def test_a_hook_asks_for_the_global_step(tmp_path):
    hook = Diary(fetch=lambda: get_global_step())
    estimator = model(tmp_path).train(line(), hooks=[hook])
    assert hook.results == 1  # as before the second step
    assert estimator.get_variable_value("global_step") == 2


def test_original_args_are_what_the_step_gives_anyway(tmp_path):
    class Losses(SessionRunHook):
        seen = ()

        def before_run(self, run_context):
            return SessionRunArgs(run_context.original_args.fetches["loss"])

        def after_run(self, run_context, run_values):
            self.seen = (*self.seen, float(run_values.results))

    hook = Losses()
    estimator = model(tmp_path).train(line(), hooks=[hook])
    assert hook.seen[0] == 7.5  # mean of 1, 4, 9, 16
    assert len(hook.seen) == estimator.get_variable_value("global_step")


def test_hooks_do_not_change_the_result(tmp_path):
    class Sometimes(SessionRunHook):
        count = 0

        def before_run(self, run_context):
            self.count += 1
            return SessionRunArgs((TENSORS["y"], TENSORS["doubled"])) if self.count % 3 == 1 else None

    plain = model(tmp_path / "plain").train(line(40))
    hooked = model(tmp_path / "hooked").train(line(40), hooks=[Sometimes(), Diary()])
    assert_same_bits(variables(plain), variables(hooked))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("at", [1, 7])
def test_request_stop_ends_after_the_step(tmp_path, at, before):
    notes = Diary()
    estimator = model(tmp_path).train(line(400), hooks=[Stop(at, before=before), notes])
    assert estimator.get_variable_value("global_step") == at
    assert notes.notes.count("after") == at
    assert notes.notes[-1] == "end"


def test_request_stop_ends_evaluation_and_prediction(tmp_path):
    estimator = model(tmp_path)
    assert estimator.evaluate(line(), hooks=[Stop(1)])["error"] == 2.5  # of 1, 2, 3, 4
    assert len(list(estimator.predict(line(), hooks=[Stop(1)]))) == 4


def test_end_is_not_called_after_an_error(tmp_path):
    notes = Diary()
    data = line(4, 1).map(lambda f, y: ({"x": np.where(f["x"] > 1, np.nan, f["x"])}, y))
    with pytest.raises(NanLossDuringTrainingError):
        model(tmp_path).train(data, hooks=[notes])
    assert notes.notes == ["begin", "created", "before", "after", "before", "after"]


def test_a_tensor_asked_for_late_may_use_what_is_read(tmp_path):
    class Late(SessionRunHook):
        seen = None
        started = False

        def before_run(self, run_context):
            if self.started:
                return SessionRunArgs(TENSORS["y"] + TENSORS["x"])
            self.started = True
            return None

        def after_run(self, run_context, run_values):
            self.seen = run_values.results

    hook = Late()
    model(tmp_path).evaluate(line(), hooks=[hook])
    assert hook.seen.tolist() == [10, 12, 14, 16]


def test_a_tensor_asked_for_late_that_is_not_read_is_refused(tmp_path):
    class Late(SessionRunHook):
        asks = None

        def before_run(self, run_context):
            asks, self.asks = self.asks, SessionRunArgs(TENSORS["z"])
            return asks

    def with_z(features, labels, mode):
        TENSORS["z"] = features["z"] * 1
        loss = ((features["x"] * get_variable("weight", [1]) - labels) ** 2).mean()
        return EstimatorSpec(mode, loss=loss, train_op=Ftrl(0.1).minimize(loss))

    data = line().map(lambda f, y: ({"x": f["x"], "z": f["x"]}, y))
    words = r"test_hooks.py:\d+, only after the first step: it needs features\['z'\](?s:.*)first before_run"
    with pytest.raises(ValueError, match=words):
        Estimator(with_z, tmp_path, QUIET).train(data, hooks=[Late()])


def test_a_tensor_of_another_call_is_refused(tmp_path):
    estimator = model(tmp_path)
    estimator.evaluate(line())
    old = TENSORS["y"]
    with pytest.raises(ValueError, match=r"another call|two variables are called 'weight'"):
        estimator.evaluate(line(), hooks=[Diary(fetch=lambda: old)])


@pytest.mark.parametrize(
    ("fetch", "words"),
    [(lambda: "loss:0", "a hook fetches 'loss:0'"), (lambda: {"a": 3}, "a hook fetches 3")],
)
def test_other_fetches_are_refused(tmp_path, fetch, words):
    with pytest.raises(TypeError, match=words):
        model(tmp_path).train(line(), hooks=[Diary(fetch=fetch)])


def test_before_run_must_return_args(tmp_path):
    class Wrong(SessionRunHook):
        def before_run(self, run_context):
            return TENSORS["y"]

    with pytest.raises(TypeError, match="must return SessionRunArgs or None"):
        model(tmp_path).train(line(), hooks=[Wrong()])


@pytest.mark.parametrize("hooks", [[3], Diary(), [Diary]])
def test_other_hooks_are_refused(tmp_path, hooks):
    for call in ("train", "evaluate", "predict"):
        with pytest.raises(TypeError, match="hooks must"):
            list(getattr(model(tmp_path), call)(line(), hooks=hooks))


def test_tensors_that_are_made_anew_for_each_step_are_named(tmp_path, caplog):
    hook = Diary(fetch=lambda: TENSORS["y"] + 1)
    model(tmp_path).train(line(40, 2), hooks=[hook])
    assert [m for m in caplog.messages if "make tensors once" in m]
    assert hook.results.shape == (2,)


def test_a_hook_may_make_a_variable_in_begin(tmp_path):
    class Counting(Diary):
        def begin(self):
            self.own = get_variable("own", [2], np.int64, trainable=False) + get_global_step()

    hook = Counting()
    hook.fetch = lambda: hook.own
    estimator = model(tmp_path).train(line(), hooks=[hook])
    assert hook.results.tolist() == [1, 1]
    assert estimator.get_variable_value("own").tolist() == [0, 0]


# Listeners -----------------------------------------------------------------------------------------


class Listener(CheckpointSaverListener):
    def __init__(self, notes, stop_at=None):
        self.notes, self.stop_at = notes, stop_at

    def begin(self):
        self.notes.append("listener begin")

    def before_save(self, session, global_step_value):
        self.notes.append(f"before {global_step_value}")

    def after_save(self, session, global_step_value):
        self.notes.append(f"saved {global_step_value}")
        return global_step_value == self.stop_at

    def end(self, session, global_step_value):
        self.notes.append(f"listener end {global_step_value}")


def test_listeners_and_hooks_around_checkpoints(tmp_path):
    notes = []
    config = QUIET.replace(save_checkpoints_steps=2)
    model(tmp_path, config).train(line(12), hooks=[Diary(notes)], saving_listeners=[Listener(notes)])
    assert notes == [
        "listener begin",
        "begin",
        "created",
        "before",
        *("before 0", "saved 0"),
        "after",
        "before",
        *("before 2", "saved 2", "after"),
        "before",
        "after",
        *("before 3", "saved 3", "listener end 3", "end"),
    ]


def test_a_listener_stops_training(tmp_path):
    notes = []
    config = QUIET.replace(save_checkpoints_steps=2)
    model(tmp_path, config).train(line(400), saving_listeners=[Listener(notes, stop_at=4)])
    assert notes[-3:] == ["before 4", "saved 4", "listener end 4"]


def test_other_listeners_are_refused(tmp_path):
    with pytest.raises(TypeError, match="saving_listeners must"):
        model(tmp_path).train(line(), saving_listeners=[Diary()])


def test_hooks_over_an_empty_input(tmp_path):
    notes = Diary()
    model(tmp_path).train(line().take(0), hooks=[notes])
    assert notes.notes == ["begin", "created", "before", "end"]


def test_text_is_fetched_as_numpy(tmp_path):
    def with_text(features, labels, mode):
        TENSORS["text"] = features["t"]
        loss = get_variable("weight", []) * 1.0
        return EstimatorSpec(mode, loss=loss, train_op=Ftrl(0.1).minimize(loss))

    data = Dataset.from_tensor_slices(({"t": ["a", "bc"]}, [1.0, 2.0])).batch(2)
    hook = Diary(fetch=lambda: TENSORS["text"])
    Estimator(with_text, tmp_path, QUIET).train(data, hooks=[hook])
    assert hook.results.tolist() == ["a", "bc"]


def test_a_prediction_that_is_given_up_does_not_end(tmp_path):
    notes = Diary()
    predictions = model(tmp_path).predict(line(), hooks=[notes])
    next(predictions)
    predictions.close()
    assert notes.notes == ["begin", "created", "before", "after"]


def test_training_goes_on_after_a_hook_has_stopped_it(tmp_path):
    estimator = model(tmp_path).train(line(40), hooks=[Stop(3)]).train(line(40), hooks=[Stop(2)])
    assert estimator.get_variable_value("global_step") == 5
